//! Where guests go that run for long: threads of their own, which the operating system runs when nobody else wants to.
//!
//! A guest that computes for seconds would otherwise take every other turn of a thread that serves requests, and
//! each neighbour's call would wait for that turn to end. Here the operating system decides (Linux's idle policy), which
//! takes a processor away from such a guest when anybody else has work.
//!
//! There is a seat less than there are processors, because even the idle policy costs the others milliseconds once no
//! processor is free (measured; see ADR 0013). The last one is given away only while nobody else calls. Who has a seat keeps
//! it for a slice and then goes to the end of the line, so that one endless guest does not keep another from ending.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::meter;

/// Guest CPU time after which a call counts as long. Most calls end far below it.
pub(crate) const QUICK: Duration = Duration::from_millis(4);
/// For how long a guest keeps its seat, and the last seat.
const SLICE: Duration = Duration::from_millis(200);
const LAST_SLICE: Duration = Duration::from_millis(20);
/// For how long nobody else must have called before the last seat is given away.
const QUIET: Duration = Duration::from_millis(50);
/// The share of its slice, as one in so many, below which a guest has got too little: the others leave nothing. It then
/// gets a turn among them, so that it goes on, if slowly.
pub(crate) const FAIR: u64 = 100;

/// The seats.
pub(crate) struct Lane {
    seats: Semaphore,
    last_seat: Semaphore,
    /// When a call ended that was not long, as [`meter::now`] counts.
    quick_ended: AtomicU64,
    /// Whether the operating system has refused a thread; then guests stay where they are.
    closed: AtomicBool,
}

/// The right to run in the lane for a while.
pub(crate) struct Seat<'a> {
    pub(crate) slice: Duration,
    _permit: SemaphorePermit<'a>,
}

impl Lane {
    pub(crate) fn new() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            seats: Semaphore::new((processors - 1).max(1)),
            last_seat: Semaphore::new(usize::from(processors > 1)),
            quick_ended: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    /// A call that was not long has ended.
    pub(crate) fn note_quick(&self, now: u64) {
        self.quick_ended.store(now, Relaxed);
    }

    fn is_quiet(&self) -> bool {
        meter::now().saturating_sub(self.quick_ended.load(Relaxed)) > meter::nanos(QUIET)
    }

    /// The runtime whose threads a long call can leave: one that has others to go on with.
    pub(crate) fn way_out(&self) -> Option<Handle> {
        let handle = Handle::try_current().ok()?;
        (handle.runtime_flavor() == RuntimeFlavor::MultiThread && !self.closed.load(Relaxed)).then_some(handle)
    }

    /// Waits for a seat. Dropping the future gives the place in the line up.
    pub(crate) async fn seat(&self) -> Option<Seat<'_>> {
        let mut seats = pin!(self.seats.acquire());
        let mut patience = Duration::ZERO;
        loop {
            if let Ok(permit) = tokio::time::timeout(patience, seats.as_mut()).await {
                return permit.ok().map(|permit| Seat {
                    slice: SLICE,
                    _permit: permit,
                });
            }
            if self.is_quiet()
                && let Ok(permit) = self.last_seat.try_acquire()
            {
                return Some(Seat {
                    slice: LAST_SLICE,
                    _permit: permit,
                });
            }
            patience = LAST_SLICE;
        }
    }

    /// Polls in the seat until that is ready; nothing when there is no thread to be had. It cannot be dropped meanwhile.
    pub(crate) fn sit<T: Send>(
        &self,
        _seat: &Seat<'_>,
        runtime: &Handle,
        poll: impl FnMut(&mut Context<'_>) -> Poll<T> + Send,
    ) -> Option<T> {
        let seated = move || {
            give_way();
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

/// Puts this thread behind all others. Only Linux has a policy for that which a thread may choose for itself; elsewhere
/// it competes as an equal, and the operating system still divides the time in finer turns than guests yield.
#[cfg(target_os = "linux")]
fn give_way() {
    let parameters = libc::sched_param { sched_priority: 0 };
    #[expect(unsafe_code, reason = "no safe crate offers this system call")]
    // SAFETY: the parameters are valid for the duration of the call; 0 means this thread, which will end soon. A
    // system that refuses leaves it as it is.
    unsafe {
        libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters);
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {}
