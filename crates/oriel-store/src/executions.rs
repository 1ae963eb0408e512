//! The ports of execution records and batches.
//!
//! Records are kept in segments: many records of one tenant and one task (or one directly called program),
//! encoded and compressed by the service, behind an index of what the segment holds. A row per execution
//! would not keep up with a batch (see the ADR on executions).

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::id::{BatchId, ExecutionId, TaskId, TenantId};
use serde::{Deserialize, Serialize};

use crate::Result;

/// What is known of a segment without reading its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHead {
    /// Whose records.
    pub tenant: TenantId,
    /// The smallest id in it; with `tenant` and `last` the segment's identity.
    pub first: ExecutionId,
    /// The largest id in it.
    pub last: ExecutionId,
    /// The task that all records belong to; nothing when a program was called directly.
    pub task: Option<TaskId>,
    /// The extension that answered all of them.
    pub extension: String,
    /// The batch that all of them belong to.
    pub batch: Option<BatchId>,
    /// When the earliest record started.
    pub from: Timestamp,
    /// When the latest record started.
    pub to: Timestamp,
    /// How many records there are, at least 1.
    pub count: u32,
    /// How many of them failed.
    pub failures: u32,
}

/// A segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its index entry.
    pub head: SegmentHead,
    /// Its records, opaque to the store.
    pub body: Bytes,
}

/// Which segments may hold what is searched; absent fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentFilter {
    /// Of this task.
    pub task: Option<TaskId>,
    /// Of this extension.
    pub extension: Option<String>,
    /// Of this batch.
    pub batch: Option<BatchId>,
    /// Only with failed records (`true`) or only with succeeded ones (`false`).
    pub failed: Option<bool>,
    /// With a record that started at or after this.
    pub from: Option<Timestamp>,
    /// With a record that started before this.
    pub to: Option<Timestamp>,
    /// With `first` below this id: for reading on.
    pub before: Option<ExecutionId>,
    /// That may hold exactly this id (`first` ≤ id ≤ `last`).
    pub holding: Option<ExecutionId>,
    /// Of at most this many records: candidates for compaction.
    pub at_most: Option<u32>,
}

/// Execution records.
#[async_trait]
pub trait Executions: Send + Sync {
    /// Adds segments, all or none. One that is there already (by its identity) stays as it is, so that who does not know
    /// whether an earlier attempt was committed can ask again.
    async fn append(&self, segments: Vec<Segment>) -> Result<()>;

    /// Heads of matching segments by `last`, descending (then `first`, descending), skipping `offset`, at most `limit`.
    async fn find(&self, tenant: TenantId, filter: &SegmentFilter, offset: u32, limit: u32) -> Result<Vec<SegmentHead>>;

    /// A segment's body; nothing when it was compacted or pruned meanwhile.
    async fn body(&self, head: &SegmentHead) -> Result<Option<Bytes>>;

    /// Replaces `old` by `new` (the same records, merged) in one step. Answers `false` and changes nothing when
    /// one of `old` is gone.
    async fn replace(&self, old: &[SegmentHead], new: Segment) -> Result<bool>;

    /// Deletes at most `limit` segments of all tenants whose latest record started before `before`; answers how many.
    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64>;

    /// Tenants that have more than `more_than` segments of at most `at_most` records: where compaction pays.
    async fn fragmented(&self, at_most: u32, more_than: u32) -> Result<Vec<TenantId>>;
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchState {
    /// Items are being executed.
    Running,
    /// Every item was executed.
    Completed,
    /// `stopOnFirstError` ended it, or the caller went away.
    Stopped,
    /// The server died while it ran; what was recorded until then is in the executions.
    Interrupted,
}

/// A batch and its progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The task that it calls.
    pub task: TaskId,
    /// How far it is.
    pub state: BatchState,
    /// Items in it.
    pub total: u64,
    /// Items that answered.
    pub succeeded: u64,
    /// Items that failed.
    pub failed: u64,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The node that runs it, so that its crash can be told from another node's work.
    pub node: String,
}

/// Batches.
#[async_trait]
pub trait Batches: Send + Sync {
    /// Adds a batch or replaces it.
    async fn put(&self, batch: Batch) -> Result<()>;

    /// The tenant's batch with this id.
    async fn get(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>>;

    /// Marks every running batch of this node as interrupted at `at`: asked once at start.
    async fn interrupt(&self, node: &str, at: Timestamp) -> Result<u64>;

    /// Deletes at most `limit` batches of all tenants that started before `before`; answers how many.
    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
