//! Workers of the durable queue: they lease units, a few at a time, and write down how each went.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::time::Clock;
use oriel_store::{Claim, Leased, Stores, Work, WorkKind, WorkQueue};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a worker holds a unit before somebody else may take it.
const LEASE: Duration = Duration::from_secs(600);
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
}

/// Works on units of one kind.
pub struct Worker {
    queue: Arc<dyn WorkQueue>,
    clock: Arc<dyn Clock>,
    kind: WorkKind,
    wake: Notify,
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
            width,
            per_tenant,
            backoff,
        }
    }

    /// Says that there is something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Works until `stop`, then lets what is in hand finish. `work` must end well before a lease does, which is ten minutes.
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
                // There is a seat: no more was claimed than there were.
                let Ok(seat) = Arc::clone(&seats).acquire_owned().await else {
                    return;
                };
                let (worker, work) = (Arc::clone(&self), Arc::clone(&work));
                tokio::spawn(async move {
                    let settled = work(leased.work.clone()).await;
                    worker.settle(&leased, settled).await;
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

    async fn settle(&self, leased: &Leased, settled: Settled) {
        let (tenant, id, lease, now) = (leased.work.tenant, leased.work.id, leased.lease, self.clock.now());
        let written = match settled {
            Settled::Done => self.queue.complete(tenant, &[id], lease).await,
            Settled::Hopeless(error) => self.queue.bury(tenant, id, lease, &error, now).await,
            Settled::Again(error) => {
                let doubled = leased.work.attempts.saturating_sub(1).min(12) * 2;
                let pause = self.backoff.saturating_mul(1 << doubled).min(MAX_BACKOFF);
                let again = self.queue.retry(tenant, id, lease, now.plus(pause), &error, now).await;
                again.map(drop)
            }
        };
        match written {
            // Somebody else took it over: this worker was slower than its lease.
            Ok(()) | Err(oriel_store::StoreError::Conflict { .. }) => {}
            Err(error) => tracing::warn!(kind = %self.kind, %id, %error, "the end of a unit cannot be written down; it will be done again"),
        }
    }
}
