//! The guest's `queue` interface: runs of the extension's own jobs.

use std::sync::Weak;

use oriel_model::id::{InstallationId, TenantId};
use oriel_model::job::JobTrigger;
use oriel_model::name::{ContributionName, ExtensionName, TenantName};
use oriel_model::schema::SchemaProblem;
use oriel_model::{Blame, Coded as _};
use oriel_sandbox::{Enqueue, GuestError, Queue};
use serde_json::value::RawValue;

use super::{NewJobRun, Start, declared};
use crate::{ExtensionError, Extensions, Shared};

/// The queue of one installation.
pub(crate) struct GuestQueue {
    /// The service holds the pools, and these hold this.
    shared: Weak<Shared>,
    tenant: TenantId,
    tenant_name: TenantName,
    extension: ExtensionName,
    installation: InstallationId,
}

impl GuestQueue {
    pub(crate) fn new(
        shared: &Shared,
        tenant: TenantId,
        tenant_name: &TenantName,
        extension: &ExtensionName,
        installation: InstallationId,
    ) -> Self {
        Self {
            shared: shared.this.clone(),
            tenant,
            tenant_name: tenant_name.clone(),
            extension: extension.clone(),
            installation,
        }
    }

    fn extensions(&self) -> Result<Extensions, GuestError> {
        let shared = self.shared.upgrade();
        let shared = shared.ok_or_else(|| GuestError::Unavailable("the server is shutting down".to_owned()))?;
        Ok(Extensions { shared })
    }

    /// The installation as it is now: a call that still runs must not queue anything for an extension that is gone.
    async fn installation(&self, extensions: &Extensions) -> Result<oriel_model::installation::Installation, GuestError> {
        let found = extensions
            .find(self.tenant, self.extension.as_str())
            .await
            .map_err(|error| told(&error))?;
        if found.id != self.installation {
            return Err(GuestError::Unavailable("the extension was uninstalled".to_owned()));
        }
        Ok(found)
    }
}

#[async_trait::async_trait]
impl Queue for GuestQueue {
    async fn enqueue(&self, run: Enqueue) -> Result<String, GuestError> {
        let not_json = |error: serde_json::Error| GuestError::InvalidInput(format!("the input is not JSON: {error}"));
        let new = NewJobRun {
            input: RawValue::from_string(run.input).map_err(not_json)?,
            delay: run.delay,
            key: run.key,
            attempts: run.attempts,
        };
        let extensions = self.extensions()?;
        let installation = self.installation(&extensions).await?;
        let start = Start {
            tenant: self.tenant,
            tenant_name: &self.tenant_name,
            principal: run.principal,
            trigger: JobTrigger::Queue,
            audit: None,
        };
        let accepted = extensions.accept_run(start, &installation, run.job.as_str(), new).await;
        accepted.map(|id| id.to_string()).map_err(|error| told(&error))
    }

    async fn pending(&self, job: &ContributionName) -> Result<u64, GuestError> {
        let extensions = self.extensions()?;
        let installation = self.installation(&extensions).await?;
        declared(&installation, job.as_str()).map_err(|error| told(&error))?;
        let jobs = &extensions.shared.stores.jobs;
        let waiting = jobs.waiting(self.tenant, self.extension.as_str(), Some(job.as_str())).await;
        waiting.map_err(|error| told(&error.into()))
    }
}

/// What a guest may learn of an error: what it did wrong, never what the database said.
fn told(error: &ExtensionError) -> GuestError {
    match error {
        ExtensionError::JobQueueFull { most, .. } => GuestError::LimitExceeded(format!("job_queue: {most} runs wait already")),
        ExtensionError::JobInput { job, problems } => {
            let places = problems.iter().map(|SchemaProblem { path, message }| {
                let path = if path.is_empty() { "the whole" } else { path };
                format!("{path}: {message}")
            });
            let places = places.collect::<Vec<_>>().join("; ");
            GuestError::InvalidInput(format!("the input does not fit the job `{job}`: {places}"))
        }
        ExtensionError::ContributionNotFound { .. } | ExtensionError::JobInvalid { .. } => GuestError::InvalidInput(error.to_string()),
        error if error.code().blame() == Blame::Host => {
            tracing::warn!(error = error as &dyn std::error::Error, "a guest's call of its queue failed");
            GuestError::Unavailable("the queue is unavailable".to_owned())
        }
        error => GuestError::Unavailable(error.to_string()),
    }
}
