//! Lines that an extension wrote.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::id::ExecutionId;
use crate::name::ExtensionName;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Finest detail.
    Trace,
    /// For the author.
    Debug,
    /// For the administrator.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogLine {
    /// Its place among the tenant's lines; grows with time.
    pub sequence: i64,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub extension: ExtensionName,
    /// In which call; absent in `initialize` and `health-check`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<ExecutionId>,
    /// How much it matters.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// Structured values beside the text, in the guest's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<(String, String)>,
}
