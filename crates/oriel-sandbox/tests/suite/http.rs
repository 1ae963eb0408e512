//! Outbound HTTP against a server of our own.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use oriel_model::permissions::Permissions;
use oriel_sandbox::{Pool, Resolve, Sandbox};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::support::*;

/// Answers by path: `/big/N` with N bytes, `/endless/N` with N bytes in chunks of unknown total, `/slow` never,
/// `/away` with a redirect, anything else with `hello`. Counts connections.
async fn server() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let Some(head) = head(&mut stream).await else { return };
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let number = |path: &str| path.parse::<usize>().unwrap();
                let answer = if let Some(length) = path.strip_prefix("/big/") {
                    let body = "x".repeat(number(length));
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
                } else if let Some(length) = path.strip_prefix("/endless/") {
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(number(length)))
                } else if path == "/slow" {
                    std::future::pending().await
                } else if path == "/away" {
                    "HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n".to_owned()
                } else {
                    "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello".to_owned()
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (address, count)
}

/// Names with fixed addresses.
struct Names(HashMap<&'static str, Vec<IpAddr>>);

#[async_trait::async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let found = self.0.get(host).ok_or_else(|| std::io::Error::other("no such name"))?;
        Ok(found.iter().map(|address| SocketAddr::new(*address, port)).collect())
    }
}

fn sandbox_with_names() -> Sandbox {
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut options = options();
    options.resolver = Arc::new(Names(HashMap::from([
        ("local.example", vec![address("127.0.0.1")]),
        ("mixed.example", vec![address("8.8.8.8"), address("127.0.0.1")]),
        ("metadata.example", vec![address("::ffff:169.254.169.254")]),
        ("nowhere.example", vec![]),
    ])));
    Sandbox::new(options).unwrap()
}

pub(super) fn grant(network: &[String], private: &[&str]) -> Permissions {
    Permissions {
        network: network.iter().map(|pattern| pattern.parse().unwrap()).collect(),
        private_network: private.iter().map(|network| network.parse().unwrap()).collect(),
        ..Permissions::default()
    }
}

pub(super) async fn fetch(pool: &Pool, url: &str) -> String {
    answer(pool, "fetch", url).await
}

#[tokio::test]
async fn a_granted_host_answers() {
    let (address, count) = server().await;
    let port = address.port();
    let sandbox = sandbox_with_names();
    let granted = grant(&[format!("local.example:{port}"), format!("127.0.0.1:{port}")], &["127.0.0.0/8"]);
    let (pool, traces) = Setup::guest("hostile").with(|spec| spec.grant = granted).pool_in(&sandbox);
    assert_eq!(fetch(&pool, &format!("http://local.example:{port}/")).await, "\"200 5\"");
    assert_eq!(fetch(&pool, &format!("http://127.0.0.1:{port}/")).await, "\"200 5\"");
    assert_eq!(
        fetch(&pool, &format!("http://local.example:{port}/big/100000")).await,
        "\"200 100000\""
    );
    assert_eq!(
        fetch(&pool, &format!("http://local.example:{port}/endless/100000")).await,
        "\"200 100000\""
    );
    assert_eq!(
        fetch(&pool, &format!("http://local.example:{port}/away")).await,
        "\"302 0\"",
        "redirects are the guest's business"
    );
    assert_eq!(count.load(Relaxed), 5);
    assert!(traces.refused().is_empty());
}

#[tokio::test]
async fn everything_else_is_refused_and_audited() {
    let (address, count) = server().await;
    let port = address.port();
    let sandbox = sandbox_with_names();
    let hosts: Vec<_> = ["local", "mixed", "metadata", "nowhere", "unknown"]
        .map(|name| format!("{name}.example:{port}"))
        .into();
    let check = async |private: &[&str], url: String, code: &str, refusal: &str| {
        let (pool, traces) = Setup::guest("hostile")
            .with(|spec| spec.grant = grant(&hosts, private))
            .pool_in(&sandbox);
        let words = fetch(&pool, &url).await;
        assert!(words.contains(code), "{url}: {words}");
        assert_eq!(traces.refused().join(", "), refusal, "{url}");
    };
    let any = &["127.0.0.0/8"][..];
    // Not on the list: another host, port, scheme, or the address behind a name that is on it.
    check(
        any,
        format!("http://evil.example:{port}/"),
        "HttpRequestDenied",
        &format!("network evil.example:{port}"),
    )
    .await;
    check(
        any,
        "http://local.example/".to_owned(),
        "HttpRequestDenied",
        "network local.example:80",
    )
    .await;
    check(
        any,
        format!("http://127.0.0.1:{port}/"),
        "HttpRequestDenied",
        &format!("network 127.0.0.1:{port}"),
    )
    .await;
    check(any, format!("http://user@local.example:{port}/"), "HttpRequestUriInvalid", "").await;
    // On the list, but the address behind it is private.
    check(
        &[],
        format!("http://local.example:{port}/"),
        "DestinationIpProhibited",
        "private_network 127.0.0.1 (behind local.example)",
    )
    .await;
    check(
        &[],
        format!("http://mixed.example:{port}/"),
        "DestinationIpProhibited",
        "private_network 127.0.0.1 (behind mixed.example)",
    )
    .await;
    check(
        any,
        format!("http://metadata.example:{port}/"),
        "DestinationIpProhibited",
        "private_network ::ffff:169.254.169.254 (behind metadata.example)",
    )
    .await;
    // Names without an address.
    check(any, format!("http://nowhere.example:{port}/"), "DestinationNotFound", "").await;
    check(any, format!("http://unknown.example:{port}/"), "DnsError", "").await;
    assert_eq!(count.load(Relaxed), 0, "the network was never touched");
}

/// A name server that answers something else each time.
struct Rebinds {
    asked: AtomicU32,
    answers: [&'static [&'static str]; 5],
}

#[async_trait::async_trait]
impl Resolve for Rebinds {
    async fn resolve(&self, _: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let at = self.asked.fetch_add(1, Relaxed) as usize;
        let address = |text: &&str| SocketAddr::new(text.parse().unwrap(), port);
        Ok(self.answers[at].iter().map(address).collect())
    }
}

/// The network: keeps the addresses that connections were to go to, and connects to none.
#[derive(Default)]
struct Wire(std::sync::Mutex<Vec<String>>);

#[async_trait::async_trait]
impl oriel_sandbox::Connect for Wire {
    async fn connect(
        &self,
        _: oriel_model::permissions::Scheme,
        _: &str,
        addresses: &[SocketAddr],
    ) -> std::io::Result<Box<dyn oriel_sandbox::Stream>> {
        self.0
            .lock()
            .unwrap()
            .extend(addresses.iter().map(|address| address.ip().to_string()));
        Err(std::io::Error::other("nobody there"))
    }
}

/// Named by its number in docs/book/security.md, like the attacks of `tests/hostile`.
#[tokio::test]
async fn h20_a_name_that_changes_its_address_after_the_check() {
    let wire = Arc::<Wire>::default();
    let resolver = Arc::new(Rebinds {
        asked: AtomicU32::new(0),
        answers: [
            &["93.184.216.34"],
            &["127.0.0.1"],
            &["93.184.216.34", "169.254.169.254"],
            &["::ffff:10.0.0.1"],
            &["93.184.216.34"],
        ],
    });
    let mut options = options();
    options.resolver = resolver.clone();
    options.connector = Some(wire.clone());
    let sandbox = Sandbox::new(options).unwrap();
    let granted = grant(&["rebinds.example".to_owned()], &[]);
    let (pool, traces) = Setup::guest("hostile").with(|spec| spec.grant = granted).pool_in(&sandbox);
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(fetch(&pool, "http://rebinds.example/").await);
    }
    // Asked once for each request: what was checked is where the connection goes, and nothing else is ever tried.
    assert_eq!(resolver.asked.load(Relaxed), 5);
    assert_eq!(*wire.0.lock().unwrap(), ["93.184.216.34", "93.184.216.34"]);
    for refused in 1..4 {
        assert!(told[refused].contains("DestinationIpProhibited"), "{told:#?}");
    }
    assert_eq!(traces.refused().len(), 3, "{:#?}", traces.refused());
}

#[tokio::test]
async fn a_response_has_a_size_limit() {
    let (address, _) = server().await;
    let host = format!("127.0.0.1:{}", address.port());
    let granted = grant(std::slice::from_ref(&host), &["127.0.0.0/8"]);
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.grant = granted;
            spec.limits.http_response = bytes(1_000);
        })
        .pool();
    assert_eq!(fetch(&pool, &format!("http://{host}/big/1000")).await, "\"200 1000\"");
    let declared = fetch(&pool, &format!("http://{host}/big/1001")).await;
    assert!(declared.contains("HttpResponseBodySize(Some(1001))"), "{declared}");
    let undeclared = fetch(&pool, &format!("http://{host}/endless/100000")).await;
    assert!(undeclared.contains(" then "), "the body ends with an error: {undeclared}");
}

#[tokio::test]
async fn a_request_has_a_time_limit() {
    let (address, _) = server().await;
    let host = format!("127.0.0.1:{}", address.port());
    let granted = grant(std::slice::from_ref(&host), &["127.0.0.0/8"]);
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.grant = granted;
            spec.limits.http_timeout = ms(50);
        })
        .pool();
    let words = fetch(&pool, &format!("http://{host}/slow")).await;
    assert!(words.contains("HttpResponseTimeout"), "{words}");
    assert_eq!(fetch(&pool, &format!("http://{host}/")).await, "\"200 5\"");
}

#[tokio::test]
async fn requests_and_connections_are_counted() {
    let (address, _) = server().await;
    let host = format!("127.0.0.1:{}", address.port());
    let granted = grant(std::slice::from_ref(&host), &["127.0.0.0/8"]);
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.grant = granted;
            spec.limits.connections = 2;
            spec.limits.http_requests = 4;
        })
        .pool();
    let words = answer(&pool, "fetch-at-once", &format!("3 http://{host}/")).await;
    assert_eq!(words.matches("200 5").count(), 2, "{words}");
    assert!(words.contains("ConnectionLimitReached"), "{words}");
    let words = answer(&pool, "fetch-in-turn", &format!("5 http://{host}/")).await;
    assert_eq!(words.matches("200 5").count(), 4, "{words}");
    assert!(words.contains("http_requests"), "{words}");
    let words = answer(&pool, "fetch-in-turn", &format!("4 http://{host}/")).await;
    assert_eq!(words.matches("200 5").count(), 4, "each call counts anew: {words}");
}
