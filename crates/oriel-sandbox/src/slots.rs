//! How many instances may live in the whole engine, and who gives way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The right of one instance to live. Given back when dropped.
pub(crate) type Slot = OwnedSemaphorePermit;

/// The engine's slots, first come first served.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    waiting: AtomicU32,
}

impl Slots {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count as usize)),
            waiting: AtomicU32::new(0),
        }
    }

    /// A free slot, if there is one.
    pub(crate) fn try_take(&self) -> Option<Slot> {
        Arc::clone(&self.free).try_acquire_owned().ok()
    }

    /// Waits for a slot, no longer than `wait`.
    pub(crate) async fn take(&self, wait: Duration) -> Option<Slot> {
        struct Waiting<'a>(&'a AtomicU32);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Relaxed);
            }
        }
        self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        tokio::time::timeout(wait, Arc::clone(&self.free).acquire_owned()).await.ok()?.ok()
    }

    /// Whether somebody waits, so that an instance that falls idle should rather be dropped.
    pub(crate) fn wanted(&self) -> bool {
        self.waiting.load(Relaxed) > 0
    }

    /// Whether all are taken.
    pub(crate) fn exhausted(&self) -> bool {
        self.free.available_permits() == 0
    }
}
