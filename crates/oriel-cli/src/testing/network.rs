//! The network of a test: recorded exchanges, and a refusal for everything else.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use oriel_model::permissions::Scheme;
use oriel_sandbox::{Connect, Resolve, Stream};
use parking_lot::Mutex;

use super::cases::{Body, Exchange};

/// The longest request body that is read.
const MAX_BODY: usize = 64 << 20;

/// What happened on the network of the case at hand.
#[derive(Debug, Default)]
struct Tape {
    exchanges: Vec<(Exchange, bool)>,
    unexpected: Vec<String>,
}

/// Stands in for names and connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    tape: Arc<Mutex<Tape>>,
}

impl Network {
    /// Takes the exchanges of the next case.
    pub(super) fn load(&self, exchanges: Vec<Exchange>) {
        *self.tape.lock() = Tape {
            exchanges: exchanges.into_iter().map(|exchange| (exchange, false)).collect(),
            unexpected: Vec::new(),
        };
    }

    /// What was asked and not recorded, and what was recorded and not asked.
    pub(super) fn problems(&self) -> Vec<String> {
        let tape = self.tape.lock();
        let missing = tape.exchanges.iter().filter(|(exchange, used)| !used && !exchange.optional);
        let missing = missing.map(|(exchange, _)| format!("never asked: {} {}", exchange.method, exchange.url));
        tape.unexpected
            .iter()
            .map(|request| format!("not recorded: {request}"))
            .chain(missing)
            .collect()
    }

    /// The exchange that answers this request, each once.
    fn answer(&self, method: &str, url: &str, headers: &hyper::HeaderMap, body: &[u8]) -> Option<Exchange> {
        let mut tape = self.tape.lock();
        let fits = |exchange: &Exchange| {
            exchange.method == method
                && exchange.url == url
                && exchange.request_body.as_ref().is_none_or(|wanted| same_body(wanted, body))
                && exchange
                    .request_headers
                    .iter()
                    .all(|(name, value)| headers.get(name).is_some_and(|given| given.as_bytes() == value.as_bytes()))
        };
        let found = tape.exchanges.iter_mut().find(|(exchange, used)| !used && fits(exchange));
        if let Some((exchange, used)) = found {
            *used = true;
            return Some(exchange.clone());
        }
        let mut request = format!("{method} {url}");
        if !body.is_empty() {
            request.push_str(" with body ");
            request.extend(String::from_utf8_lossy(body).chars().take(500));
        }
        tape.unexpected.push(request);
        None
    }
}

fn same_body(wanted: &Body, given: &[u8]) -> bool {
    match wanted {
        Body::Text(text) => text.as_bytes() == given,
        Body::Json(value) => serde_json::from_slice::<serde_json::Value>(given).is_ok_and(|given| given == *value),
    }
}

#[async_trait::async_trait]
impl Resolve for Network {
    /// Every name has an address, a public one, so that grants for private networks do not matter to recordings.
    async fn resolve(&self, _host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from((Ipv4Addr::new(1, 1, 1, 1), port))])
    }
}

#[async_trait::async_trait]
impl Connect for Network {
    async fn connect(&self, scheme: Scheme, host: &str, addresses: &[SocketAddr]) -> std::io::Result<Box<dyn Stream>> {
        let port = addresses.first().map_or(0, SocketAddr::port);
        let text = match scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let origin = if port == scheme.default_port() {
            format!("{text}://{host}")
        } else {
            format!("{text}://{host}:{port}")
        };
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let network = self.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| reply(network.clone(), origin.clone(), request));
            // An error is how a connection breaks; the guest sees its other end.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(ours), service)
                .await;
        });
        Ok(Box::new(theirs))
    }
}

/// Why a connection breaks.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection breaks")
    }
}

impl std::error::Error for Broken {}

async fn reply(network: Network, origin: String, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    let limited = http_body_util::Limited::new(body, MAX_BODY);
    let body = limited.collect().await.map_err(|_| Broken)?.to_bytes();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{origin}{path}");
    let url = url::Url::parse(&url).map_or(url, |url| url.to_string());
    let exchange = network
        .answer(head.method.as_str(), &url, &head.headers, &body)
        .filter(|exchange| !exchange.fails)
        .ok_or(Broken)?;
    let mut response = Response::builder().status(exchange.status);
    for (name, value) in &exchange.headers {
        response = response.header(name, value);
    }
    let bytes = match exchange.body {
        None => Bytes::new(),
        Some(Body::Text(text)) => text.into(),
        Some(Body::Json(value)) => {
            if !exchange.headers.contains_key("content-type") {
                response = response.header("content-type", "application/json");
            }
            value.to_string().into()
        }
    };
    response.body(Full::new(bytes)).map_err(|_| Broken)
}
