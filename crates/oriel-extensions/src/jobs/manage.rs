//! What people do with runs: look, wait, cancel, begin anew.

use std::time::Duration;

use oriel_access::{Access, Actor};
use oriel_model::ErrorCode;
use oriel_model::access::{Principal, Scope};
use oriel_model::id::{JobRunId, TenantId, WorkId};
use oriel_model::job::{JobFailure, JobRun, JobState};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Carrier, JobFilter, StoreError};

use super::{declared, fits, full, known};
use crate::{ExtensionError, Extensions};

/// How often somebody who waits for a run looks by himself: another node may do it.
const LOOK: Duration = Duration::from_millis(250);
/// How often a change is tried anew when another one was faster.
const TRIES: u32 = 5;

/// The extension that a run is looked for in: one that has no valid name has no runs.
fn named(extension: &str, id: &str) -> Result<ExtensionName, ExtensionError> {
    extension.parse().map_err(|_| ExtensionError::JobRunNotFound { id: known(id) })
}

impl Extensions {
    /// Runs of an extension's jobs, newest first. They stay for a while when the extension is gone.
    ///
    /// # Errors
    /// When the principal may not, nothing is known under the name, or the cursor is foreign.
    pub async fn job_runs(
        &self,
        principal: &Principal,
        extension: &str,
        filter: &JobFilter,
        page: PageRequest,
    ) -> Result<Page<JobRun>, ExtensionError> {
        Access::require(principal, Scope::TasksRead)?;
        let runs = self.shared.stores.jobs.list(principal.tenant, extension, filter, page).await?;
        if runs.items.is_empty() {
            self.find(principal.tenant, extension).await?;
        }
        Ok(runs)
    }

    /// One run.
    ///
    /// # Errors
    /// When the principal may not, or the extension has no such run.
    pub async fn job_run(&self, principal: &Principal, extension: &str, id: &str) -> Result<JobRun, ExtensionError> {
        Access::require(principal, Scope::TasksRead)?;
        self.run_of(principal.tenant, &named(extension, id)?, id).await
    }

    pub(super) async fn run_of(&self, tenant: TenantId, extension: &ExtensionName, id: &str) -> Result<JobRun, ExtensionError> {
        let not_found = || ExtensionError::JobRunNotFound { id: known(id) };
        let parsed = id.parse::<JobRunId>().map_err(|_| not_found())?;
        let run = self.shared.stores.jobs.get(tenant, parsed).await?;
        run.filter(|run| run.extension == *extension).ok_or_else(not_found)
    }

    /// The run as soon as it is over, or as it is when `patience` is at its end.
    ///
    /// # Errors
    /// As for [`Extensions::job_run`].
    pub async fn await_job(&self, principal: &Principal, extension: &str, id: &str, patience: Duration) -> Result<JobRun, ExtensionError> {
        Access::require(principal, Scope::TasksRead)?;
        self.over_within(principal.tenant, &named(extension, id)?, id, patience).await
    }

    /// The same for a run that the caller has just started, which needs no right to read runs.
    ///
    /// # Errors
    /// When storage fails, or the run is forgotten meanwhile.
    pub async fn job_run_over(
        &self,
        principal: &Principal,
        extension: &str,
        run: &JobRun,
        patience: Duration,
    ) -> Result<JobRun, ExtensionError> {
        Access::require(principal, Scope::TasksExecute)?;
        self.over_within(principal.tenant, &named(extension, "")?, &run.id.to_string(), patience)
            .await
    }

    async fn over_within(
        &self,
        tenant: TenantId,
        extension: &ExtensionName,
        id: &str,
        patience: Duration,
    ) -> Result<JobRun, ExtensionError> {
        let until = tokio::time::Instant::now() + patience;
        let mut ended = self.shared.jobs.ended.subscribe();
        loop {
            let run = self.run_of(tenant, extension, id).await?;
            if run.state.is_over() || tokio::time::Instant::now() >= until {
                return Ok(run);
            }
            let _ = tokio::time::timeout_at(until.min(tokio::time::Instant::now() + LOOK), ended.changed()).await;
        }
    }

    /// Takes a run back. One that is running is broken off.
    ///
    /// # Errors
    /// When the principal may not, there is no such run, or it is over.
    pub async fn cancel_job(&self, principal: &Principal, extension: &str, id: &str) -> Result<JobRun, ExtensionError> {
        Access::require(principal, Scope::TasksExecute)?;
        let name = named(extension, id)?;
        for _ in 0..TRIES {
            let run = self.run_of(principal.tenant, &name, id).await?;
            if run.state.is_over() {
                return Err(ExtensionError::JobRunState {
                    id: run.id,
                    state: run.state,
                    wanted: "cancelled",
                });
            }
            let now = self.shared.clock.now();
            let mut next = JobRun {
                state: JobState::Cancelled,
                error: Some(JobFailure {
                    code: ErrorCode::ExecutionCancelled.as_str().to_owned(),
                    message: format!("{} cancelled the run", principal.id),
                }),
                ended_at: Some(now),
                revision: run.revision + 1,
                ..run.clone()
            };
            if let Some(last) = next.attempts.last_mut().filter(|last| last.ended_at.is_none()) {
                last.ended_at = Some(now);
                last.error.clone_from(&next.error);
            }
            let audit = self.told(&Actor::Principal(principal), "job.cancel", &run);
            match self
                .write(principal.tenant, next.clone(), run.revision, Carrier::Goes, Some(audit))
                .await
            {
                Ok(()) => {
                    if let Some(attempt) = self.shared.jobs.attempts.lock().get(&run.id) {
                        attempt.cancel();
                    }
                    return Ok(next);
                }
                Err(ExtensionError::Store(StoreError::Conflict { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Err(ExtensionError::Conflict { name: name.to_string() })
    }

    /// Begins a run anew that failed, is dead, or was cancelled: with the same input, and all its attempts. What the former ones came
    /// to is forgotten.
    ///
    /// # Errors
    /// When the principal may not, there is no such run, it did not fail, its extension is gone, or another run carries its key.
    pub async fn retry_job(&self, principal: &Principal, extension: &str, id: &str) -> Result<JobRun, ExtensionError> {
        Access::require(principal, Scope::TasksExecute)?;
        let run = self.run_of(principal.tenant, &named(extension, id)?, id).await?;
        if !run.state.can_retry() {
            return Err(ExtensionError::JobRunState {
                id: run.id,
                state: run.state,
                wanted: "tried again",
            });
        }
        let installation = self.find(principal.tenant, extension).await?;
        let declared = declared(&installation, run.job.as_str())?;
        fits(declared, &run.input).map_err(|problems| ExtensionError::JobInput {
            job: run.job.to_string(),
            problems,
        })?;
        let now = self.shared.clock.now();
        let next = JobRun {
            installation: installation.id,
            state: JobState::Queued,
            output: None,
            error: None,
            attempts: Vec::new(),
            due_at: now,
            ended_at: None,
            work: WorkId::new(now),
            revision: run.revision + 1,
            ..run.clone()
        };
        let carrier = Carrier::Becomes(self.unit(principal.tenant, &principal.tenant_name, &next)?);
        let audit = self.told(&Actor::Principal(principal), "job.retry", &run);
        let limits = self.limits_of(&installation);
        let jobs = &self.shared.stores.jobs;
        let written = jobs.update(
            principal.tenant,
            next.clone(),
            run.revision,
            carrier,
            limits.job_queue.into(),
            Some(audit),
        );
        written.await.map_err(|error| match error {
            StoreError::Conflict { .. } => ExtensionError::JobRunTwin { id: run.id },
            error => full(error, &installation.name, &limits),
        })?;
        self.shared.jobs.worker.wake();
        Ok(next)
    }
}
