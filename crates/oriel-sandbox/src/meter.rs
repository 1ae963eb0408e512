//! Measures one call: guest CPU apart from waiting, host calls, bytes across.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Handle;

use crate::error::Stop;
use crate::gate::ModelUse;
use crate::lane::{self, Lane};

/// Monotonic time in nanoseconds.
pub(crate) fn now() -> u64 {
    read(ClockId::Monotonic)
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
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
    /// Whether the present turn is on a thread for long calls, where only the thread's own clock tells what the
    /// guest has had.
    seated: AtomicBool,
    /// Whether the present turn ended because it was over, and not because the guest waits for something.
    interrupted: AtomicBool,
    cpu: AtomicU64,
    host_calls: AtomicU32,
    host_bytes: AtomicU64,
    outbound_bytes: AtomicU64,
    model_requests: AtomicU32,
    model_input: AtomicU64,
    model_output: AtomicU64,
    model_spend: AtomicU64,
}

impl Meter {
    /// Forgets the former call.
    pub(crate) fn begin(&self) {
        self.cpu.store(0, Relaxed);
        self.host_calls.store(0, Relaxed);
        self.host_bytes.store(0, Relaxed);
        self.outbound_bytes.store(0, Relaxed);
        if self.model_requests.swap(0, Relaxed) > 0 {
            for sum in [&self.model_input, &self.model_output, &self.model_spend] {
                sum.store(0, Relaxed);
            }
        }
    }

    /// The guest's turn is over. Answers the nanoseconds that it has run by `now`.
    pub(crate) fn interrupt(&self, now: u64) -> u64 {
        self.interrupted.store(true, Relaxed);
        let now = if self.seated.load(Relaxed) {
            read(ClockId::ThreadCPUTime)
        } else {
            now
        };
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

    /// Counts bytes of a body that goes out or comes in over HTTP.
    pub(crate) fn count_outbound(&self, bytes: u64) {
        self.outbound_bytes.fetch_add(bytes, Relaxed);
        self.count_bytes(bytes);
    }

    /// Bytes over HTTP so far.
    pub(crate) fn outbound(&self) -> u64 {
        self.outbound_bytes.load(Relaxed)
    }

    /// Counts one request to the model; answers how many there have been.
    pub(crate) fn count_model_request(&self) -> u32 {
        self.model_requests.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// Counts what the model was asked and what it cost.
    pub(crate) fn count_model(&self, used: ModelUse) {
        self.model_input.fetch_add(used.input_tokens, Relaxed);
        self.model_output.fetch_add(used.output_tokens, Relaxed);
        self.model_spend.fetch_add(used.spend, Relaxed);
    }

    /// What the model was asked so far.
    pub(crate) fn model(&self) -> ModelUse {
        ModelUse {
            input_tokens: self.model_input.load(Relaxed),
            output_tokens: self.model_output.load(Relaxed),
            spend: self.model_spend.load(Relaxed),
        }
    }

    /// Bytes that have crossed so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.host_bytes.load(Relaxed)
    }

    /// Runs `future` until it is done or `hard`, a moment of [`now`], has passed while it waits; answers its
    /// output and when it ended. What it does between two waits is the guest's CPU time. `started` is the
    /// present moment. A guest that does not wait is stopped by the epoch, not here; one that runs for long, or is
    /// `suspect`, goes on in the lane.
    pub(crate) async fn run<F>(&self, lane: &Lane, suspect: bool, started: u64, hard: u64, future: F) -> (Result<F::Output, Stop>, u64)
    where
        F: Future<Output: Send> + Send,
    {
        let mut future = pin!(future);
        let mut timer: Option<Pin<Box<tokio::time::Sleep>>> = None;
        let mut turn = Some(started);
        let mut way_out = if suspect { lane.way_out() } else { None };
        loop {
            let quick = poll_fn(|context| {
                if let Some(runtime) = way_out.take() {
                    return Poll::Ready(Quick::Long(runtime));
                }
                let start = turn.take().unwrap_or_else(now);
                let (polled, end) = self.turn(ClockId::Monotonic, start, future.as_mut(), context);
                match polled {
                    Poll::Ready(output) => {
                        if self.cpu() < nanos(lane::QUICK) {
                            lane.note_quick(end);
                        }
                        Poll::Ready(Quick::Ended(Ok(output), end))
                    }
                    Poll::Pending => {
                        if self.interrupted.load(Relaxed)
                            && self.cpu() > nanos(lane::QUICK)
                            && let Some(runtime) = lane.way_out()
                        {
                            return Poll::Ready(Quick::Long(runtime));
                        }
                        // Most calls never wait and never pay for a timer.
                        let left = Duration::from_nanos(hard.saturating_sub(end));
                        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
                        let late = |()| Quick::Ended(Err(Stop::Timeout), now());
                        timer.as_mut().poll(context).map(late)
                    }
                }
            });
            match quick.await {
                Quick::Ended(result, end) => return (result, end),
                Quick::Long(runtime) => {
                    let left = Duration::from_nanos(hard.saturating_sub(now()));
                    match tokio::time::timeout(left, self.run_long(lane, &runtime, future.as_mut())).await {
                        Ok(Some(output)) => return (Ok(output), now()),
                        Ok(None) => {}
                        Err(_) => return (Err(Stop::Timeout), now()),
                    }
                }
            }
        }
    }

    /// Runs `future` in the lane, slice by slice; nothing when it waits, or gets nowhere there.
    async fn run_long<F>(&self, lane: &Lane, runtime: &Handle, mut future: Pin<&mut F>) -> Option<F::Output>
    where
        F: Future<Output: Send> + Send,
    {
        loop {
            let seat = lane.seat().await?;
            let ends = now() + nanos(seat.slice);
            let had = self.cpu();
            let slice = |context: &mut Context<'_>| {
                self.seated.store(true, Relaxed);
                let start = read(ClockId::ThreadCPUTime);
                let (polled, _) = self.turn(ClockId::ThreadCPUTime, start, future.as_mut(), context);
                self.seated.store(false, Relaxed);
                match polled {
                    Poll::Ready(output) => Poll::Ready(Slice::Ended(output)),
                    Poll::Pending if !self.interrupted.load(Relaxed) => Poll::Ready(Slice::Waits),
                    Poll::Pending if now() > ends => Poll::Ready(Slice::Over),
                    Poll::Pending => Poll::Pending,
                }
            };
            match lane.sit(&seat, runtime, slice)? {
                Slice::Ended(output) => return Some(output),
                Slice::Waits => return None,
                Slice::Over if self.cpu() - had < nanos(seat.slice) / lane::FAIR => return None,
                Slice::Over => {}
            }
        }
    }

    /// Polls once and accounts for it. `start` is the present moment of `clock`; answers when it ended, too.
    fn turn<F: Future>(&self, clock: ClockId, start: u64, future: Pin<&mut F>, context: &mut Context<'_>) -> (Poll<F::Output>, u64) {
        self.turn_started.store(start, Relaxed);
        self.interrupted.store(false, Relaxed);
        let polled = future.poll(context);
        let end = read(clock);
        self.cpu.store(self.cpu.load(Relaxed) + end.saturating_sub(start), Relaxed);
        (polled, end)
    }
}

/// How a call went on the runtime's own threads.
enum Quick<T> {
    Ended(Result<T, Stop>, u64),
    /// It has run for long and would go on.
    Long(Handle),
}

/// How a call's time in a seat ended.
enum Slice<T> {
    Ended(T),
    Waits,
    Over,
}
