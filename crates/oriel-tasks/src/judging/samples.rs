//! Reading what was looked at.

use oriel_access::{Access, Principal};
use oriel_model::access::Scope;
use oriel_model::id::ExecutionId;
use oriel_model::page::{Page, PageRequest};
use oriel_model::sample::{Sample, SampleSummary};
use oriel_store::SampleFilter;

use crate::{TaskError, Tasks};

impl Tasks {
    /// The samples of a task, newest first; only those found valid or not, where `valid` says so.
    ///
    /// # Errors
    /// When the principal may not, there is no such task, or the cursor is foreign.
    pub async fn samples(
        &self,
        principal: &Principal,
        task: &str,
        valid: Option<bool>,
        page: PageRequest,
    ) -> Result<Page<Sample>, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        let task = Some(self.find(principal.tenant, task).await?.id);
        let filter = SampleFilter { task, valid };
        Ok(self.shared.stores.samples.list(principal.tenant, filter, page).await?)
    }

    /// What the samples of a task came to, by extension and version.
    ///
    /// # Errors
    /// When the principal may not, or there is no such task.
    pub async fn sample_summary(&self, principal: &Principal, task: &str) -> Result<Vec<SampleSummary>, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        let task = self.find(principal.tenant, task).await?.id;
        Ok(self.shared.stores.samples.summary(principal.tenant, task).await?)
    }

    /// The sample of one execution.
    ///
    /// # Errors
    /// When the principal may not, or the execution was not looked at.
    pub async fn sample_of(&self, principal: &Principal, execution: &str) -> Result<Sample, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        let not_found = || TaskError::ExecutionNotFound {
            id: execution.chars().take(64).collect(),
        };
        let id: ExecutionId = execution.parse().map_err(|_| not_found())?;
        self.shared.stores.samples.get(principal.tenant, id).await?.ok_or_else(not_found)
    }
}
