//! The guest's response on its way to the client: its head checked, its body counted and ended with an error where it is
//! not what it says it is.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::response::Parts;
use http::{Method, StatusCode, header};
use http_body::{Body, Frame};

use super::Exchange;
use super::exchange::Read;
use crate::error::CallError;

/// The most fields of a response's head.
const MAX_HEADERS: usize = 100;
/// The longest head of a response: names and values together, in bytes.
const MAX_HEAD: usize = 32 << 10;

/// The body of a route's response. Dropping it before its end ends the call.
pub struct RouteBody(Option<Stream>);

struct Stream {
    exchange: Arc<Exchange>,
    limit: u64,
    sent: u64,
    /// What the head announces.
    length: Option<u64>,
    done: bool,
}

impl std::fmt::Debug for RouteBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RouteBody")
    }
}

/// What a head tells of its body.
pub(crate) struct Announced {
    length: Option<u64>,
    /// Whether bytes follow it at all.
    body: bool,
}

/// Refuses a head that no client should be sent.
pub(crate) fn check_head(parts: &Parts, method: &Method) -> Result<Announced, CallError> {
    let bad = |reason: String| Err(CallError::Answer { reason });
    if parts.status.is_informational() {
        return bad(format!("{} is no status of a final response", parts.status.as_u16()));
    }
    let size: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if parts.headers.len() > MAX_HEADERS || size > MAX_HEAD {
        return bad(format!(
            "the response has {} header fields of {size} bytes; {MAX_HEADERS} and {MAX_HEAD} are allowed",
            parts.headers.len()
        ));
    }
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let length = match (lengths.next(), lengths.next()) {
        (None, _) => None,
        (Some(value), None) => {
            let text = value.to_str().unwrap_or_default();
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            match text.parse() {
                Ok(length) if digits => Some(length),
                _ => return bad("the response's `Content-Length` is not a number".to_owned()),
            }
        }
        (Some(_), Some(_)) => return bad("the response has two `Content-Length`".to_owned()),
    };
    let body = method != Method::HEAD && !matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    Ok(Announced { length, body })
}

impl RouteBody {
    /// The body that follows a head that announces this.
    pub(crate) fn new(exchange: Arc<Exchange>, announced: &Announced, limit: u64) -> Self {
        let whole = Self(Some(Stream {
            exchange,
            limit,
            sent: 0,
            length: announced.length.filter(|_| announced.body),
            done: false,
        }));
        if announced.body {
            return whole;
        }
        // What no client is sent, the guest may still write: it need not know that this was a HEAD.
        tokio::spawn(whole.discard());
        Self(None)
    }

    async fn discard(mut self) {
        while let Some(Ok(_)) = std::future::poll_fn(|context| Pin::new(&mut self).poll_frame(context)).await {}
    }
}

impl Stream {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, CallError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let read = self.exchange.read(context);
        self.exchange.reading.store(matches!(read, Read::Data(_)), Relaxed);
        let end = match read {
            Read::Nothing => return Poll::Pending,
            Read::End(Ok(())) if self.length.is_some_and(|length| self.sent < length) => Err(self.fail(wrong_length())),
            Read::End(end) => end,
            Read::Data(data) => {
                self.sent += data.len() as u64;
                if self.sent > self.limit {
                    let (length, limit) = (self.sent, self.limit);
                    Err(self.fail(CallError::OutputTooLarge { length, limit }))
                } else if self.length.is_some_and(|length| self.sent > length) {
                    Err(self.fail(wrong_length()))
                } else {
                    return Poll::Ready(Some(Ok(data)));
                }
            }
        };
        self.done = true;
        Poll::Ready(end.err().map(Err))
    }

    fn fail(&self, error: CallError) -> CallError {
        self.exchange.end_early(error.clone());
        error
    }

    /// Whether the client has all that it was promised; who serves it may then drop the body without asking for its end.
    fn is_complete(&self) -> bool {
        self.done || self.length == Some(self.sent) || self.exchange.is_read()
    }
}

fn wrong_length() -> CallError {
    CallError::Answer {
        reason: "the response's body has another length than its `Content-Length`".to_owned(),
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.exchange.reading.store(false, Relaxed);
        if !self.is_complete() {
            self.exchange.end_early(CallError::CallerGone);
        }
    }
}

impl Body for RouteBody {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        match &mut self.0 {
            None => Poll::Ready(None),
            Some(stream) => stream.poll(context).map(|next| next.map(|data| data.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|stream| stream.done || (stream.length.unwrap_or(0) == stream.sent && stream.exchange.is_read()))
    }
}
