//! What came of judging outputs.

use serde::{Deserialize, Serialize};

use crate::binding::ContributionRef;
use crate::comparison::Difference;
use crate::execution::ExecutionError;
use crate::id::{BindingId, ExecutionId, TaskId};
use crate::schema::SchemaProblem;
use crate::verdict::Verdict;

/// What one validator said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// By which binding it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingId>,
    /// Which validator.
    pub validator: ContributionRef,
    /// What it said; absent when it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ExecutionError>,
    /// Whether an answer that did not come makes the output invalid.
    #[serde(default)]
    pub fails_closed: bool,
}

impl Judgement {
    /// Whether the output may pass.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.verdict.as_ref().map_or(!self.fails_closed, |verdict| verdict.valid)
    }
}

/// What is wrong with an output, and what was said of it. It is valid when the schema holds, nothing differs from what was
/// expected, and every validator agrees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// Whether it is valid.
    pub valid: bool,
    /// How good it is, from 0 to 1: the mean of the validators' scores, else 1 when it is valid and 0 when it is not.
    pub score: f64,
    /// Where it breaks the task's output schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema_problems: Vec<SchemaProblem>,
    /// Where it differs from what was expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What validators said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub judgements: Vec<Judgement>,
    /// Why there is no output to judge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ExecutionError>,
}

/// What came of judging one execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// The task.
    pub task_id: TaskId,
    /// The execution.
    pub execution_id: ExecutionId,
    /// The version that answered it.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1.2.0"))]
    pub version: semver::Version,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

/// What came of judging one item of many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ItemValidation {
    /// The caller's own id of the item.
    pub id: String,
    /// What was found.
    #[serde(flatten)]
    pub findings: Findings,
}

/// What came of judging many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BatchValidation {
    /// Items judged.
    pub total_items: u64,
    /// How many are valid.
    pub valid_count: u64,
    /// How many are not.
    pub invalid_count: u64,
    /// The valid part of all, from 0 to 1.
    pub accuracy_rate: f64,
    /// Each of them, in the order of the request.
    pub results: Vec<ItemValidation>,
}
