//! Outbound HTTPS against a server of our own, with certificates of our own.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use oriel_sandbox::{Pool, Resolve, Sandbox, TrustedRoots};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::http::{fetch, grant};
use super::support::*;

/// A certificate authority: made here, known to nobody who is not told.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: rustls::pki_types::CertificateDer<'static>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate for `names`, valid until the end of a year.
    fn signs(&self, names: &[&str], until: i32) -> CertifiedKey {
        let key = KeyPair::generate().unwrap();
        let mut params = certificate(names);
        params.not_after = date_time_ymd(until, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        certified(&key, certificate.der().clone())
    }
}

fn certificate(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params
}

fn self_signed(names: &[&str]) -> CertifiedKey {
    let key = KeyPair::generate().unwrap();
    let certificate = certificate(names).self_signed(&key).unwrap();
    certified(&key, certificate.der().clone())
}

fn certified(key: &KeyPair, certificate: rustls::pki_types::CertificateDer<'static>) -> CertifiedKey {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    CertifiedKey::from_der(vec![certificate], key.into(), &default_provider()).unwrap()
}

/// What a server was asked.
#[derive(Default)]
struct Seen {
    /// The server name of each handshake that began.
    names: Mutex<Vec<String>>,
    /// The head of each request.
    heads: Mutex<Vec<String>>,
    /// Handshakes that took up a session from before.
    resumed: Mutex<usize>,
}

impl Seen {
    fn names(&self) -> Vec<String> {
        std::mem::take(&mut *self.names.lock().unwrap())
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

/// Shows one certificate to everybody.
struct Shows(Arc<CertifiedKey>, Arc<Seen>);

impl std::fmt::Debug for Shows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shows")
    }
}

impl ResolvesServerCert for Shows {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or("-").to_owned();
        self.1.names.lock().unwrap().push(name);
        Some(Arc::clone(&self.0))
    }
}

/// A server that answers each request with `hello`. With `clients`, it takes nobody whom that authority does not know.
async fn server(certificate: CertifiedKey, clients: Option<&Authority>) -> (u16, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der.clone()).unwrap();
            let provider = Arc::new(default_provider());
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let config = builder.with_cert_resolver(Arc::new(Shows(Arc::new(certificate), Arc::clone(&seen))));
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let seer = Arc::clone(&seen);
    let port = listen(move |stream| {
        let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seer));
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
                *seen.resumed.lock().unwrap() += 1;
            }
            let Some(head) = head(&mut stream).await else { return };
            seen.heads.lock().unwrap().push(head);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    (port, seen)
}

/// A server whose connections each go through `serve`; answers its port.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    port
}

/// Every name is this machine, the first time that it is asked for; the second time it is somewhere
/// else in a private network.
#[derive(Default)]
struct Rebinding(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let mut asked = self.0.lock().unwrap();
        let address: IpAddr = if asked.iter().any(|name| name == host) {
            "10.0.0.1".parse().unwrap()
        } else {
            "127.0.0.1".parse().unwrap()
        };
        asked.push(host.to_owned());
        Ok(vec![SocketAddr::new(address, port)])
    }
}

/// A sandbox in which these authorities are trusted beside Mozilla's, and what its resolver is asked.
fn sandbox_trusting(authorities: &[&Authority]) -> (Sandbox, Arc<Rebinding>) {
    let names = Arc::<Rebinding>::default();
    let mut options = options();
    options.resolver = Arc::clone(&names) as Arc<dyn Resolve>;
    let pem: String = authorities.iter().map(|authority| authority.pem.as_str()).collect();
    if !pem.is_empty() {
        options.trusted_roots = TrustedRoots::mozilla().and_pem(pem.as_bytes()).unwrap();
    }
    (Sandbox::new(options).unwrap(), names)
}

/// A pool that may reach `hosts` at `port`.
fn pool(sandbox: &Sandbox, hosts: &[&str], port: u16) -> (Pool, Arc<Traces>) {
    let hosts: Vec<_> = hosts.iter().map(|host| format!("{host}:{port}")).collect();
    Setup::guest("hostile")
        .with(|spec| spec.grant = grant(&hosts, &["127.0.0.0/8"]))
        .pool_in(sandbox)
}

#[tokio::test]
async fn a_trusted_certificate_works() {
    let authority = Authority::new("the company's own");
    let certificate = authority.signs(&["api.example", "127.0.0.1"], 2099);
    let (port, seen) = server(certificate, None).await;
    let (sandbox, resolver) = sandbox_trusting(&[&Authority::new("another"), &authority]);
    let (pool, traces) = pool(&sandbox, &["api.example", "127.0.0.1"], port);

    assert_eq!(fetch(&pool, &format!("https://api.example:{port}/a?b=c")).await, "\"200 5\"");
    assert_eq!(seen.names(), ["api.example"], "the name in the handshake");
    let heads = seen.heads();
    assert_eq!(heads.len(), 1);
    assert!(heads[0].starts_with("GET /a?b=c HTTP/1.1\r\n"), "{heads:?}");
    assert!(
        heads[0].to_lowercase().contains(&format!("\r\nhost: api.example:{port}\r\n")),
        "{heads:?}"
    );
    assert_eq!(
        *resolver.0.lock().unwrap(),
        ["api.example"],
        "asked once, and connected to that answer"
    );

    // An address is not a name: the handshake carries none, and the certificate must speak for the address.
    assert_eq!(fetch(&pool, &format!("https://127.0.0.1:{port}/")).await, "\"200 5\"");
    assert_eq!(seen.names(), ["-"]);
    assert!(seen.heads()[0].to_lowercase().contains(&format!("\r\nhost: 127.0.0.1:{port}\r\n")));
    assert!(traces.refused().is_empty() && traces.lines().is_empty());
}

#[tokio::test]
async fn an_untrusted_certificate_is_an_error_and_nothing_is_sent() {
    let known = Authority::new("known");
    let (sandbox, _) = sandbox_trusting(&[&known]);
    let check = async |certificate: CertifiedKey, host: &str, reason: &str| {
        let (port, seen) = server(certificate, None).await;
        let (pool, traces) = pool(&sandbox, &[host], port);
        assert_eq!(
            fetch(&pool, &format!("https://{host}:{port}/secret")).await,
            "\"ErrorCode::TlsCertificateError\"",
            "{reason}"
        );
        let lines = traces.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with(&format!("outbound HTTP: TLS with {host}:{port} failed: ")) && lines[0].contains(reason),
            "{lines:?}"
        );
        assert_eq!(seen.names().len(), 1, "the server was reached");
        assert!(seen.heads().is_empty(), "it was told nothing");
        assert!(traces.refused().is_empty(), "the grant covers it");
    };
    let unknown = Authority::new("unknown");
    // The same name as the one that is known, and another key.
    let impostor = Authority::new("known");
    check(unknown.signs(&["a.example"], 2099), "a.example", "UnknownIssuer").await;
    check(impostor.signs(&["b.example"], 2099), "b.example", "BadSignature").await;
    check(self_signed(&["c.example"]), "c.example", "UnknownIssuer").await;
    check(known.signs(&["other.example"], 2099), "d.example", "not valid for name").await;
    check(known.signs(&["localhost"], 2099), "127.0.0.1", "not valid for name").await;
    check(known.signs(&["e.example"], 2001), "e.example", "expired").await;
}

#[tokio::test]
async fn what_is_added_is_trusted_beside_the_usual_and_nowhere_else() {
    let authority = Authority::new("the company's own");
    let usual = TrustedRoots::mozilla();
    let more = usual.and_pem(authority.pem.as_bytes()).unwrap();
    let count = |roots: &TrustedRoots| {
        let shown = format!("{roots:?}");
        shown
            .chars()
            .filter(char::is_ascii_digit)
            .collect::<String>()
            .parse::<usize>()
            .unwrap()
    };
    assert!(count(&usual) > 50);
    assert_eq!(count(&more), count(&usual) + 1);

    let (port, seen) = server(authority.signs(&["api.example"], 2099), None).await;
    let (sandbox, _) = sandbox_trusting(&[]);
    let (pool, _) = pool(&sandbox, &["api.example"], port);
    let words = fetch(&pool, &format!("https://api.example:{port}/")).await;
    assert_eq!(words, "\"ErrorCode::TlsCertificateError\"", "without the option it is a stranger");
    assert!(seen.heads().is_empty());
}

#[tokio::test]
async fn a_guest_chooses_neither_the_host_header_nor_the_server_name() {
    let authority = Authority::new("the company's own");
    let (port, seen) = server(authority.signs(&["api.example"], 2099), None).await;
    let (sandbox, _) = sandbox_trusting(&[&authority]);
    let (pool, _) = pool(&sandbox, &["api.example"], port);
    let url = format!("https://api.example:{port}/");
    for name in ["host", "Host", "HOST"] {
        let words = answer(&pool, "fetch-with-header", &format!("{name} internal.example {url}")).await;
        assert!(words.contains("Forbidden"), "{name}: {words}");
    }
    assert!(seen.names().is_empty() && seen.heads().is_empty());
    let words = answer(&pool, "fetch-with-header", &format!("x-forwarded-host internal.example {url}")).await;
    assert_eq!(words, "\"200 5\"", "other fields are its own business");
    assert_eq!(seen.names(), ["api.example"]);
    assert!(
        seen.heads()[0]
            .to_lowercase()
            .contains("\r\nx-forwarded-host: internal.example\r\n")
    );
}

#[tokio::test]
async fn a_name_that_rebinds_is_judged_anew_at_each_request() {
    let authority = Authority::new("the company's own");
    let (port, seen) = server(authority.signs(&["api.example"], 2099), None).await;
    let (sandbox, resolver) = sandbox_trusting(&[&authority]);
    let (pool, traces) = pool(&sandbox, &["api.example"], port);
    let url = format!("https://api.example:{port}/");
    assert_eq!(fetch(&pool, &url).await, "\"200 5\"");
    // The first answer is not kept, and the second is judged like the first.
    assert_eq!(fetch(&pool, &url).await, "\"ErrorCode::DestinationIpProhibited\"");
    assert_eq!(traces.refused(), ["private_network 10.0.0.1 (behind api.example)"]);
    assert_eq!(resolver.0.lock().unwrap().len(), 2);
    assert_eq!(seen.heads().len(), 1);
}

#[tokio::test]
async fn sessions_are_taken_up_within_an_instance_and_never_across_pools() {
    let authority = Authority::new("the company's own");
    let (port, seen) = server(authority.signs(&["127.0.0.1"], 2099), None).await;
    let (sandbox, _) = sandbox_trusting(&[&authority]);
    let url = format!("https://127.0.0.1:{port}/");
    let resumed = || *seen.resumed.lock().unwrap();
    let (first, _) = pool(&sandbox, &["127.0.0.1"], port);
    assert_eq!(fetch(&first, &url).await, "\"200 5\"");
    assert_eq!(resumed(), 0);
    assert_eq!(fetch(&first, &url).await, "\"200 5\"");
    assert_eq!(resumed(), 1);
    let (second, _) = pool(&sandbox, &["127.0.0.1"], port);
    assert_eq!(fetch(&second, &url).await, "\"200 5\"");
    assert_eq!(resumed(), 1, "another installation begins anew");
}

#[tokio::test]
async fn what_is_not_tls_or_wants_more_of_it_is_told_apart() {
    let authority = Authority::new("the company's own");
    let (sandbox, _) = sandbox_trusting(&[&authority]);
    let check = async |port: u16, wanted: &str| {
        let (pool, _) = Setup::guest("hostile")
            .with(|spec| spec.grant = grant(&[format!("127.0.0.1:{port}")], &["127.0.0.0/8"]))
            .pool_in(&sandbox);
        let words = fetch(&pool, &format!("https://127.0.0.1:{port}/")).await;
        assert!(words.contains(wanted), "{wanted}: {words}");
    };
    let plain = listen(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    check(plain.await, "TlsProtocolError").await;
    // It reads the greeting first, so that the end is an end and no reset.
    let closing = listen(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    });
    check(closing.await, "ConnectionTerminated").await;
    let (port, seen) = server(authority.signs(&["127.0.0.1"], 2099), Some(&authority)).await;
    check(port, "TlsAlertReceived").await;
    assert!(seen.heads().is_empty(), "a server that wants a certificate of the client gets none");
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    check(nobody, "ConnectionRefused").await;
}

#[tokio::test]
async fn a_handshake_has_the_time_of_the_request() {
    let silent = listen(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let (sandbox, _) = sandbox_trusting(&[]);
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.grant = grant(&[format!("127.0.0.1:{silent}")], &["127.0.0.0/8"]);
            spec.limits.http_timeout = ms(50);
        })
        .pool_in(&sandbox);
    let words = fetch(&pool, &format!("https://127.0.0.1:{silent}/")).await;
    assert_eq!(words, "\"ErrorCode::ConnectionTimeout\"");
}
