//! What happened around something that went wrong with an extension.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;
use crate::audit::AuditEntry;
use crate::execution::{ExecutionError, ExecutionStatus, Resources};
use crate::health::{HealthChange, HealthState};
use crate::id::{ExecutionId, InstallationId, TaskId};
use crate::log::LogLine;
use crate::name::{ContributionName, ExtensionName};
use crate::permissions::Permissions;
use crate::time::Timestamp;

/// A call, without what went in and out: reports are passed around.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IncidentCall {
    /// The execution.
    pub id: ExecutionId,
    /// When it started.
    pub at: Timestamp,
    /// The task, if it was called through one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// The program.
    pub program: ContributionName,
    /// The release that answered.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub version: semver::Version,
    /// How it ended.
    pub status: ExecutionStatus,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ExecutionError>,
    /// What it cost.
    pub resources: Resources,
}

/// A host that the extension is known to contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IncidentHost {
    /// Such as `https://api.github.com:443`.
    pub host: String,
    /// When it was contacted first.
    pub first_seen: Timestamp,
    /// Whether that was in the time of the report.
    pub new: bool,
}

/// What happened around something that went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IncidentReport {
    /// Of which extension.
    pub extension: ExtensionName,
    /// Which installation of it; absent when it is no longer installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationId>,
    /// The version that runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub version: Option<semver::Version>,
    /// From when on it looks.
    pub from: Timestamp,
    /// Until when, not included.
    pub to: Timestamp,
    /// When it was made.
    pub at: Timestamp,
    /// The anomaly that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<Anomaly>,
    /// Other anomalies of that time.
    pub anomalies: Vec<Anomaly>,
    /// Calls that were recorded, as far as they were read.
    pub calls: u64,
    /// Those that failed.
    pub failures: u64,
    /// How many failed with which code.
    pub failures_by_code: BTreeMap<String, u64>,
    /// The newest calls, failures first.
    pub executions: Vec<IncidentCall>,
    /// Host calls that the grant does not cover, and other refusals: entries of the audit log.
    pub refusals: Vec<AuditEntry>,
    /// Secrets that went out: entries of the audit log.
    pub secrets_used: Vec<AuditEntry>,
    /// Changes of the installation, its grant, configuration and bindings: entries of the audit log.
    pub changes: Vec<AuditEntry>,
    /// Other entries of the audit log about the extension.
    pub audit: Vec<AuditEntry>,
    /// What it may do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Permissions>,
    /// How it does now, on the node that answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthState>,
    /// How its health changed in that time, on the node that answers and since that started, the oldest first.
    pub health_changes: Vec<HealthChange>,
    /// Hosts that it is known to contact.
    pub hosts: Vec<IncidentHost>,
    /// What it logged, the oldest first.
    pub logs: Vec<LogLine>,
    /// What was left out because there was too much of it.
    pub left_out: Vec<String>,
}
