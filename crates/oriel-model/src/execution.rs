//! One call and its record.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::id::{BatchId, ExecutionId, TaskId};
use crate::name::{ContributionName, ExtensionName};
use crate::time::Timestamp;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ExecutionStatus {
    /// It answered.
    Succeeded,
    /// It did not; `error` says why and whose fault it is.
    Failed,
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// From the lease of an instance to its answer, in microseconds.
    pub wall_us: u64,
    /// Time that guest code ran, waiting in host calls excluded, in microseconds.
    pub guest_cpu_us: u64,
    /// The most linear memory that the instance has held so far, in bytes.
    pub peak_memory: u64,
    /// Host calls made.
    pub host_calls: u32,
}

/// Why an execution failed, as records and replies show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecutionError {
    /// Stable code, such as `execution.timeout`.
    pub code: String,
    /// What happened, for people.
    pub message: String,
}

/// The record of one call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// The task; absent when a program was called directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// The batch it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<BatchId>,
    /// The caller's own id of the item within its batch or stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// The extension that answered.
    pub extension: ExtensionName,
    /// Its version at the time.
    pub version: semver::Version,
    /// The program that answered.
    pub program: ContributionName,
    /// How it ended.
    pub status: ExecutionStatus,
    /// The input as it came.
    pub input: Box<RawValue>,
    /// The output, when it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Box<RawValue>>,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ExecutionError>,
    /// When it started.
    pub started_at: Timestamp,
    /// What it cost.
    pub resources: Resources,
}
