//! A task: a named, typed function that a host calls.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::TaskId;
use crate::name::{ContributionName, ExtensionName, TaskName};
use crate::time::Timestamp;

/// Which program answers a task.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProgramRef {
    /// The installed extension.
    pub extension: ExtensionName,
    /// The program it contributes.
    pub name: ContributionName,
}

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its name, unique in the tenant.
    pub name: TaskName,
    /// For people.
    pub description: String,
    /// JSON Schema 2020-12 of the input; `true` accepts everything.
    pub input_schema: Value,
    /// JSON Schema 2020-12 of the output; `true` accepts everything.
    pub output_schema: Value,
    /// The code behind it.
    pub program: ProgramRef,
    /// Counts changes; the ETag of the API.
    pub revision: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}
