//! Server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! What a handler writes waits in a channel of a few pieces, so a client that reads slowly slows the handler, and a client
//! that goes away ends it.

use std::future::Future;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::problem::Problem;

/// Pieces that may wait for the client.
const WAITING: usize = 16;

/// Whether the client asks for events.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
}

/// Where a handler writes.
pub(super) struct Out(mpsc::Sender<Bytes>);

impl Out {
    /// Sends an event; `false` when the client is gone.
    pub(super) async fn event(&self, name: &str, id: Option<i64>, data: &impl Serialize) -> bool {
        let mut text = format!("event: {name}\n").into_bytes();
        if let Some(id) = id {
            text.extend_from_slice(format!("id: {id}\n").as_bytes());
        }
        text.extend_from_slice(b"data: ");
        if serde_json::to_writer(&mut text, data).is_err() {
            return false;
        }
        text.extend_from_slice(b"\n\n");
        self.0.send(text.into()).await.is_ok()
    }

    /// Sends a comment, which keeps the connection alive; `false` when the client is gone.
    pub(super) async fn comment(&self) -> bool {
        self.0.send(Bytes::from_static(b":\n\n")).await.is_ok()
    }

    /// Sends a problem as the last event.
    pub(super) async fn problem(&self, problem: &Problem) {
        let _ = self.0.send(self::problem(problem)).await;
    }

    /// Ends when the client is gone.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }
}

/// A problem as an event.
pub(super) fn problem(problem: &Problem) -> Bytes {
    let mut text = b"event: problem\ndata: ".to_vec();
    text.extend_from_slice(&problem.body(""));
    text.extend_from_slice(b"\n\n");
    text.into()
}

/// A reply whose events `write` sends; it ends when `write` does.
pub(super) fn reply<F: Future<Output = ()> + Send + 'static>(write: impl FnOnce(Out) -> F) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(write(Out(sender)));
    of(Body::from_stream(
        ReceiverStream::new(receiver).map(Ok::<_, std::convert::Infallible>),
    ))
}

/// A reply of this body, said to be events.
pub(super) fn of(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that would gather a reply before passing it on must not.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
