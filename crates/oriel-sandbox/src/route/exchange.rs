//! What the guest's task, the request's body and the response's body tell each other.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::response::Parts;
use http_body::Body as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;

use crate::error::{CallError, shortened};

/// One request and its response.
pub(crate) struct Exchange {
    inner: Mutex<Inner>,
    /// Wakes the guest's task when the call shall end before its time.
    stop: Notify,
    /// The client's body; taken away when the call ends, so that a guest that keeps its handle keeps no connection.
    pub(super) upload: Mutex<Option<WasiBody>>,
    /// Whether the guest waited for the client's body when it last asked for it.
    pub(super) uploading: AtomicBool,
    /// Bytes of the client's body by which it was seen to be too long; 0 while it is not.
    pub(super) oversized: AtomicU64,
    /// The longest body of a request, in bytes.
    pub(super) limit: u64,
    /// Whether the client has not come back for more since it was given something.
    pub(super) reading: AtomicBool,
}

struct Inner {
    /// Whom to tell the head; gone once it is told.
    head: Option<oneshot::Sender<Result<Parts, CallError>>>,
    /// The response's body as the guest writes it.
    body: Option<WasiBody>,
    /// What was still to be read of the body when the guest ended.
    rest: VecDeque<Bytes>,
    /// How the body ends after `rest`; absent while the guest may still write.
    end: Option<Result<(), CallError>>,
    /// Why the call shall end, or has failed though the guest did not notice. The first reason counts.
    fault: Option<CallError>,
    /// The guest has ended.
    over: bool,
    reader: Option<Waker>,
}

/// What there is to read of the response's body.
pub(super) enum Read {
    Data(Bytes),
    End(Result<(), CallError>),
    Nothing,
}

impl Exchange {
    /// An exchange whose head will be told to `head`; the client's body may have `limit` bytes.
    pub(crate) fn new(upload: WasiBody, limit: u64, head: oneshot::Sender<Result<Parts, CallError>>) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                head: Some(head),
                body: None,
                rest: VecDeque::new(),
                end: None,
                fault: None,
                over: false,
                reader: None,
            }),
            stop: Notify::new(),
            upload: Mutex::new(Some(upload)),
            uploading: AtomicBool::new(false),
            oversized: AtomicU64::new(0),
            limit,
            reading: AtomicBool::new(false),
        })
    }

    /// The guest gives its answer: a response, or the confession that it has none.
    pub(crate) fn answer(&self, answer: Result<http::Response<WasiBody>, ErrorCode>) {
        let mut inner = self.inner.lock();
        // A guest that kept the handle of an earlier call answers nobody.
        let Some(head) = inner.head.take() else { return };
        let told = match answer {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                inner.body = Some(body);
                Ok(parts)
            }
            Err(code) => {
                let error = self.too_long().unwrap_or_else(|| CallError::Failed {
                    message: shortened(format!("the handler answered the error {code:?}")),
                });
                inner.fault.get_or_insert(error.clone());
                Err(error)
            }
        };
        drop(inner);
        // Who asked may have gone away.
        let _ = head.send(told);
    }

    /// The call shall end: nobody wants its answer, or the answer cannot be used.
    pub(crate) fn end_early(&self, why: CallError) {
        let mut inner = self.inner.lock();
        if inner.over {
            return;
        }
        inner.fault.get_or_insert(why);
        drop(inner);
        self.stop.notify_one();
    }

    /// Waits until the call shall end before its time.
    pub(crate) async fn ended_early(&self) {
        self.stop.notified().await;
    }

    /// Why the call shall end.
    pub(crate) fn fault(&self) -> Option<CallError> {
        self.inner.lock().fault.clone()
    }

    /// Whether it is the client that the guest waits for at this moment.
    pub(crate) fn waits_for_client(&self) -> bool {
        if self.reading.load(Relaxed) {
            return true;
        }
        let mut upload = self.upload.lock();
        match &mut *upload {
            // A guest that began to read and then slept over what came has only itself to blame.
            Some(body) if self.uploading.load(Relaxed) => Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())).is_pending(),
            _ => false,
        }
    }

    /// The guest has ended, with this result. Answers what the call came to.
    pub(crate) fn over(&self, result: Result<(), CallError>) -> Result<(), CallError> {
        *self.upload.lock() = None;
        let mut inner = self.inner.lock();
        inner.over = true;
        let result = match (result, inner.fault.clone()) {
            // A guest that stumbles because its client goes away is not to blame.
            (_, Some(CallError::CallerGone)) => Err(CallError::CallerGone),
            (Ok(()), Some(fault)) => Err(fault),
            (result, _) => result,
        };
        if let Some(head) = inner.head.take() {
            let why = self.too_long().or(result.err()).unwrap_or_else(|| CallError::Answer {
                reason: "the handler ended without an answer".to_owned(),
            });
            drop(inner);
            let _ = head.send(Err(why.clone()));
            return Err(why);
        }
        let whole = inner.drain(&result);
        let reader = inner.reader.take();
        drop(inner);
        if let Some(reader) = reader {
            reader.wake();
        }
        result.and(whole)
    }

    /// That the client's body was too long, if it was.
    fn too_long(&self) -> Option<CallError> {
        let length = self.oversized.load(Relaxed);
        let limit = self.limit;
        (length > 0).then_some(CallError::InputTooLarge { length, limit })
    }

    /// The next piece of the response's body.
    pub(super) fn read(&self, context: &mut Context<'_>) -> Read {
        let mut inner = self.inner.lock();
        if let Some(data) = inner.rest.pop_front() {
            return Read::Data(data);
        }
        if let Some(end) = &inner.end {
            return Read::End(end.clone());
        }
        match inner.poll(context) {
            Poll::Ready(Ok(Some(data))) => Read::Data(data),
            Poll::Ready(Ok(None)) => {
                inner.end = Some(Ok(()));
                Read::End(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                inner.end = Some(Err(error.clone()));
                Read::End(Err(error))
            }
            Poll::Pending => {
                inner.reader = Some(context.waker().clone());
                Read::Nothing
            }
        }
    }

    /// Whether there is nothing more to be read, and nothing wrong.
    pub(super) fn is_read(&self) -> bool {
        let inner = self.inner.lock();
        let empty = inner.body.as_ref().is_some_and(http_body::Body::is_end_stream);
        inner.rest.is_empty() && (matches!(inner.end, Some(Ok(()))) || empty)
    }
}

impl Inner {
    /// The next data of the guest's body; nothing at its proper end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallError>> {
        let Some(body) = &mut self.body else { return Poll::Pending };
        loop {
            return match Pin::new(&mut *body).poll_frame(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Ok(None)),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if data.is_empty() => continue,
                    Ok(data) => Poll::Ready(Ok(Some(data))),
                    // Trailers end a body; nobody here has asked for any.
                    Err(_) => Poll::Ready(Ok(None)),
                },
                Poll::Ready(Some(Err(_))) => Poll::Ready(Err(unfinished())),
            };
        }
    }

    /// Takes over what the guest has written, before its instance is used for something else. What it has not finished by
    /// now it never will.
    fn drain(&mut self, result: &Result<(), CallError>) -> Result<(), CallError> {
        while self.end.is_none() {
            match self.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(Some(data))) => self.rest.push_back(data),
                Poll::Ready(Ok(None)) => self.end = Some(Ok(())),
                Poll::Ready(Err(error)) => self.end = Some(Err(error)),
                Poll::Pending => self.end = Some(Err(result.clone().err().unwrap_or_else(unfinished))),
            }
        }
        self.body = None;
        self.end.clone().unwrap_or(Ok(()))
    }
}

fn unfinished() -> CallError {
    CallError::Answer {
        reason: "the handler did not finish its body, or not with the length that it had announced".to_owned(),
    }
}

/// Ends the call when who asked goes away before the head is there.
pub(crate) struct Departure(pub(crate) Option<Arc<Exchange>>);

impl Drop for Departure {
    fn drop(&mut self) {
        if let Some(exchange) = self.0.take() {
            exchange.end_early(CallError::CallerGone);
        }
    }
}

/// Makes sure that a response ends when its task does, however that comes to its end.
pub(crate) struct Ending(pub(crate) Arc<Exchange>);

impl Drop for Ending {
    fn drop(&mut self) {
        if !self.0.inner.lock().over {
            let _ = self.0.over(Err(CallError::Draining));
        }
    }
}
