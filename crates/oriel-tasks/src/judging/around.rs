//! What happens around the execution of a task: hooks before and after it, inline validators, samplers.

use oriel_extensions::Around;
use oriel_hooks::Cause;
use oriel_model::execution::{Execution, ExecutionStatus, Resources};
use oriel_model::id::{BatchId, ExecutionId};
use oriel_model::validation::Judgement;
use oriel_model::{Coded, Timestamp};
use serde_json::json;
use serde_json::value::RawValue;

use super::Look;
use super::background::Seen;
use crate::compiled::{Target, Watch};
use crate::items::Caller;
use crate::{Fault, Tasks};

/// An execution that ended, before anybody hears of it.
pub(crate) struct Outcome<'a> {
    pub(crate) id: ExecutionId,
    pub(crate) item: Option<&'a str>,
    pub(crate) batch: Option<BatchId>,
    pub(crate) version: &'a semver::Version,
    pub(crate) input: &'a RawValue,
    pub(crate) result: Result<Box<RawValue>, Fault>,
    pub(crate) started_at: Timestamp,
    pub(crate) resources: Resources,
}

impl Target {
    /// What surrounds an execution of this target; nothing where nothing is bound.
    pub(crate) async fn around(&self) -> Result<Option<(&Watch, Around)>, Fault> {
        let Some(watch) = &self.watch else { return Ok(None) };
        let around = watch.points.around_task(watch.id, watch.name.as_str()).await;
        let around = around.map_err(|error| Fault::from(&error))?;
        Ok(around.map(|around| (watch, around)))
    }

    fn cause<'a>(&self, watch: &'a Watch, caller: Caller<'a>) -> Cause<'a> {
        Cause {
            tenant: self.tenant,
            tenant_name: &watch.tenant_name,
            principal: Some(caller.principal),
            user: caller.user,
            task: Some(watch.id),
        }
    }
}

impl Tasks {
    /// Lets the handlers of `task.pre-execute` change the input. Nothing when it stays as it is.
    pub(crate) async fn before(
        &self,
        target: &Target,
        (watch, around): &(&Watch, Around),
        caller: Caller<'_>,
        input: &RawValue,
    ) -> Result<Option<Box<RawValue>>, Fault> {
        if around.before.is_empty() {
            return Ok(None);
        }
        let cause = target.cause(watch, caller);
        let filtered = self
            .shared
            .hooks
            .filter(cause, "task.pre-execute", &around.before, input, caller.traceparent);
        filtered.await.map(Some).map_err(|error| Fault::Hook {
            code: error.code(),
            message: error.to_string(),
        })
    }

    /// Lets inline validators judge, tells hooks, and hands the execution over to samplers. Answers the result that counts.
    pub(crate) async fn after(
        &self,
        target: &Target,
        (watch, around): &(&Watch, Around),
        caller: Caller<'_>,
        outcome: Outcome<'_>,
    ) -> (Result<Box<RawValue>, Fault>, Vec<Judgement>) {
        let Outcome { mut result, .. } = outcome;
        let validators = &around.task.validators;
        let mut judgements = Vec::new();
        if validators.iter().any(|bound| bound.binding.terms.inline)
            && let Ok(output) = &result
        {
            let look = Look {
                id: outcome.id.to_string(),
                task: watch.id.to_string(),
                extension: watch.extension.as_str(),
                version: outcome.version.to_string(),
                program: target.program.as_str(),
                input: outcome.input.get(),
                output: Some(output.get()),
                failure: None,
                started_ms: u64::try_from(outcome.started_at.millis()).unwrap_or(0),
                resources: outcome.resources,
                schemas: (Some(&watch.schemas.0), Some(&watch.schemas.1)),
                expected: None,
                task_id: Some(watch.id),
                principal: Some(caller.principal),
                user: caller.user,
                traceparent: caller.traceparent,
            };
            let (said, verdict) = self.judge_inline(&around.task, &look).await;
            self.score(target.tenant, &watch.extension, outcome.version, &said);
            judgements = said;
            if let Err(fault) = verdict {
                result = Err(fault);
            }
        }
        let cause = target.cause(watch, caller);
        let status = if result.is_ok() {
            ExecutionStatus::Succeeded
        } else {
            ExecutionStatus::Failed
        };
        let told = || {
            json!({
                "taskId": watch.id, "task": watch.name, "executionId": outcome.id, "extension": watch.extension,
                "version": outcome.version, "program": target.program, "status": status,
                "error": result.as_ref().err().map(Fault::to_error), "resources": outcome.resources,
            })
        };
        for (hook, handlers, wanted) in [
            ("task.post-execute", &around.after, true),
            ("error", &around.error, result.is_err()),
        ] {
            if wanted && let Err(error) = self.shared.hooks.tell_bound(cause, hook, handlers, told).await {
                tracing::error!(hook, execution = %outcome.id, %error, "observers of an execution will not be told");
            }
        }
        let watched = !around.task.samplers.is_empty() || validators.iter().any(|bound| !bound.binding.terms.inline);
        if watched {
            let error = result.as_ref().err().map(Fault::to_error);
            let execution = Execution {
                id: outcome.id,
                task_id: Some(watch.id),
                batch_id: outcome.batch,
                item_id: outcome.item.map(str::to_owned),
                extension: watch.extension.clone(),
                version: outcome.version.clone(),
                program: target.program.clone(),
                status,
                input: outcome.input.to_owned(),
                output: result.as_ref().ok().cloned(),
                error,
                started_at: outcome.started_at,
                resources: outcome.resources,
            };
            self.shared.sampling.offer(Seen {
                tenant: target.tenant,
                tenant_name: watch.tenant_name.clone(),
                principal: caller.principal,
                bound: around.task.clone(),
                execution,
            });
        }
        (result, judgements)
    }
}
