//! The port of samples: executions that were looked at, with their verdicts.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TaskId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_model::sample::{Sample, SampleSummary};

use crate::Result;

/// Scores are kept as millionths, so that sums are exact and the same in every engine.
pub const SCORE_UNIT: f64 = 1_000_000.0;

/// The score of a sample in millionths.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a score is from 0 to 1")]
pub fn millionths(sample: &Sample) -> Option<u64> {
    sample.score().map(|score| (score.clamp(0.0, 1.0) * SCORE_UNIT).round() as u64)
}

/// The summary of one version from its sums.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a mean of millionths needs no more than a double has")]
pub fn mean(judged: u64, millionths: u64) -> Option<f64> {
    (judged > 0).then(|| millionths as f64 / judged as f64 / SCORE_UNIT)
}

/// Which samples are wanted; absent fields do not narrow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SampleFilter {
    /// Of this task.
    pub task: Option<TaskId>,
    /// Found valid, or not.
    pub valid: Option<bool>,
}

/// Samples by execution.
#[async_trait]
pub trait Samples: Send + Sync {
    /// Writes samples, all or none; one of an execution that has one takes its place.
    async fn put(&self, tenant: TenantId, samples: Vec<Sample>) -> Result<()>;

    /// The tenant's sample of this execution.
    async fn get(&self, tenant: TenantId, execution: ExecutionId) -> Result<Option<Sample>>;

    /// Newest execution first.
    async fn list(&self, tenant: TenantId, filter: SampleFilter, page: PageRequest) -> Result<Page<Sample>>;

    /// What the samples of a task came to, by extension and version as text.
    async fn summary(&self, tenant: TenantId, task: TaskId) -> Result<Vec<SampleSummary>>;

    /// Deletes at most `limit` samples of all tenants that were judged before `before`, the oldest first; answers how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
