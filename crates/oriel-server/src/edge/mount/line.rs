//! One line of the log for each request of a route, once its response has ended.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use oriel_access::Pass;

/// What the line tells.
pub(super) struct Line {
    pub started: Instant,
    pub request_id: String,
    pub method: String,
    pub tenant: String,
    pub extension: String,
    pub path: String,
    pub route: String,
    pub principal: Option<String>,
    pub status: u16,
}

/// A body that writes the line when it ends or is dropped.
pub(super) struct Told {
    inner: Body,
    line: Line,
    bytes: u64,
    failed: Option<String>,
    /// The request is at work until its response has ended.
    _pass: Pass,
}

impl Told {
    pub(super) fn new(inner: Body, line: Line, pass: Pass) -> Self {
        Self {
            inner,
            line,
            bytes: 0,
            failed: None,
            _pass: pass,
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        let Line {
            started,
            request_id,
            method,
            tenant,
            extension,
            path,
            route,
            principal,
            status,
        } = &self.line;
        tracing::info!(
            target: "oriel_server::routes",
            %request_id,
            %method,
            %tenant,
            %extension,
            %path,
            %route,
            principal = principal.as_deref(),
            status,
            bytes = self.bytes,
            ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            failed = self.failed.as_deref(),
            "a route was called"
        );
    }
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            Poll::Ready(Some(Err(error))) => self.failed = Some(error.to_string()),
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
