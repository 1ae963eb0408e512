//! What one extension adds to the platform.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::ContributionName;

/// The kinds of contribution that this version of the platform knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ContributionKind {
    /// A named function from JSON to JSON.
    Program,
}

/// One contribution, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Contribution {
    /// What it is.
    pub kind: ContributionKind,
    /// Its name within the extension.
    pub name: ContributionName,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// JSON Schema 2020-12 of what it takes; absent when it takes anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_schema: Option<Value>,
    /// JSON Schema 2020-12 of what it answers; absent when it may answer anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Value>,
}
