//! Runs of jobs: accepted, carried by the durable queue, shown, waited for, cancelled and begun anew.
//!
//! Start reading at [`Extensions::start_job`]; `jobs/attempt.rs` is what a worker does with a run, `jobs/manage.rs` what people do
//! with it, `jobs/queue.rs` how an extension starts its own. Schedules and events will start runs the same way, with their own [`JobTrigger`].

mod attempt;
mod manage;
mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_access::{Access, Actor};
use oriel_model::ErrorCode;
use oriel_model::access::{Principal, PrincipalId, Scope};
use oriel_model::contribution::ContributionKind;
use oriel_model::id::{JobRunId, TenantId, WorkId};
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::job::{
    DEFAULT_ATTEMPTS, DEFAULT_BACKOFF_MS, JobFailure, JobRun, JobState, JobTrigger, MAX_ATTEMPTS, MAX_DELAY_MS, MAX_KEY,
};
use oriel_model::limits::Limits;
use oriel_model::manifest::Declaration;
use oriel_model::name::{ExtensionName, TenantName};
use oriel_model::schema::{Schema, SchemaProblem};
use oriel_store::{Carrier, NewAudit, NewWork, StoreError, Stores, WorkKind};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::queue::GuestQueue;
use crate::worker::Worker;
use crate::{ExtensionError, Extensions, Shared, active};

/// A unit is leased as often as need be: the run counts its own attempts.
const LEASES: u32 = i32::MAX as u32;

/// How many jobs run at once.
#[derive(Debug, Clone, Copy)]
pub struct JobOptions {
    /// On this node.
    pub concurrent: u32,
    /// Of one tenant, on all nodes together.
    pub per_tenant: u32,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            concurrent: 32,
            per_tenant: 8,
        }
    }
}

/// A run that somebody wants.
#[derive(Debug, Clone)]
pub struct NewJobRun {
    /// JSON.
    pub input: Box<RawValue>,
    /// Not before so long from now.
    pub delay: Duration,
    /// See [`JobRun::key`].
    pub key: Option<String>,
    /// How often it is tried; what the manifest says when absent.
    pub attempts: Option<u32>,
}

/// What the unit that carries a run says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    run: JobRunId,
    tenant_name: TenantName,
}

/// What this node knows of runs beside what is stored.
pub(crate) struct Running {
    worker: Arc<Worker>,
    /// Changes whenever a run ends here.
    ended: watch::Sender<u64>,
    /// Ends attempts whose runs were cancelled.
    attempts: Mutex<HashMap<JobRunId, CancellationToken>>,
}

impl Running {
    pub(crate) fn new(options: JobOptions, stores: &Stores, clock: Arc<dyn oriel_model::time::Clock>) -> Self {
        let pause = Duration::from_millis(DEFAULT_BACKOFF_MS);
        let worker = Worker::new(stores, clock, WorkKind::JOB, options.concurrent, options.per_tenant, pause);
        Self {
            worker: Arc::new(worker),
            ended: watch::channel(0).0,
            attempts: Mutex::default(),
        }
    }

    fn tell(&self) {
        self.ended.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// Who starts a run, and how.
struct Start<'a> {
    tenant: TenantId,
    tenant_name: &'a TenantName,
    principal: Option<PrincipalId>,
    trigger: JobTrigger,
    audit: Option<Actor<'a>>,
}

fn known(value: &str) -> String {
    value.chars().take(64).collect()
}

/// The job of this name.
fn declared<'a>(installation: &'a Installation, job: &str) -> Result<&'a Declaration, ExtensionError> {
    let jobs = installation.release.manifest.declared(ContributionKind::Job);
    jobs.iter()
        .find(|declared| declared.name.as_str() == job)
        .ok_or_else(|| ExtensionError::ContributionNotFound {
            extension: installation.name.to_string(),
            kind: ContributionKind::Job,
            name: known(job),
            there: jobs.iter().map(|job| job.name.to_string()).collect(),
        })
}

/// Whether the input fits the job; it was read as JSON before.
fn fits(declared: &Declaration, input: &RawValue) -> Result<(), Vec<SchemaProblem>> {
    let Some(schema) = &declared.input_schema else { return Ok(()) };
    let whole = |message: String| {
        vec![SchemaProblem {
            path: String::new(),
            message,
        }]
    };
    let schema = Schema::compile(schema).map_err(|error| whole(error.to_string()))?;
    let value = serde_json::from_str(input.get()).map_err(|error| whole(error.to_string()))?;
    schema.validate(&value)
}

impl Extensions {
    /// Accepts a run of a job. Once this answers the run is durable: it is done, whatever happens to this process.
    ///
    /// # Errors
    /// When the principal may not, the extension has no such job, does not take calls, or the input does not fit; with
    /// [`ExtensionError::JobQueueFull`] when as many runs wait as may.
    pub async fn start_job(&self, principal: &Principal, extension: &str, job: &str, new: NewJobRun) -> Result<JobRun, ExtensionError> {
        Access::require(principal, Scope::TasksExecute)?;
        let installation = self.find(principal.tenant, extension).await?;
        let start = Start {
            tenant: principal.tenant,
            tenant_name: &principal.tenant_name,
            principal: Some(principal.id),
            trigger: JobTrigger::Manual,
            audit: Some(Actor::Principal(principal)),
        };
        let id = self.accept_run(start, &installation, job, new).await?;
        self.run_of(principal.tenant, &installation.name, &id.to_string()).await
    }

    async fn accept_run(
        &self,
        start: Start<'_>,
        installation: &Installation,
        job: &str,
        new: NewJobRun,
    ) -> Result<JobRunId, ExtensionError> {
        if installation.state == InstallationState::PendingConsent {
            return Err(ExtensionError::ConsentRequired {
                name: installation.name.to_string(),
                permissions: installation.release.manifest.permissions.beyond(&installation.grant),
            });
        }
        if installation.state == InstallationState::Disabled {
            return Err(ExtensionError::Disabled {
                name: installation.name.to_string(),
            });
        }
        let declared = declared(installation, job)?;
        check(&new)?;
        let limits = self.limits_of(installation);
        let (length, limit) = (new.input.get().len() as u64, limits.input.0);
        if length > limit {
            return Err(oriel_sandbox::CallError::InputTooLarge { length, limit }.into());
        }
        fits(declared, &new.input).map_err(|problems| ExtensionError::JobInput {
            job: declared.name.to_string(),
            problems,
        })?;
        let now = self.shared.clock.now();
        let due_at = now.plus(new.delay);
        let run = JobRun {
            id: JobRunId::new(now),
            extension: installation.name.clone(),
            installation: installation.id,
            job: declared.name.clone(),
            state: JobState::Queued,
            trigger: start.trigger,
            principal: start.principal,
            key: new.key,
            input: new.input,
            output: None,
            error: None,
            attempts: Vec::new(),
            max_attempts: new
                .attempts
                .or(declared.attempts)
                .unwrap_or(DEFAULT_ATTEMPTS)
                .clamp(1, MAX_ATTEMPTS),
            backoff_ms: declared.backoff.map_or(DEFAULT_BACKOFF_MS, |pause| {
                u64::try_from(pause.0.as_millis()).unwrap_or(DEFAULT_BACKOFF_MS)
            }),
            due_at,
            created_at: now,
            ended_at: None,
            work: WorkId::new(now),
            revision: 1,
        };
        let unit = self.unit(start.tenant, start.tenant_name, &run)?;
        let audit = start.audit.map(|actor| self.told(&actor, "job.run", &run));
        let inserted = self
            .shared
            .stores
            .jobs
            .insert(start.tenant, run, unit, limits.job_queue.into(), audit)
            .await;
        let id = inserted.map_err(|error| full(error, &installation.name, &limits))?;
        self.shared.jobs.worker.wake();
        Ok(id)
    }

    fn limits_of(&self, installation: &Installation) -> Limits {
        active::limits(&installation.release, &installation.limits, &self.shared.options.ceiling)
    }

    fn unit(&self, tenant: TenantId, tenant_name: &TenantName, run: &JobRun) -> Result<NewWork, ExtensionError> {
        let note = Note {
            run: run.id,
            tenant_name: tenant_name.clone(),
        };
        let payload = serde_json::to_vec(&note).map_err(|error| StoreError::Corrupt {
            what: format!("a job run's note: {error}"),
        })?;
        Ok(NewWork {
            id: run.work,
            tenant,
            kind: WorkKind::JOB,
            key: None,
            payload: payload.into(),
            due_at: run.due_at,
            max_attempts: LEASES,
            created_at: self.shared.clock.now(),
        })
    }

    fn told(&self, actor: &Actor<'_>, action: &str, run: &JobRun) -> NewAudit {
        let details = json!({ "job": run.job, "run": run.id });
        actor.did(self.shared.clock.now(), action, run.extension.to_string(), details)
    }

    /// Changes a run that was not over.
    async fn write(
        &self,
        tenant: TenantId,
        next: JobRun,
        expected: u64,
        carrier: Carrier,
        audit: Option<NewAudit>,
    ) -> Result<(), ExtensionError> {
        let over = next.state.is_over();
        self.shared
            .stores
            .jobs
            .update(tenant, next, expected, carrier, u64::MAX, audit)
            .await?;
        if over {
            self.shared.jobs.tell();
        }
        Ok(())
    }

    /// Runs that wait or run for an extension that is gone.
    pub(crate) async fn cancel_jobs_of(&self, tenant: TenantId, extension: &ExtensionName) {
        let reason = JobFailure {
            code: ErrorCode::JobUninstalled.as_str().to_owned(),
            message: format!("the extension `{extension}` was uninstalled"),
        };
        let now = self.shared.clock.now();
        match self.shared.stores.jobs.cancel_all(tenant, extension, &reason, now).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(%extension, count, "job runs were cancelled with their extension");
                self.shared.jobs.tell();
            }
            // Each finds out by itself when its turn comes.
            Err(error) => tracing::warn!(%extension, %error, "job runs of an extension that is gone could not be cancelled at once"),
        }
    }
}

/// What is wrong with how a run is wanted.
fn check(new: &NewJobRun) -> Result<(), ExtensionError> {
    let reason = if new.delay > Duration::from_millis(MAX_DELAY_MS) {
        "a run can be put off by at most 30 days".to_owned()
    } else if new.key.as_ref().is_some_and(|key| !(1..=MAX_KEY).contains(&key.len())) {
        format!("a deduplication key has 1 to {MAX_KEY} bytes")
    } else if new.attempts.is_some_and(|attempts| !(1..=MAX_ATTEMPTS).contains(&attempts)) {
        format!("a run has 1 to {MAX_ATTEMPTS} attempts")
    } else {
        return Ok(());
    };
    Err(ExtensionError::JobInvalid { reason })
}

fn full(error: StoreError, extension: &ExtensionName, limits: &Limits) -> ExtensionError {
    match error {
        StoreError::Quota { .. } => ExtensionError::JobQueueFull {
            name: extension.to_string(),
            most: limits.job_queue,
        },
        error => error.into(),
    }
}

/// An error as an attempt shows it.
fn failure(error: &dyn oriel_model::Coded) -> JobFailure {
    JobFailure {
        code: error.code().as_str().to_owned(),
        message: error.to_string(),
    }
}

impl Shared {
    pub(crate) const fn running(&self) -> &Running {
        &self.jobs
    }
}
