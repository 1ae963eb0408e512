//! Servers that stand for those of others: they keep what they are asked, and answer as the test says.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;

/// How long something is waited for that comes in the background.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The body as JSON; `null` when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status, headers and a body.
    With(u16, Vec<(&'static str, String)>, String),
    /// The connection breaks.
    Lost,
    /// Nothing comes for so long.
    Late(Duration),
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::With(
            status,
            vec![("content-type", "application/json; charset=utf-8".to_owned())],
            body.to_string(),
        )
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::With(status, vec![("content-type", "text/html".to_owned())], body.to_owned())
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::With(status, mut headers, body) => {
                headers.push((name, value.to_owned()));
                Self::With(status, headers, body)
            }
            other => other,
        }
    }
}

/// Waits until it holds.
#[track_caller]
pub(crate) fn until(holds: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "{caller}: it does not come to that");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

type Answers = Arc<dyn Fn(&Asked, usize) -> Reply + Send + Sync>;

/// A server on loopback.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Asked>>>,
}

impl Api {
    /// Starts one; `answers` gets each request with its number, from 0 on.
    pub(crate) async fn start(answers: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<Asked>>>::default();
        let (kept, answers): (_, Answers) = (seen.clone(), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answers) = (kept.clone(), answers.clone());
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, kept.clone(), answers.clone()));
                    // An error is how a connection breaks.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { address, seen }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Asked> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until it was asked so often; answers all that was asked.
    #[track_caller]
    pub(crate) fn asked(&self, count: usize) -> impl Future<Output = Vec<Asked>> + '_ {
        let caller = std::panic::Location::caller();
        async move {
            let begun = Instant::now();
            loop {
                let seen = self.seen();
                if seen.len() >= count {
                    return seen;
                }
                assert!(
                    begun.elapsed() < PATIENCE,
                    "{caller}: asked {} times, not {count}: {seen:#?}",
                    seen.len()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection breaks")
    }
}

impl std::error::Error for Broken {}

async fn answer(
    request: hyper::Request<Incoming>,
    kept: Arc<Mutex<Vec<Asked>>>,
    answers: Answers,
) -> Result<hyper::Response<Full<Bytes>>, Broken> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(asked.clone());
        kept.len() - 1
    };
    match answers(&asked, number) {
        Reply::With(status, headers, body) => {
            let mut response = hyper::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            response.body(Full::new(body.into())).map_err(|_| Broken)
        }
        Reply::Lost => Err(Broken),
        Reply::Late(time) => {
            tokio::time::sleep(time).await;
            Err(Broken)
        }
    }
}
