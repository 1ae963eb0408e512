//! One connection to a service, kept from call to call.
//!
//! The service's name is resolved here and the connection goes to an address of that very answer, so that a name which answers
//! differently the second time (DNS rebinding) gains nothing. One forbidden address among several spoils the answer. Nothing follows
//! a redirect, nothing inflates a body, and what is read has a limit while it is read.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use oriel_model::permissions::Permissions;
use oriel_sandbox::{RemoteConnection, RemoteError, RemoteRequest};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use crate::service::HttpService;

/// A connection that has been quiet for so long is not used again: services close such connections, often just when a request
/// is on its way.
const QUIET: Duration = Duration::from_secs(15);
/// A connection is not kept longer than this, so that a name that moves is followed.
const AGE: Duration = Duration::from_secs(300);

/// A connection, as long as there is one.
pub(crate) struct Connection {
    service: HttpService,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    since: Instant,
    used: Instant,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Open {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.used.elapsed() < QUIET && self.since.elapsed() < AGE
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn unreachable(reason: impl ToString) -> RemoteError {
    RemoteError::Unreachable {
        reason: reason.to_string(),
    }
}

impl Connection {
    pub(crate) const fn new(service: HttpService) -> Self {
        Self { service, open: None }
    }

    async fn exchange(&mut self, request: RemoteRequest) -> Result<Bytes, RemoteError> {
        let url = self.service.url.at(&request.path);
        let mut open = match self.open.take().filter(Open::is_usable) {
            Some(open) => open,
            None => self.connect(&url).await?,
        };
        let answer = match open.sender.ready().await {
            Ok(()) => self.send(&mut open, &url, &request).await,
            // It was closed while it lay there. Nothing was sent, so nothing is sent twice.
            Err(_) => {
                open = self.connect(&url).await?;
                open.sender.ready().await.map_err(unreachable)?;
                self.send(&mut open, &url, &request).await
            }
        };
        let (status, headers, body) = split(answer?);
        // What is no answer is not read; the connection is given up with it.
        judge(status, &headers)?;
        let body = read(&headers, body, request.limit).await?;
        open.used = Instant::now();
        self.open = Some(open);
        Ok(body)
    }

    async fn send(&self, open: &mut Open, url: &Url, request: &RemoteRequest) -> Result<Response<Incoming>, RemoteError> {
        let request = self.signed(url, request.body.clone())?;
        open.sender
            .send_request(request)
            .await
            .map_err(|error| unreachable(described(&error)))
    }

    /// The request with its signature, made at the last moment so that its time is true.
    fn signed(&self, url: &Url, body: Bytes) -> Result<Request<Full<Bytes>>, RemoteError> {
        let headers = self.service.signer.sign(self.service.network.clock.now(), &body);
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = Request::builder()
            .method(Method::POST)
            // Scheme and authority are written on the wire for proxies only.
            .uri(url.path().parse::<Uri>().map_err(unreachable)?)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "identity")
            .header(USER_AGENT, concat!("oriel/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", headers.id)
            .header("webhook-timestamp", headers.timestamp)
            .header("webhook-signature", headers.signature);
        request.body(Full::new(body)).map_err(unreachable)
    }

    async fn connect(&self, url: &Url) -> Result<Open, RemoteError> {
        let addresses = self.addresses(url).await?;
        let stream = dial(&addresses).await?;
        if url.scheme() != "https" {
            return opened(stream).await;
        }
        let name = match url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).map_err(unreachable)?,
            Some(Host::Ipv4(address)) => IpAddr::from(address).into(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).into(),
            None => return Err(unreachable("the address has no host")),
        };
        let connector = tokio_rustls::TlsConnector::from(self.service.network.tls.clone());
        let stream = connector.connect(name, stream).await;
        opened(stream.map_err(|error| unreachable(format!("TLS was not agreed upon: {error}")))?).await
    }

    /// The addresses behind the URL, all of them allowed.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, RemoteError> {
        let port = url.port_or_known_default().unwrap_or_default();
        let network = &self.service.network;
        let found = match url.host() {
            // The URL's own parser has read decimal, octal and other forms of an address already.
            Some(Host::Ipv4(address)) => vec![SocketAddr::new(address.into(), port)],
            Some(Host::Ipv6(address)) => vec![SocketAddr::new(address.into(), port)],
            Some(Host::Domain(name)) => {
                let found = network.resolver.resolve(name, port).await;
                found.map_err(|error| unreachable(format!("the name `{name}` has no address: {error}")))?
            }
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(unreachable("its name has no address"));
        }
        for address in &found {
            let ip = address.ip();
            if !network.allowed.allows_address(ip) {
                let reason = format!("{ip} is in a network that the server's operator does not allow");
                return Err(RemoteError::Address { reason });
            }
            if url.scheme() != "https" && Permissions::default().allows_address(ip) {
                let reason = format!("{ip} is public, and calls there must go over `https`");
                return Err(RemoteError::Address { reason });
            }
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }
}

#[async_trait::async_trait]
impl RemoteConnection for Connection {
    async fn ask(&mut self, request: RemoteRequest) -> Result<Bytes, RemoteError> {
        let deadline = request.deadline;
        timeout_at(deadline, self.exchange(request)).await.unwrap_or(Err(RemoteError::Late))
    }
}

async fn dial(addresses: &[SocketAddr]) -> Result<TcpStream, RemoteError> {
    let mut last = unreachable("its name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are written whole; waiting for more to send helps nobody.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = unreachable(format!("no connection to {address}: {error}")),
        }
    }
    Err(last)
}

async fn opened<S>(stream: S) -> Result<Open, RemoteError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(100)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(unreachable)?;
    let driver = tokio::spawn(async move {
        // Whoever waits for an answer hears of a broken connection there.
        let _ = connection.await;
    });
    let now = Instant::now();
    Ok(Open {
        sender,
        driver,
        since: now,
        used: now,
    })
}

fn split(answer: Response<Incoming>) -> (StatusCode, HeaderMap, Incoming) {
    let (parts, body) = answer.into_parts();
    (parts.status, parts.headers, body)
}

/// The whole body, as far as the limit goes.
async fn read(headers: &HeaderMap, mut body: Incoming, limit: u64) -> Result<Bytes, RemoteError> {
    let announced = headers
        .get(http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(RemoteError::TooLong { limit });
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|error| unreachable(format!("the connection broke in the middle of the answer: {}", described(&error))))?;
        if let Ok(data) = frame.into_data() {
            if (whole.len() + data.len()) as u64 > limit {
                return Err(RemoteError::TooLong { limit });
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

/// Whether the head promises an answer as the protocol says.
fn judge(status: StatusCode, headers: &HeaderMap) -> Result<(), RemoteError> {
    let answer = |reason: String| Err(RemoteError::Answer { reason });
    match status.as_u16() {
        200 => {}
        status @ (401 | 403 | 409) => return Err(RemoteError::Refused { status }),
        status @ (429 | 503) => return Err(RemoteError::Busy { status }),
        300..=399 => return answer(format!("it is a redirect ({status}), which is not followed")),
        404 => return answer("it knows nothing at this path (404)".to_owned()),
        _ => return answer(format!("its status is {status}, not 200")),
    }
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(|value| !plain(value)) {
        return answer("it is compressed, which the request did not ask for".to_owned());
    }
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        let shown: String = media.chars().take(64).collect();
        return answer(format!("its media type is `{shown}`, not `application/json`"));
    }
    Ok(())
}

/// What hyper says, with what lies behind it.
fn described(error: &hyper::Error) -> String {
    let behind = std::error::Error::source(error);
    behind.map_or_else(|| error.to_string(), |behind| format!("{error}: {behind}"))
}
