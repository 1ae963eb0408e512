//! One call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oriel_access::{Access, Principal};
use oriel_model::access::Scope;
use oriel_model::execution::Resources;
use oriel_model::id::{ExecutionId, TaskId};
use oriel_model::name::ContributionName;
use oriel_model::schema::Schema;
use oriel_model::validation::Judgement;
use oriel_model::{Coded, Timestamp};
use oriel_sandbox::CallError;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::compiled::Target;
use crate::items::Caller;
use crate::judging::Outcome;
use crate::recorder::{Entry, settle};
use crate::{Fault, TaskError, Tasks};

/// What to execute.
#[derive(Debug)]
pub struct ExecuteRequest<'a> {
    /// The input, any JSON.
    pub input: Box<RawValue>,
    /// Less time than the extension's limit.
    pub timeout: Option<Duration>,
    /// W3C trace context of the caller.
    pub traceparent: Option<&'a str>,
    /// Who or what the call is about, such as a customer's id: while a canary runs, calls with one key all get the same release.
    pub canary_key: Option<&'a str>,
}

/// A call that answered.
#[derive(Debug)]
pub struct Executed {
    /// The execution's id.
    pub id: ExecutionId,
    /// The task; absent when a program was called directly.
    pub task_id: Option<TaskId>,
    /// What the program answered.
    pub output: Arc<RawValue>,
    /// The version that answered.
    pub version: semver::Version,
    /// When it started.
    pub started_at: Timestamp,
    /// From the request to the answer, validation included and recording not.
    pub latency: Duration,
    /// What it cost.
    pub resources: Resources,
    /// What inline validators made of the output.
    pub judgements: Vec<Judgement>,
}

impl Tasks {
    /// Executes a task by its id or name. `Ok` and [`TaskError::Failed`] mean that the execution is recorded.
    ///
    /// # Errors
    /// When the principal may not, there is no such task, its extension does not answer calls, input or output
    /// break their schema, or the call fails.
    pub async fn execute(&self, principal: &Principal, task: &str, request: ExecuteRequest<'_>) -> Result<Executed, TaskError> {
        Access::require(principal, Scope::TasksExecute)?;
        let begun = Instant::now();
        let target = self.target(principal, task).await?;
        self.run(principal, &target, request, begun).await
    }

    /// Calls a program of an installed extension without a task; the manifest's schemas apply.
    ///
    /// # Errors
    /// As for [`Tasks::execute`].
    pub async fn call_program(
        &self,
        principal: &Principal,
        extension: &str,
        program: &str,
        request: ExecuteRequest<'_>,
    ) -> Result<Executed, TaskError> {
        Access::require(principal, Scope::TasksExecute)?;
        let begun = Instant::now();
        let handle = self
            .shared
            .extensions
            .installed(principal.tenant, &principal.tenant_name, extension)
            .await?;
        let active = handle.active().await?;
        let manifest = &active.program(program)?.manifest;
        let schema = |field, schema: &Option<Value>| {
            let compiled = schema.as_ref().map(Schema::compile).transpose();
            compiled
                .map(|schema| schema.unwrap_or_else(Schema::anything))
                .map_err(|source| TaskError::Schema { field, source })
        };
        let schemas = (
            schema("inputSchema", &manifest.input_schema)?,
            schema("outputSchema", &manifest.output_schema)?,
        );
        let name: ContributionName = manifest.name.clone();
        let target = Target::new(principal.tenant, None, name, schemas, handle);
        self.run(principal, &target, request, begun).await
    }

    async fn run(
        &self,
        principal: &Principal,
        target: &Target,
        mut request: ExecuteRequest<'_>,
        begun: Instant,
    ) -> Result<Executed, TaskError> {
        let started_at = self.shared.clock.now();
        let id = ExecutionId::new(started_at);
        let caller = Caller::new(principal, request.traceparent);
        let around = target.around().await.map_err(|fault| TaskError::Refused { fault })?;
        let admitted = match &around {
            None => Ok(None),
            Some(around) => self.before(target, around, caller, &request.input).await,
        };
        if let Ok(Some(input)) = &admitted {
            request.input.clone_from(input);
        }
        let mut resources = Resources::default();
        let mut active = None;
        let result = match admitted.and_then(|_| target.check_input(&request.input)) {
            Err(fault) => Err(fault),
            Ok(()) => {
                let call = target.call(caller, id, &request.input, request.timeout);
                let (answered, outcome) = target.call_once(call, request.canary_key).await;
                resources = outcome.resources;
                match answered {
                    Err(fault) => Err(fault),
                    // What a breaker keeps from running is no execution, and there may be thousands a second.
                    Ok(_) if matches!(outcome.result, Err(CallError::Refused(_))) => {
                        let fault = outcome.result.err().map_or(Fault::Cancelled, Fault::from);
                        return Err(TaskError::Refused { fault });
                    }
                    Ok(by) => {
                        let result = outcome.result.map_err(Fault::from).and_then(|output| target.check_output(output));
                        by.ended(result.as_ref().err().map(Coded::code), resources.wall_us);
                        active = Some(by.active);
                        result
                    }
                }
            }
        };
        let active = match active {
            Some(active) => active,
            // An input that breaks its schema is recorded under the release that would have answered.
            None => match (target.active().await, &result) {
                (Ok(active), _) => active,
                (Err(_), Err(fault)) => return Err(TaskError::Failed { id, fault: fault.clone() }),
                (Err(fault), Ok(_)) => return Err(TaskError::Failed { id, fault }),
            },
        };
        let (result, judgements) = match &around {
            None => (result, Vec::new()),
            Some(around) => {
                let outcome = Outcome {
                    id,
                    item: None,
                    batch: None,
                    version: active.version(),
                    input: &request.input,
                    result,
                    started_at,
                    resources,
                };
                self.after(target, around, caller, outcome).await
            }
        };
        let latency = begun.elapsed();
        let result = result.map(Arc::<RawValue>::from);
        if self.shared.recorder.is_on() {
            let entry = Entry {
                key: target.key(&active),
                id,
                item: None,
                input: request.input,
                result: result.as_ref().map(Arc::clone).map_err(Fault::to_error),
                started_at,
                resources,
            };
            settle(self.shared.recorder.entry(entry).await)
                .await
                .map_err(|source| TaskError::Record { source })?;
        }
        match result {
            Ok(output) => {
                let version = active.version().clone();
                Ok(Executed {
                    id,
                    task_id: target.task,
                    output,
                    version,
                    started_at,
                    latency,
                    resources,
                    judgements,
                })
            }
            Err(fault) => Err(TaskError::Failed { id, fault }),
        }
    }
}
