//! What the records of a task advise.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Timestamp;
use crate::canary::{CanaryAdvice, CanaryComparison, Rate};
use crate::id::{ExecutionId, TaskId};

/// Something that inputs have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InputCondition {
    /// JSON pointer into the input; empty for the whole. A `*` stands for the elements of an array.
    pub path: String,
    /// What holds there.
    pub is: ConditionKind,
    /// The value, type, number or length that it holds for; absent where it needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What may hold at a place of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConditionKind {
    /// It is this value.
    Equals,
    /// It is of this type.
    Type,
    /// There is nothing.
    Absent,
    /// It is a number of at least this.
    AtLeast,
    /// It is a number of at most this.
    AtMost,
    /// It is a text or array of at least this length.
    LengthAtLeast,
    /// It is a text or array of at most this length.
    LengthAtMost,
}

/// Inputs that fail, or are slow, more often than others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct InputCluster {
    /// The error that they fail with; absent for slow ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// What they have in common, all of it; nothing when they could not be told from the others.
    pub conditions: Vec<InputCondition>,
    /// Executions whose input is like this.
    pub executions: u64,
    /// How many of them fail so, or are slow.
    pub hits: u64,
    /// Their part of the executions that are like this.
    pub rate: Rate,
    /// The same part of all executions.
    pub base_rate: f64,
    /// How many times likelier than among all.
    pub lift: f64,
    /// The part of all such failures, or of all slow calls, that this explains.
    pub explains: f64,
    /// A few of the hits, newest first.
    pub examples: Vec<ExecutionId>,
}

/// One version of the program in the records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct VersionFigures {
    /// The version.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1.2.0"))]
    pub version: semver::Version,
    /// Executions that it answered.
    pub executions: u64,
    /// How many of them succeeded.
    pub successes: u64,
    /// The success rate, with its interval at the confidence asked for.
    pub success_rate: Rate,
    /// Half of the successful ones were faster, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p50_ms: Option<f64>,
    /// 95 of 100 were faster, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p95_ms: Option<f64>,
}

/// How much must be judged to be as sure as wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SamplingAdvice {
    /// How sure.
    pub confidence: f64,
    /// To how much on either side.
    pub margin: f64,
    /// The rate that is reckoned with: the one within the interval of what was seen that needs the most.
    pub assumed_rate: f64,
    /// Executions to judge each day: `z² p (1 − p) / m²`, less what a small number of executions saves.
    pub executions_per_day: u64,
    /// Executions that there are each day, going by the records.
    pub expected_per_day: u64,
    /// The part of executions to sample, from 0 to 1.
    pub sampling_rate: f64,
}

/// What to do with a canary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReleaseAdvice {
    /// What.
    pub advice: CanaryAdvice,
    /// Why, for people.
    pub reason: String,
    /// The numbers.
    pub comparison: CanaryComparison,
}

/// What a recommendation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RecommendationKind {
    /// Inputs that fail together.
    FailingInputs,
    /// Inputs that are slow together.
    SlowInputs,
    /// A version that succeeds less often than another.
    WorseVersion,
    /// A canary that should become the running release.
    Promote,
    /// A canary that should be taken away.
    Rollback,
    /// How much to sample.
    Sampling,
    /// There are too few records to say anything.
    MoreRecords,
}

/// One piece of advice, the weightiest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Recommendation {
    /// What it is about.
    pub kind: RecommendationKind,
    /// What to do and why, for people.
    pub message: String,
    /// Executions that it rests on.
    pub executions: u64,
    /// A few of them to look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<ExecutionId>,
}

/// What the newest records of a task advise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Recommendations {
    /// The task.
    pub task_id: TaskId,
    /// Executions that were looked at, the newest.
    pub executions: u64,
    /// Whether those are all that there are.
    pub complete: bool,
    /// When the earliest of them started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// When the latest started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// What to do.
    pub recommendations: Vec<Recommendation>,
    /// The versions, newest first.
    pub versions: Vec<VersionFigures>,
    /// Inputs that fail.
    pub failing_inputs: Vec<InputCluster>,
    /// What counts as slow here, in milliseconds: what 95 of 100 successful calls do not reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_from_ms: Option<f64>,
    /// Inputs that are slow.
    pub slow_inputs: Vec<InputCluster>,
    /// How much to sample; absent without executions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingAdvice>,
    /// What to do with the canary, if one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseAdvice>,
}
