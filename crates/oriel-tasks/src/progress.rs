//! How far batches are, while they run and afterwards.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oriel_access::{Access, Principal};
use oriel_model::Timestamp;
use oriel_model::access::Scope;
use oriel_model::id::{BatchId, TaskId};
use oriel_store::{Batch, BatchState};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::watch;

use crate::{TaskError, Tasks};

/// How far a batch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchProgress {
    /// Its id.
    pub id: BatchId,
    /// The task that it calls.
    pub task_id: TaskId,
    /// How far it is.
    pub state: BatchState,
    /// Items in it.
    pub total_items: u64,
    /// Items that answered so far.
    pub success_count: u64,
    /// Items that failed so far.
    pub failure_count: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

impl From<Batch> for BatchProgress {
    fn from(batch: Batch) -> Self {
        Self {
            id: batch.id,
            task_id: batch.task,
            state: batch.state,
            total_items: batch.total,
            success_count: batch.succeeded,
            failure_count: batch.failed,
            started_at: batch.started_at,
            finished_at: batch.finished_at,
        }
    }
}

/// Batches that run on this node.
#[derive(Default)]
pub(crate) struct Live {
    running: Mutex<HashMap<BatchId, Arc<LiveBatch>>>,
}

/// Counters of a running batch.
pub(crate) struct LiveBatch {
    begun: Batch,
    succeeded: AtomicU64,
    failed: AtomicU64,
    moved: watch::Sender<()>,
}

impl LiveBatch {
    pub(crate) fn count(&self, succeeded: u64, failed: u64) {
        self.succeeded.fetch_add(succeeded, Ordering::Relaxed);
        self.failed.fetch_add(failed, Ordering::Relaxed);
        self.moved.send_replace(());
    }

    pub(crate) fn done(&self) -> u64 {
        self.succeeded.load(Ordering::Relaxed) + self.failed.load(Ordering::Relaxed)
    }

    /// The batch as it is now.
    pub(crate) fn now(&self) -> Batch {
        Batch {
            succeeded: self.succeeded.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            ..self.begun.clone()
        }
    }
}

impl Live {
    pub(crate) fn begin(&self, batch: Batch) -> Arc<LiveBatch> {
        let id = batch.id;
        let live = LiveBatch {
            begun: batch,
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            moved: watch::channel(()).0,
        };
        let live = Arc::new(live);
        self.running.lock().insert(id, live.clone());
        live
    }

    pub(crate) fn end(&self, id: BatchId) {
        // Dropping the sender wakes and ends every follower.
        self.running.lock().remove(&id);
    }
}

impl Tasks {
    /// How far a batch of the principal's tenant is.
    ///
    /// # Errors
    /// When the principal may not, or the tenant has no such batch.
    pub async fn batch_progress(&self, principal: &Principal, id: &str) -> Result<BatchProgress, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        let not_found = || TaskError::BatchNotFound {
            id: id.chars().take(64).collect(),
        };
        let batch: BatchId = id.parse().map_err(|_| not_found())?;
        let live = self.shared.live.running.lock().get(&batch).map(|live| live.now());
        let found = match live {
            Some(batch) if batch.tenant == principal.tenant => Some(batch),
            Some(_) => None,
            None => self.shared.stores.batches.get(principal.tenant, batch).await?,
        };
        found.map(BatchProgress::from).ok_or_else(not_found)
    }

    /// Changes whenever the batch moves on, and closes when it ends; nothing when it does not run on this node.
    /// Ask [`Tasks::batch_progress`] first: it checks whose batch it is.
    #[must_use]
    pub fn follow_batch(&self, id: BatchId) -> Option<watch::Receiver<()>> {
        self.shared.live.running.lock().get(&id).map(|live| live.moved.subscribe())
    }
}
