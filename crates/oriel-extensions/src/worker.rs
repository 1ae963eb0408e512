//! Workers of the durable queue: they lease units, a few at a time, and write down how each went.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::id::{LeaseId, WorkId};
use oriel_model::time::Clock;
use oriel_store::{Claim, Leased, StoreError, Stores, Work, WorkKind, WorkQueue};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a worker holds a unit before somebody else may take it, unless it renews the hold, which it does while it works.
const LEASE: Duration = Duration::from_secs(30);
/// How long the queue rests without a look when nobody wakes the worker: another node may have put something in.
const REST: Duration = Duration::from_secs(1);
/// The longest pause between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(3_600);

/// How a unit went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// It is done.
    Done,
    /// No attempt can go better: it is kept for people to look at.
    Hopeless(String),
    /// Another attempt may go better.
    Again(String),
    /// It could not even be tried, or has its own idea of when to be tried again: once more after that time.
    Later(Duration, String),
    /// Nothing is to be written: whoever worked on it has taken it out of the queue, or it is somebody else's.
    Gone,
}

/// A unit in hand.
struct Hold<'a>(&'a Worker, WorkId);

impl Hold<'_> {
    /// The lease that the unit is held by at last. It is out of hand from here on: settled, it may be claimed again at once.
    fn end(self) -> Option<LeaseId> {
        let lease = self.0.in_hand.lock().remove(&self.1);
        std::mem::forget(self);
        lease
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.in_hand.lock().remove(&self.1);
    }
}

/// Works on units of one kind.
pub struct Worker {
    queue: Arc<dyn WorkQueue>,
    clock: Arc<dyn Clock>,
    kind: WorkKind,
    wake: Notify,
    /// What is being worked on here, and under which lease. A clock that jumps makes a lease look as if it had run out; the unit is
    /// then claimed once more, and what is at work on it goes on.
    in_hand: Mutex<HashMap<WorkId, LeaseId>>,
    width: u32,
    per_tenant: u32,
    backoff: Duration,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that has at most `width` units in hand, `per_tenant` of one tenant. The first repetition of a unit waits
    /// `backoff`; each further one waits four times as long, up to an hour.
    #[must_use]
    pub fn new(stores: &Stores, clock: Arc<dyn Clock>, kind: WorkKind, width: u32, per_tenant: u32, backoff: Duration) -> Self {
        Self {
            queue: stores.work.clone(),
            clock,
            kind,
            wake: Notify::new(),
            in_hand: Mutex::default(),
            width,
            per_tenant,
            backoff,
        }
    }

    /// Says that there is something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Works until `stop`, then lets what is in hand finish. The future of `work` is dropped when somebody else has the unit, which
    /// happens only when this node could not renew its lease.
    pub async fn run<F, W>(self: Arc<Self>, stop: CancellationToken, work: W)
    where
        W: Fn(Work) -> F + Send + Sync + 'static,
        F: Future<Output = Settled> + Send,
    {
        let work = Arc::new(work);
        let seats = Arc::new(Semaphore::new(self.width as usize));
        while !stop.is_cancelled() {
            let free = u32::try_from(seats.available_permits()).unwrap_or(u32::MAX);
            let claimed = if free == 0 { Vec::new() } else { self.claim(free).await };
            let found = !claimed.is_empty();
            for leased in claimed {
                if self.in_hand.lock().insert(leased.work.id, leased.lease).is_some() {
                    continue;
                }
                // There is a seat: no more was claimed than there were.
                let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
                    return;
                };
                let (worker, work) = (Arc::clone(&self), Arc::clone(&work));
                tokio::spawn(async move {
                    // Lets go also when the work panics.
                    let hold = Hold(&worker, leased.work.id);
                    let settled = worker.holding(&leased, work(leased.work.clone())).await;
                    let lease = hold.end().unwrap_or(leased.lease);
                    worker.settle(&leased.work, lease, settled).await;
                    drop(seat);
                    worker.wake();
                });
            }
            if !found {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.wake.notified() => {}
                    () = tokio::time::sleep(REST) => {}
                }
            }
        }
        drop(seats.acquire_many(self.width).await);
    }

    /// Works, and renews the hold meanwhile.
    async fn holding(&self, leased: &Leased, work: impl Future<Output = Settled>) -> Settled {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                settled = &mut work => return settled,
                () = tokio::time::sleep(LEASE / 3) => {
                    let (tenant, id) = (leased.work.tenant, leased.work.id);
                    let until = self.clock.now().plus(LEASE);
                    match self.queue.extend(tenant, id, self.lease_of(leased), until).await {
                        Err(StoreError::Conflict { .. }) if !self.is_back(leased).await => return Settled::Gone,
                        Err(error) => tracing::warn!(kind = %self.kind, %id, %error, "the hold on a unit cannot be renewed"),
                        Ok(()) => {}
                    }
                }
            }
        }
    }

    /// The present lease of a unit in hand.
    fn lease_of(&self, leased: &Leased) -> LeaseId {
        self.in_hand.lock().get(&leased.work.id).copied().unwrap_or(leased.lease)
    }

    /// Whether a unit that seemed lost was claimed once more by this very worker, at the same time.
    async fn is_back(&self, leased: &Leased) -> bool {
        let lease = self.lease_of(leased);
        let until = self.clock.now().plus(LEASE);
        self.queue.extend(leased.work.tenant, leased.work.id, lease, until).await.is_ok()
    }

    async fn claim(&self, limit: u32) -> Vec<Leased> {
        let claim = Claim {
            kinds: std::slice::from_ref(&self.kind),
            now: self.clock.now(),
            lease_for: LEASE,
            limit,
            per_tenant: self.per_tenant,
        };
        self.queue.claim(claim).await.unwrap_or_else(|error| {
            tracing::warn!(kind = %self.kind, %error, "the queue cannot be read");
            Vec::new()
        })
    }

    async fn settle(&self, work: &Work, lease: LeaseId, settled: Settled) {
        let (tenant, id, now) = (work.tenant, work.id, self.clock.now());
        let written = match settled {
            Settled::Done => self.queue.complete(tenant, &[id], lease).await,
            Settled::Hopeless(error) => self.queue.bury(tenant, id, lease, &error, now).await,
            Settled::Again(error) => {
                let doubled = work.attempts.saturating_sub(1).min(12) * 2;
                let pause = self.backoff.saturating_mul(1 << doubled).min(MAX_BACKOFF);
                let again = self.queue.retry(tenant, id, lease, now.plus(pause), &error, now).await;
                again.map(drop)
            }
            Settled::Later(pause, reason) => {
                let again = self.queue.retry(tenant, id, lease, now.plus(pause), &reason, now).await;
                again.map(drop)
            }
            Settled::Gone => Ok(()),
        };
        match written {
            // Somebody else took it over: this worker was slower than its lease.
            Ok(()) | Err(StoreError::Conflict { .. }) => {}
            Err(error) => tracing::warn!(kind = %self.kind, %id, %error, "the end of a unit cannot be written down; it will be done again"),
        }
    }
}
