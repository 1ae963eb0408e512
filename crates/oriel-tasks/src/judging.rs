//! Validators and samplers of extensions, at work on executions.
//!
//! Three ways lead here: inline validators judge an output before the reply (`inline.rs`), samplers pick executions whose
//! validators judge them afterwards (`background.rs`), and somebody asks for a judgement ([`Judges`] for [`Tasks`]).

mod around;
mod background;
mod inline;
mod samples;

use std::time::Duration;

use async_trait::async_trait;
use oriel_access::Principal;
use oriel_extensions::Bound;
use oriel_model::Coded;
use oriel_model::access::PrincipalId;
use oriel_model::binding::OnError;
use oriel_model::execution::{Execution, ExecutionError, Resources};
use oriel_model::id::{ExecutionId, TaskId};
use oriel_model::validation::Judgement;
use oriel_model::verdict::Verdict;
use oriel_sandbox::{Ask, CallError, ExecutionView};

pub(crate) use self::around::Outcome;
pub(crate) use self::background::Sampling;
use crate::validate::{Judges, Subject};
use crate::{TaskError, Tasks};

/// How often a call is tried again on the next release when the one it was given to just stopped taking calls.
const RELEASES: usize = 8;
/// How long the first repetition waits; each further one waits twice as long.
const BACKOFF: Duration = Duration::from_millis(50);

/// An execution as validators are shown it, with the texts that belong to it.
pub(crate) struct Look<'a> {
    pub(crate) id: String,
    pub(crate) task: String,
    pub(crate) extension: &'a str,
    pub(crate) version: String,
    pub(crate) program: &'a str,
    pub(crate) input: &'a str,
    pub(crate) output: Option<&'a str>,
    pub(crate) failure: Option<&'a ExecutionError>,
    pub(crate) started_ms: u64,
    pub(crate) resources: Resources,
    /// JSON Schemas of the task's input and output.
    pub(crate) schemas: (Option<&'a str>, Option<&'a str>),
    pub(crate) expected: Option<&'a str>,
    pub(crate) task_id: Option<TaskId>,
    pub(crate) principal: Option<PrincipalId>,
    pub(crate) user: Option<&'a str>,
    pub(crate) traceparent: Option<&'a str>,
}

impl<'a> Look<'a> {
    /// At a record.
    pub(crate) fn at(execution: &'a Execution) -> Self {
        Self {
            id: execution.id.to_string(),
            task: execution.task_id.map(|task| task.to_string()).unwrap_or_default(),
            extension: execution.extension.as_str(),
            version: execution.version.to_string(),
            program: execution.program.as_str(),
            input: execution.input.get(),
            output: execution.output.as_deref().map(serde_json::value::RawValue::get),
            failure: execution.error.as_ref(),
            started_ms: u64::try_from(execution.started_at.millis()).unwrap_or(0),
            resources: execution.resources,
            schemas: (None, None),
            expected: None,
            task_id: execution.task_id,
            principal: None,
            user: None,
            traceparent: None,
        }
    }

    pub(crate) fn view(&self) -> ExecutionView<'_> {
        ExecutionView {
            id: &self.id,
            task: (!self.task.is_empty()).then_some(self.task.as_str()),
            extension: self.extension,
            version: &self.version,
            program: self.program,
            input: self.input,
            output: self.output,
            failure: self.failure.map(|failure| (&*failure.code, &*failure.message)),
            started_ms: self.started_ms,
            resources: self.resources,
        }
    }

    fn ask<'b>(&'b self, bound: &'b Bound, id: ExecutionId) -> Ask<'b> {
        Ask {
            task: self.task_id,
            principal: self.principal,
            user: self.user,
            traceparent: self.traceparent,
            timeout: bound.binding.terms.timeout_ms.map(Duration::from_millis),
            binding: Some(&bound.config),
            ..Ask::new(bound.binding.contribution.name.as_str(), id)
        }
    }
}

impl Tasks {
    /// Asks validators, one after the other.
    pub(crate) async fn ask_validators(&self, bound: impl Iterator<Item = &Bound>, look: &Look<'_>) -> Vec<Judgement> {
        let mut judgements = Vec::new();
        for validator in bound {
            judgements.push(self.ask_validator(validator, look).await);
        }
        judgements
    }

    /// Asks one validator, as often as its binding says.
    async fn ask_validator(&self, bound: &Bound, look: &Look<'_>) -> Judgement {
        let (on_error, tries) = bound.binding.terms.on_error(OnError::Open);
        let mut judgement = Judgement {
            binding: Some(bound.binding.id),
            validator: bound.binding.contribution.clone(),
            verdict: None,
            error: None,
            fails_closed: on_error != OnError::Open,
        };
        let mut backoff = BACKOFF;
        for attempt in 1..=tries {
            match self.validate_once(bound, look).await {
                Ok(verdict) => {
                    judgement.verdict = Some(verdict);
                    judgement.error = None;
                    break;
                }
                Err((error, hopeful)) => {
                    judgement.error = Some(error);
                    if !hopeful || attempt == tries {
                        break;
                    }
                }
            }
            tokio::time::sleep(backoff).await;
            backoff *= 2;
        }
        judgement
    }

    /// One attempt. A failure says whether another attempt could go better.
    async fn validate_once(&self, bound: &Bound, look: &Look<'_>) -> Result<Verdict, (ExecutionError, bool)> {
        let ask = look.ask(bound, ExecutionId::new(self.shared.clock.now()));
        let subject = oriel_sandbox::Subject {
            execution: look.view(),
            input_schema: look.schemas.0,
            output_schema: look.schemas.1,
            expected_output: look.expected,
        };
        for _ in 0..RELEASES {
            let active = bound
                .handle
                .active()
                .await
                .map_err(|error| (told(&error), error.code().retryable()))?;
            match active.pool().validate(&ask, &subject).await.result {
                Ok(verdict) => return Ok(verdict),
                Err(CallError::Draining) => tokio::task::yield_now().await,
                Err(error) => return Err((told(&error), is_hopeful(&error))),
            }
        }
        Err((told(&CallError::Draining), true))
    }
}

/// Whether the same question could be answered at another time.
fn is_hopeful(error: &CallError) -> bool {
    !matches!(
        error,
        CallError::Rejected { .. } | CallError::Denied { .. } | CallError::InputTooLarge { .. }
    )
}

fn told(error: &dyn Coded) -> ExecutionError {
    ExecutionError {
        code: error.code().as_str().to_owned(),
        message: error.to_string(),
    }
}

/// Who asks for a judgement hears all validators that are bound to the task, whether they judge inline or afterwards.
#[async_trait]
impl Judges for Tasks {
    async fn judge(&self, principal: &Principal, subject: Subject<'_>) -> Result<Vec<Judgement>, TaskError> {
        let task = subject.task;
        let bound = self
            .shared
            .extensions
            .bound_to_task(principal.tenant, &principal.tenant_name, task.id, task.name.as_str());
        let bound = bound.await?;
        if bound.validators.is_empty() {
            return Ok(Vec::new());
        }
        let (input, output) = (subject.input.to_string(), subject.output.to_string());
        let expected = subject.expected.map(ToString::to_string);
        let schemas = (task.input_schema.to_string(), task.output_schema.to_string());
        let look = Look {
            schemas: (Some(&schemas.0), Some(&schemas.1)),
            expected: expected.as_deref(),
            principal: Some(principal.id),
            user: principal.user.as_deref(),
            ..match subject.execution {
                Some(execution) => Look::at(execution),
                // An output that the caller has was never an execution here.
                None => Look {
                    id: String::new(),
                    task: task.id.to_string(),
                    extension: task.program.extension.as_str(),
                    version: String::new(),
                    program: task.program.name.as_str(),
                    input: &input,
                    output: Some(&output),
                    failure: None,
                    started_ms: 0,
                    resources: Resources::default(),
                    schemas: (None, None),
                    expected: None,
                    task_id: Some(task.id),
                    principal: None,
                    user: None,
                    traceparent: None,
                },
            }
        };
        let judgements = self.ask_validators(bound.validators.iter(), &look).await;
        if let Some(execution) = subject.execution {
            self.score(principal.tenant, &execution.extension, &execution.version, &judgements);
        }
        Ok(judgements)
    }
}
