//! What a worker does with a run: one attempt, written down before it begins and after it ended.
//!
//! What is written down before is what makes a crash visible: a run that is found running, with nobody at it, had an attempt that was
//! broken off.

use std::time::Duration;

use oriel_model::contribution::ContributionKind;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::job::{JobAttempt, JobFailure, JobRun, JobState, JobTrigger};
use oriel_model::manifest::Declaration;
use oriel_model::name::TenantName;
use oriel_model::schema::Schema;
use oriel_model::{Coded as _, ErrorCode};
use oriel_sandbox::{Ask, CallError, Lease, Outcome, Trigger};
use oriel_store::{Carrier, StoreError, Work};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::{Note, failure};
use crate::worker::Settled;
use crate::{Active, ExtensionError, Extensions};

/// How long a run rests that cannot be tried now: its extension is disabled, or resting after failures.
const REST: Duration = Duration::from_secs(15);
/// How long a run waits for an instance before it makes room for others.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long attempts may go on after the server was told to stop. It waits ten seconds for its background work.
const LAST: Duration = Duration::from_secs(7);
/// How often an attempt looks whether another node has cancelled its run.
const LOOK: Duration = Duration::from_secs(2);
/// How often a run looks for the release that took over from one that drains.
const RELEASES: u32 = 3;
/// Attempts that are shown, broken off ones included.
const SHOWN: usize = 50;

/// How an attempt ended.
enum Ended {
    Answered(Outcome),
    /// Somebody else has written down what becomes of the run.
    Taken,
    /// The server stops.
    Broken,
}

impl Extensions {
    /// Runs jobs until `stop`, then lets those that run finish for a few seconds; what is not done then goes on elsewhere, or after the
    /// next start. Asked once.
    pub async fn run_jobs(self, stop: CancellationToken) {
        let worker = self.shared.running().worker.clone();
        let ending = stop.clone();
        let work = move |work: Work| {
            let (extensions, ending) = (self.clone(), ending.clone());
            async move { extensions.attempt(&work, &ending).await }
        };
        worker.run(stop, work).await;
    }

    async fn attempt(&self, work: &Work, ending: &CancellationToken) -> Settled {
        let note: Note = match serde_json::from_slice(&work.payload) {
            Ok(note) => note,
            Err(error) => return Settled::Hopeless(format!("the unit cannot be read: {error}")),
        };
        match self.shared.stores.jobs.get(work.tenant, note.run).await {
            // A unit whose run has another one by now has nothing to do.
            Ok(Some(run)) if !run.state.is_over() && run.work == work.id => self.try_run(work.tenant, &note.tenant_name, run, ending).await,
            Ok(_) => Settled::Done,
            Err(error) => Settled::Later(REST, error.to_string()),
        }
    }

    async fn try_run(&self, tenant: TenantId, tenant_name: &TenantName, mut run: JobRun, ending: &CancellationToken) -> Settled {
        if run.state == JobState::Running {
            // Nobody else is at it, or this unit would not be here.
            let broken = JobFailure {
                code: ErrorCode::JobInterrupted.as_str().to_owned(),
                message: "the server went away during the attempt".to_owned(),
            };
            if let Some(last) = run.attempts.last_mut().filter(|last| last.ended_at.is_none()) {
                last.ended_at = Some(self.shared.clock.now());
                last.error = Some(broken.clone());
            }
            run.error = Some(broken);
        }
        if run.is_used_up() {
            return self.over(tenant, run, JobState::Dead).await;
        }
        let (active, mut lease) = match self.instance(tenant, tenant_name, &run).await {
            Ok(ready) => ready,
            Err(Hindrance::Gone(failure)) => {
                run.error = Some(failure);
                return self.over(tenant, run, JobState::Cancelled).await;
            }
            Err(Hindrance::Hopeless(failure)) => {
                run.error = Some(failure);
                return self.over(tenant, run, JobState::Failed).await;
            }
            // A run that waits goes on waiting; nothing of it has changed.
            Err(Hindrance::Later(pause, reason)) if run.state == JobState::Queued => return Settled::Later(pause, reason),
            Err(Hindrance::Later(pause, reason)) => return self.rest(tenant, run, pause, reason).await,
        };
        let Some(declared) = job(&active, &run) else {
            return Settled::Later(REST, "the job is gone".to_owned());
        };
        let execution = ExecutionId::new(self.shared.clock.now());
        let number = u32::try_from(run.attempts.len()).unwrap_or(u32::MAX).saturating_add(1);
        run.attempts.push(JobAttempt {
            number: run.attempts.last().map_or(number, |last| last.number.saturating_add(1)),
            execution_id: execution,
            version: active.version().clone(),
            started_at: self.shared.clock.now(),
            ended_at: None,
            error: None,
            resources: None,
            counts: true,
        });
        if run.attempts.len() > SHOWN {
            run.attempts.remove(0);
        }
        run.state = JobState::Running;
        let begun = match self.step(tenant, run, Carrier::Stays).await {
            Ok(begun) => begun,
            Err(settled) => return settled,
        };
        let cancelled = CancellationToken::new();
        self.shared.running().attempts.lock().insert(begun.id, cancelled.clone());
        let ended = self.call(tenant, &mut lease, &begun, execution, (&cancelled, ending)).await;
        self.shared.running().attempts.lock().remove(&begun.id);
        drop(lease);
        match ended {
            Ended::Taken => Settled::Gone,
            Ended::Broken => self.broken_off(tenant, begun).await,
            Ended::Answered(outcome) => self.answered(tenant, begun, outcome, &declared).await,
        }
    }

    /// The guest's part, unless something else comes first. Dropping the call ends the guest.
    async fn call(
        &self,
        tenant: TenantId,
        lease: &mut Lease,
        run: &JobRun,
        execution: ExecutionId,
        (cancelled, ending): (&CancellationToken, &CancellationToken),
    ) -> Ended {
        let ask = Ask {
            principal: run.principal,
            ..Ask::new(run.job.as_str(), execution)
        };
        let given = oriel_sandbox::JobRun {
            trigger: match &run.trigger {
                JobTrigger::Manual => Trigger::Manual,
                JobTrigger::Queue => Trigger::Queue,
                JobTrigger::Schedule { name } => Trigger::Schedule(name),
                JobTrigger::Event { id } => Trigger::Event(id),
            },
            input: run.input.get(),
            attempt: run.attempts.last().map_or(1, |attempt| attempt.number),
        };
        let taken_elsewhere = async {
            loop {
                tokio::time::sleep(LOOK).await;
                if let Ok(Some(now)) = self.shared.stores.jobs.get(tenant, run.id).await
                    && now.revision != run.revision
                {
                    return;
                }
            }
        };
        let stopping = async {
            ending.cancelled().await;
            tokio::time::sleep(LAST).await;
        };
        tokio::select! {
            biased;
            outcome = lease.run(&ask, &given) => Ended::Answered(outcome),
            () = cancelled.cancelled() => Ended::Taken,
            () = taken_elsewhere => Ended::Taken,
            () = stopping => Ended::Broken,
        }
    }

    async fn answered(&self, tenant: TenantId, mut run: JobRun, outcome: Outcome, declared: &Declaration) -> Settled {
        let checked = outcome.result.and_then(|text| output(text, declared));
        let error = checked.as_ref().err().map(|error| failure(error));
        if let Some(last) = run.attempts.last_mut() {
            last.ended_at = Some(self.shared.clock.now());
            last.resources = Some(outcome.resources);
            last.error.clone_from(&error);
        }
        run.error = error;
        if matches!(
            &checked,
            Err(CallError::Refused(_) | CallError::Draining | CallError::Overloaded { .. })
        ) {
            // The gate was shut in the last moment: the job was not asked.
            if let Some(last) = run.attempts.last_mut() {
                last.counts = false;
            }
        }
        match checked {
            Ok(output) => {
                run.output = Some(output);
                self.over(tenant, run, JobState::Succeeded).await
            }
            Err(error) if !may_go_better(&error) => self.over(tenant, run, JobState::Failed).await,
            Err(_) if run.is_used_up() => self.over(tenant, run, JobState::Dead).await,
            Err(_) => {
                let pause = Duration::from_millis(run.pause_ms());
                let reason = run.error.as_ref().map(|error| error.message.clone()).unwrap_or_default();
                self.rest(tenant, run, pause, reason).await
            }
        }
    }

    /// The server stops under an attempt: that is not the job's fault, so the attempt does not count.
    async fn broken_off(&self, tenant: TenantId, mut run: JobRun) -> Settled {
        if let Some(last) = run.attempts.last_mut() {
            last.ended_at = Some(self.shared.clock.now());
            last.counts = false;
            last.error = Some(JobFailure {
                code: ErrorCode::JobInterrupted.as_str().to_owned(),
                message: "the server was stopped during the attempt".to_owned(),
            });
        }
        self.rest(tenant, run, Duration::ZERO, "the server was stopped".to_owned()).await
    }

    /// The run waits for its next attempt.
    async fn rest(&self, tenant: TenantId, mut run: JobRun, pause: Duration, reason: String) -> Settled {
        run.state = JobState::Queued;
        run.due_at = self.shared.clock.now().plus(pause);
        match self.step(tenant, run, Carrier::Stays).await {
            Ok(_) => Settled::Later(pause, reason),
            Err(settled) => settled,
        }
    }

    /// The run is over, and its unit with it.
    async fn over(&self, tenant: TenantId, mut run: JobRun, state: JobState) -> Settled {
        run.state = state;
        run.ended_at = Some(self.shared.clock.now());
        match self.step(tenant, run, Carrier::Goes).await {
            Ok(_) => Settled::Gone,
            Err(settled) => settled,
        }
    }

    /// Writes the run's next state. A run that somebody else has changed is somebody else's.
    async fn step(&self, tenant: TenantId, run: JobRun, carrier: Carrier) -> Result<JobRun, Settled> {
        let next = JobRun {
            revision: run.revision + 1,
            ..run
        };
        match self.write(tenant, next.clone(), run.revision, carrier, None).await {
            Ok(()) => Ok(next),
            // Looked at once more: whoever was faster has ended it, or it is looked at as it is now.
            Err(ExtensionError::Store(StoreError::Conflict { .. })) => {
                Err(Settled::Later(Duration::ZERO, "the run was changed".to_owned()))
            }
            Err(error) => {
                tracing::warn!(run = %next.id, %error, "how far a job run is cannot be written down; it is tried again");
                Err(Settled::Later(REST, error.to_string()))
            }
        }
    }

    /// An instance of the release that runs.
    async fn instance(
        &self,
        tenant: TenantId,
        tenant_name: &TenantName,
        run: &JobRun,
    ) -> Result<(std::sync::Arc<Active>, Lease), Hindrance> {
        let handle = self.handle(tenant, tenant_name, &run.extension);
        for _ in 0..RELEASES {
            let active = handle.active().await.map_err(hindered)?;
            if active.installation().id != run.installation {
                return Err(Hindrance::Gone(uninstalled(run)));
            }
            if job(&active, run).is_none() {
                return Err(Hindrance::Hopeless(JobFailure {
                    code: ErrorCode::ContributionNotFound.as_str().to_owned(),
                    message: format!("version {} has no job `{}`", active.version(), run.job),
                }));
            }
            match active.pool().lease(PATIENCE).await {
                Ok(lease) => return Ok((active, lease)),
                Err(CallError::Draining) => tokio::task::yield_now().await,
                Err(error) => {
                    let pause = error.retry_after().unwrap_or(REST);
                    return Err(Hindrance::Later(pause, error.to_string()));
                }
            }
        }
        Err(Hindrance::Later(Duration::from_secs(1), "the release is being replaced".to_owned()))
    }
}

/// Why an attempt cannot begin.
enum Hindrance {
    /// The extension that the run was for is gone.
    Gone(JobFailure),
    /// The release has no such job.
    Hopeless(JobFailure),
    /// It may be able to, later.
    Later(Duration, String),
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn hindered(error: ExtensionError) -> Hindrance {
    match &error {
        ExtensionError::NotFound { .. } => Hindrance::Gone(JobFailure {
            code: ErrorCode::JobUninstalled.as_str().to_owned(),
            message: error.to_string(),
        }),
        // Disabled, without consent, in quarantine, or a store that does not answer.
        error => Hindrance::Later(REST, error.to_string()),
    }
}

fn uninstalled(run: &JobRun) -> JobFailure {
    JobFailure {
        code: ErrorCode::JobUninstalled.as_str().to_owned(),
        message: format!("the extension `{}` was uninstalled", run.extension),
    }
}

fn job(active: &Active, run: &JobRun) -> Option<Declaration> {
    let manifest = &active.installation().release.manifest;
    manifest
        .declared(ContributionKind::Job)
        .iter()
        .find(|declared| declared.name == run.job)
        .cloned()
}

/// Whether another attempt may go better: the job says so, did not end in time, or was not let in.
const fn may_go_better(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Unavailable { .. }
            | CallError::Timeout { .. }
            | CallError::StartFailed { .. }
            | CallError::Overloaded { .. }
            | CallError::Draining
            | CallError::Refused(_)
            | CallError::Load(_)
    )
}

/// The answer, if it is what the manifest says that it is.
fn output(text: String, declared: &Declaration) -> Result<Box<RawValue>, CallError> {
    let bad = |reason: String| CallError::Answer { reason };
    let output = RawValue::from_string(text).map_err(|error| bad(format!("the output is not JSON: {error}")))?;
    let Some(schema) = &declared.output_schema else { return Ok(output) };
    let schema = Schema::compile(schema).map_err(|error| bad(error.to_string()))?;
    let value = serde_json::from_str(output.get()).map_err(|error| bad(error.to_string()))?;
    schema.validate(&value).map_err(|problems| {
        let first = problems.first().map(|problem| format!("{}: {}", problem.path, problem.message));
        bad(format!("the output does not fit its schema: {}", first.unwrap_or_default()))
    })?;
    Ok(output)
}
