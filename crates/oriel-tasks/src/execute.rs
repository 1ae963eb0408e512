//! One call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oriel_access::{Access, Principal};
use oriel_model::Timestamp;
use oriel_model::access::Scope;
use oriel_model::execution::Resources;
use oriel_model::id::{ExecutionId, TaskId};
use oriel_model::name::ContributionName;
use oriel_model::schema::Schema;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::compiled::Target;
use crate::items::Caller;
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
        request: ExecuteRequest<'_>,
        begun: Instant,
    ) -> Result<Executed, TaskError> {
        let started_at = self.shared.clock.now();
        let id = ExecutionId::new(started_at);
        let mut resources = Resources::default();
        let mut active = None;
        let result = match target.check_input(&request.input) {
            Err(fault) => Err(fault),
            Ok(()) => {
                let caller = Caller::new(principal, request.traceparent);
                let (answered, outcome) = target.call_once(target.call(caller, id, &request.input, request.timeout)).await;
                resources = outcome.resources;
                match answered {
                    Err(fault) => Err(fault),
                    Ok(by) => {
                        active = Some(by);
                        outcome.result.map_err(Fault::from).and_then(|output| target.check_output(output))
                    }
                }
            }
        };
        let latency = begun.elapsed();
        let result = result.map(Arc::<RawValue>::from);
        let active = match active {
            Some(active) => active,
            // An input that breaks its schema is recorded under the release that would have answered.
            None => match (target.active().await, &result) {
                (Ok(active), _) => active,
                (Err(_), Err(fault)) => return Err(TaskError::Failed { id, fault: fault.clone() }),
                (Err(fault), Ok(_)) => return Err(TaskError::Failed { id, fault }),
            },
        };
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
                })
            }
            Err(fault) => Err(TaskError::Failed { id, fault }),
        }
    }
}
