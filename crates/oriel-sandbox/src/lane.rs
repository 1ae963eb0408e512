//! Where guests go that run for long: threads of their own, below the others in the eyes of the operating system.
//!
//! A guest that computes for seconds would otherwise take every other turn of a thread that serves requests, and
//! each neighbour's call would wait for that turn to end. Here the operating system decides, which takes a
//! processor away from such a guest within microseconds when anybody else has work. There are as many seats as
//! processors; who has a seat keeps it for one [`SLICE`] and then goes to the end of the line, so that one endless
//! guest does not keep another from ending.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// Guest CPU time after which a call counts as long. Most calls end far below it.
pub(crate) const QUICK: Duration = Duration::from_millis(4);
/// For how long a guest keeps its seat.
pub(crate) const SLICE: Duration = Duration::from_millis(50);
/// By how much the threads here are nicer than others: a tenth of their weight when both are busy.
const NICER: i32 = 10;

/// The seats.
pub(crate) struct Lane {
    seats: Semaphore,
    /// Whether the operating system has refused a thread; then guests stay where they are.
    closed: AtomicBool,
}

impl Lane {
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            seats: Semaphore::new(processors),
            closed: AtomicBool::new(false),
        }
    }

    /// The runtime whose threads a long call can leave: one that has others to go on with.
    pub(crate) fn way_out(&self) -> Option<Handle> {
        let handle = Handle::try_current().ok()?;
        (handle.runtime_flavor() == RuntimeFlavor::MultiThread && !self.closed.load(Relaxed)).then_some(handle)
    }

    /// Takes a seat when one is free and polls there until that is ready. Answers nothing when there is no thread to
    /// be had. Dropping the future gives the place in the line up; it cannot be dropped while seated.
    pub(crate) async fn sit<T: Send>(&self, runtime: &Handle, poll: impl FnMut(&mut Context<'_>) -> Poll<T> + Send) -> Option<T> {
        let _seat = self.seats.acquire().await.ok()?;
        let seated = move || {
            lower_priority();
            runtime.block_on(std::future::poll_fn(poll))
        };
        let ended = tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                let thread = std::thread::Builder::new().name("oriel-long-call".to_owned());
                let thread = thread.spawn_scoped(scope, seated).ok()?;
                Some(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            })
        });
        if ended.is_none() && !self.closed.swap(true, Relaxed) {
            tracing::warn!("the system gives no thread for long calls; they share the threads of all others");
        }
        ended
    }
}

/// Makes this thread nicer. Where that is not a matter of threads but of processes, it is left alone.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    // A system that refuses leaves it as nice as the others, which is what it was before.
    let _ = rustix::process::nice(NICER);
}
