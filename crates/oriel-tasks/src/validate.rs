//! Judging outputs: against the task's schema, against what was expected, and by whoever else has a say.

use async_trait::async_trait;
use oriel_access::{Access, Principal};
use oriel_model::access::{Resource, ResourceKind, Scope};
use oriel_model::comparison::{Comparison, ComparisonRules};
use oriel_model::execution::{Execution, ExecutionError};
use oriel_model::schema::Schema;
use oriel_model::task::Task;
use oriel_model::validation::{BatchValidation, Findings, ItemValidation, Judgement, Validation};
use serde_json::Value;

use crate::{TaskError, Tasks};

/// The most items in one request.
pub const MAX_VALIDATED: usize = 10_000;

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The task.
    pub task: &'a Task,
    /// The record, when there is one.
    pub execution: Option<&'a Execution>,
    /// What went in; `null` when nobody said.
    pub input: &'a Value,
    /// What came out.
    pub output: &'a Value,
    /// What should have come out, when that is known.
    pub expected: Option<&'a Value>,
}

/// Whoever else has a say on outputs: validators of extensions.
#[async_trait]
pub trait Judges: Send + Sync {
    /// What they say, in their order; nothing when none is concerned.
    ///
    /// # Errors
    /// When it cannot be known whom to ask.
    async fn judge(&self, principal: &Principal, subject: Subject<'_>) -> Result<Vec<Judgement>, TaskError>;
}

/// Nobody: schema and expectation decide alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJudges;

#[async_trait]
impl Judges for NoJudges {
    async fn judge(&self, _: &Principal, _: Subject<'_>) -> Result<Vec<Judgement>, TaskError> {
        Ok(Vec::new())
    }
}

/// What to judge: one recorded execution.
#[derive(Debug, Clone)]
pub struct ValidateRequest {
    /// The task, by id or name.
    pub task: String,
    /// The execution, which must be of that task.
    pub execution: String,
    /// What it should have answered; without it only schema and validators decide.
    pub expected: Option<Value>,
    /// How both are compared.
    pub rules: ComparisonRules,
}

/// What to judge: outputs that the caller has.
#[derive(Debug, Clone)]
pub struct ValidateBatch {
    /// The task, by id or name.
    pub task: String,
    /// Outputs with what was expected of them.
    pub items: Vec<ValidateItem>,
    /// How both are compared.
    pub rules: ComparisonRules,
}

/// One output.
#[derive(Debug, Clone)]
pub struct ValidateItem {
    /// The caller's own id.
    pub id: String,
    /// What went in, for validators.
    pub input: Value,
    /// What came out.
    pub output: Value,
    /// What should have come out.
    pub expected: Option<Value>,
}

/// A task's rules, compiled once for all items.
struct Measure {
    task: Task,
    schema: Schema,
    comparison: Comparison,
    semantic: bool,
}

impl Tasks {
    /// Judges a recorded execution.
    ///
    /// # Errors
    /// When the principal may not, there is no such task or execution, it is another task's, or the rules cannot be used.
    pub async fn validate(&self, principal: &Principal, request: ValidateRequest, judges: &dyn Judges) -> Result<Validation, TaskError> {
        Access::require(principal, Scope::TasksExecute)?;
        let measure = self.measure(principal, &request.task, &request.rules).await?;
        let execution = self.execution(principal, &request.execution).await?;
        if execution.task_id != Some(measure.task.id) {
            return Err(TaskError::Invalid {
                reason: format!("the execution `{}` is not one of the task `{}`", execution.id, measure.task.name),
            });
        }
        let findings = match &execution.output {
            None => Findings {
                error: execution.error.clone(),
                ..Findings::default()
            },
            Some(output) => {
                let input = parsed(execution.input.get())?;
                let output = parsed(output.get())?;
                let subject = Subject {
                    task: &measure.task,
                    execution: Some(&execution),
                    input: &input,
                    output: &output,
                    expected: request.expected.as_ref(),
                };
                measure.judge(principal, subject, judges).await?
            }
        };
        Ok(Validation {
            task_id: measure.task.id,
            execution_id: execution.id,
            version: execution.version,
            findings,
        })
    }

    /// Judges outputs that the caller has. Nothing is called and nothing is recorded.
    ///
    /// # Errors
    /// When the principal may not, there is no such task, there are no items or too many, or the rules cannot be used.
    pub async fn validate_batch(
        &self,
        principal: &Principal,
        request: ValidateBatch,
        judges: &dyn Judges,
    ) -> Result<BatchValidation, TaskError> {
        Access::require(principal, Scope::TasksExecute)?;
        match request.items.len() {
            0 => {
                return Err(TaskError::Invalid {
                    reason: "`items` is empty".to_owned(),
                });
            }
            count if count > MAX_VALIDATED => return Err(TaskError::BatchTooLarge { max: MAX_VALIDATED }),
            _ => {}
        }
        let measure = self.measure(principal, &request.task, &request.rules).await?;
        let mut results = Vec::with_capacity(request.items.len());
        for item in &request.items {
            let subject = Subject {
                task: &measure.task,
                execution: None,
                input: &item.input,
                output: &item.output,
                expected: item.expected.as_ref(),
            };
            results.push(ItemValidation {
                id: item.id.clone(),
                findings: measure.judge(principal, subject, judges).await?,
            });
            // Comparing is work of the processor, and others want it too.
            tokio::task::consume_budget().await;
        }
        let total = results.len() as u64;
        let valid = results.iter().filter(|result| result.findings.valid).count() as u64;
        #[expect(clippy::cast_precision_loss, reason = "at most ten thousand")]
        let accuracy_rate = valid as f64 / total as f64;
        Ok(BatchValidation {
            total_items: total,
            valid_count: valid,
            invalid_count: total - valid,
            accuracy_rate,
            results,
        })
    }

    async fn measure(&self, principal: &Principal, task: &str, rules: &ComparisonRules) -> Result<Measure, TaskError> {
        let comparison = Comparison::new(rules).map_err(|error| TaskError::Invalid { reason: error.to_string() })?;
        let task = self.find(principal.tenant, task).await?;
        if principal.judge.is_some() {
            // The tenant's own policies may name the task or its extension.
            let resource = Resource {
                kind: ResourceKind::Task,
                name: task.name.as_str(),
                extension: Some(task.program.extension.as_str()),
            };
            Access::permit(principal, resource)?;
        }
        let schema = Schema::compile(&task.output_schema).map_err(|source| TaskError::Schema {
            field: "outputSchema",
            source,
        })?;
        Ok(Measure {
            task,
            schema,
            comparison,
            semantic: rules.semantic,
        })
    }
}

impl Measure {
    async fn judge(&self, principal: &Principal, subject: Subject<'_>, judges: &dyn Judges) -> Result<Findings, TaskError> {
        let schema_problems = self.schema.validate(subject.output).err().unwrap_or_default();
        let differences = subject
            .expected
            .map(|expected| self.comparison.differences(expected, subject.output))
            .unwrap_or_default();
        let judgements = judges.judge(principal, subject).await?;
        let agreed = judgements.iter().all(Judgement::passes);
        // Who asks for the meaning gets no answer from a comparison of forms.
        let nobody = self.semantic && !judgements.iter().any(|judgement| judgement.verdict.is_some());
        let same = differences.is_empty() || (self.semantic && !nobody);
        let valid = schema_problems.is_empty() && same && agreed;
        let scores: Vec<f64> = judgements.iter().filter_map(|one| one.verdict.as_ref()?.score).collect();
        #[expect(clippy::cast_precision_loss, reason = "a handful of validators")]
        let score = if schema_problems.is_empty() && !scores.is_empty() {
            scores.iter().map(|score| score.clamp(0.0, 1.0)).sum::<f64>() / scores.len() as f64
        } else {
            f64::from(u8::from(valid))
        };
        let unjudged = nobody && !differences.is_empty();
        Ok(Findings {
            valid,
            score,
            schema_problems,
            differences,
            judgements,
            error: unjudged.then(|| ExecutionError {
                code: oriel_model::ErrorCode::RequestInvalid.as_str().to_owned(),
                message: "`semantic` leaves it to validators, and none judged this output".to_owned(),
            }),
        })
    }
}

fn parsed(text: &str) -> Result<Value, TaskError> {
    serde_json::from_str(text).map_err(|error| {
        oriel_store::StoreError::Corrupt {
            what: format!("a record of an execution: {error}"),
        }
        .into()
    })
}
