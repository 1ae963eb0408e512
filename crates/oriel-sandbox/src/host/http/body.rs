//! A response body that ends with an error at its size or time limit.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::Error;

use crate::meter::Meter;

/// Holds its connection's place until it is dropped.
pub(super) struct ResponseBody {
    incoming: Incoming,
    limit: u64,
    left: u64,
    deadline: Instant,
    between: Option<Duration>,
    timer: Pin<Box<Sleep>>,
    meter: Arc<Meter>,
    _connection: OwnedSemaphorePermit,
}

impl ResponseBody {
    pub(super) fn new(
        incoming: Incoming,
        limit: u64,
        deadline: Instant,
        between: Option<Duration>,
        meter: Arc<Meter>,
        connection: OwnedSemaphorePermit,
    ) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(super::earlier(deadline, between)));
        Self {
            incoming,
            limit,
            left: limit,
            deadline,
            between,
            timer,
            meter,
            _connection: connection,
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Pending => match self.timer.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Some(Err(Error::HttpResponseTimeout))),
                Poll::Pending => Poll::Pending,
            },
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.meter.count_outbound(length);
                let Some(left) = self.left.checked_sub(length) else {
                    return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(self.limit)))));
                };
                self.left = left;
                if self.between.is_some() {
                    let next = super::earlier(self.deadline, self.between);
                    self.timer.as_mut().reset(next);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
