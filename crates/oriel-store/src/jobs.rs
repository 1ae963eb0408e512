//! The port of job runs: what was asked of jobs, how far it is, and what came of it.
//!
//! A run and the unit of work that carries it are written together. The run is the truth: the unit only says that somebody should
//! look at it.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{JobRunId, TenantId};
use oriel_model::job::{JobFailure, JobRun, JobState};
use oriel_model::name::{ContributionName, ExtensionName};
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, NewWork, Result};

/// Which runs of an extension.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of this job.
    pub job: Option<ContributionName>,
    /// In this state.
    pub state: Option<JobState>,
}

/// What happens to the unit of work that carries a run, when the run changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Carrier {
    /// It stays as it is.
    Stays,
    /// It is taken out of the queue, leased or not.
    Goes,
    /// This new one takes its place.
    Becomes(NewWork),
}

/// Runs of jobs.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Takes a run that waits, with the unit that carries it and the entry that tells of it, all or none; answers its id. Where a
    /// run of the same job that is not over carries its key, nothing is written and that one's id is the answer.
    ///
    /// # Errors
    /// [`crate::StoreError::Quota`] for `job_queue` when `most` runs of the extension wait already. However many take runs at once,
    /// no more than that ever wait.
    async fn insert(&self, tenant: TenantId, run: JobRun, unit: NewWork, most: u64, audit: Option<NewAudit>) -> Result<JobRunId>;

    /// The run.
    async fn get(&self, tenant: TenantId, id: JobRunId) -> Result<Option<JobRun>>;

    /// Runs of an extension, newest first.
    async fn list(&self, tenant: TenantId, extension: &str, filter: &JobFilter, page: PageRequest) -> Result<Page<JobRun>>;

    /// Puts the run in the place of the one with its id, and does what `carrier` says, all or none. A run that begins anew after it was
    /// over counts as one more that waits.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when the one there is not at revision `expected`, or another run carries its key meanwhile;
    /// [`crate::StoreError::Quota`] when it begins to wait and `most` of the extension wait already.
    async fn update(
        &self,
        tenant: TenantId,
        run: JobRun,
        expected: u64,
        carrier: Carrier,
        most: u64,
        audit: Option<NewAudit>,
    ) -> Result<()>;

    /// How many runs of the extension wait, of one job or of all.
    async fn waiting(&self, tenant: TenantId, extension: &str, job: Option<&str>) -> Result<u64>;

    /// Cancels what is not over of an extension, with this reason, and takes the units out of the queue; answers how many.
    async fn cancel_all(&self, tenant: TenantId, extension: &ExtensionName, reason: &JobFailure, now: Timestamp) -> Result<u64>;

    /// Deletes at most `limit` runs of all tenants that were over before `before`, the oldest first; answers how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
