//! The client's body on its way to the guest: counted, cut off at its limit, taken away when the call ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use wasmtime_wasi_http::Error;

use super::Exchange;
use crate::error::CallError;
use crate::meter::Meter;

pub(crate) struct RequestBody {
    exchange: Arc<Exchange>,
    meter: Arc<Meter>,
    read: u64,
}

impl RequestBody {
    pub(crate) const fn new(exchange: Arc<Exchange>, meter: Arc<Meter>) -> Self {
        Self { exchange, meter, read: 0 }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let exchange = Arc::clone(&self.exchange);
        let mut upload = exchange.upload.lock();
        let Some(body) = &mut *upload else {
            // Read to its end, or of a call that is over.
            return Poll::Ready(None);
        };
        let polled = Pin::new(body).poll_frame(context);
        exchange.uploading.store(polled.is_pending(), Relaxed);
        let Poll::Ready(next) = polled else { return Poll::Pending };
        let data = match next {
            None => None,
            // Trailers: a guest is told nothing in them that the host has not looked at.
            Some(Ok(frame)) => frame.into_data().ok(),
            Some(Err(_)) => {
                *upload = None;
                exchange.end_early(CallError::CallerGone);
                return Poll::Ready(Some(Err(Error::ConnectionTerminated)));
            }
        };
        let Some(data) = data else {
            *upload = None;
            return Poll::Ready(None);
        };
        self.meter.count_bytes(data.len() as u64);
        self.read += data.len() as u64;
        if self.read > exchange.limit {
            *upload = None;
            exchange.oversized.store(self.read, Relaxed);
            return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(exchange.limit)))));
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
