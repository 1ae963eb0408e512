//! Measures one call: guest CPU apart from waiting, host calls, bytes across.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::error::Stop;

/// Monotonic time in nanoseconds.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// A span in nanoseconds, as [`now`] counts.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Counters of the call in progress. They sit beside the store, not in it, because the future of the call
/// borrows the store while it is being measured; bodies of outbound responses count from their own tasks.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    turn_started: AtomicU64,
    cpu: AtomicU64,
    host_calls: AtomicU32,
    host_bytes: AtomicU64,
}

impl Meter {
    /// Forgets the former call.
    pub(crate) fn begin(&self) {
        self.cpu.store(0, Relaxed);
        self.host_calls.store(0, Relaxed);
        self.host_bytes.store(0, Relaxed);
    }

    /// Nanoseconds that the guest has run by `now`, which must lie within a turn of it.
    pub(crate) fn cpu_within_turn(&self, now: u64) -> u64 {
        self.cpu.load(Relaxed) + now.saturating_sub(self.turn_started.load(Relaxed))
    }

    /// Nanoseconds that the guest has run in its finished turns.
    pub(crate) fn cpu(&self) -> u64 {
        self.cpu.load(Relaxed)
    }

    /// Counts one host call; answers how many there have been.
    pub(crate) fn count_call(&self) -> u32 {
        // Only the guest's own turn counts calls, so no read-modify-write is needed.
        let calls = self.host_calls.load(Relaxed).saturating_add(1);
        self.host_calls.store(calls, Relaxed);
        calls
    }

    /// Host calls so far.
    pub(crate) fn calls(&self) -> u32 {
        self.host_calls.load(Relaxed)
    }

    /// Counts bytes that cross; answers how many have.
    pub(crate) fn count_bytes(&self, bytes: u64) -> u64 {
        self.host_bytes.fetch_add(bytes, Relaxed).saturating_add(bytes)
    }

    /// Bytes that have crossed so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.host_bytes.load(Relaxed)
    }

    /// Runs `future` until it is done or `hard`, a moment of [`now`], has passed while it waits; answers its
    /// output and when it ended. What it does between two waits is the guest's CPU time. `started` is the
    /// present moment. A guest that does not wait is stopped by the epoch, not here.
    pub(crate) async fn run<F: Future>(&self, started: u64, hard: u64, future: F) -> (Result<F::Output, Stop>, u64) {
        let mut future = pin!(future);
        let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
        let mut turn = Some(started);
        poll_fn(|context| {
            let start = turn.take().unwrap_or_else(now);
            self.turn_started.store(start, Relaxed);
            let polled = future.as_mut().poll(context);
            let end = now();
            self.cpu.store(self.cpu.load(Relaxed) + (end - start), Relaxed);
            match polled {
                Poll::Ready(output) => Poll::Ready((Ok(output), end)),
                Poll::Pending => {
                    // Most calls never wait and never pay for a timer.
                    let left = Duration::from_nanos(hard.saturating_sub(end));
                    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
                    timer.as_mut().poll(context).map(|()| (Err(Stop::Timeout), now()))
                }
            }
        })
        .await
    }
}
