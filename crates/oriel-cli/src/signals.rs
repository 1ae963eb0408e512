//! Being asked to stop.

use oriel_model::ErrorCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Failure, Result};

/// SIGTERM and Ctrl-C, minded from the moment that this is made.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        let minded = |kind| signal(kind).map_err(|error| Failure::new(ErrorCode::Internal, format!("signals cannot be minded: {error}")));
        Ok(Self {
            terminate: minded(SignalKind::terminate())?,
            interrupt: minded(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next of either.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
