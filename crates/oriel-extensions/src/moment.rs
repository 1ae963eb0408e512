//! The clock of windows and back-offs: one that only goes forward, whatever happens to the time of day.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A span in nanoseconds, as a [`Stopwatch`] counts.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Counts nanoseconds from an arbitrary moment, never backwards. Whoever needs it is handed one, as with
/// [`oriel_model::time::Clock`].
pub trait Stopwatch: Send + Sync + std::fmt::Debug {
    /// The present moment.
    fn now(&self) -> u64;

    /// The moment that the sandbox measured as `measured` ([`oriel_sandbox::moment`]), so that a call does not pay for
    /// reading the clock once more.
    fn measured(&self, measured: u64) -> u64 {
        measured
    }
}

/// The machine's monotonic clock, the one that the sandbox uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemStopwatch;

impl Stopwatch for SystemStopwatch {
    fn now(&self) -> u64 {
        oriel_sandbox::moment()
    }
}

/// A stopwatch that moves only when told, for tests.
#[derive(Debug, Default)]
pub struct ManualStopwatch(AtomicU64);

impl ManualStopwatch {
    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(nanos(by), Ordering::SeqCst);
    }
}

impl Stopwatch for ManualStopwatch {
    fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn measured(&self, _: u64) -> u64 {
        self.now()
    }
}
