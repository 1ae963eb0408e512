//! The compliance report: who may do what in a tenant, who did, and since when.

use serde::{Deserialize, Serialize};

use crate::access::{PrincipalId, Role, Scope, Tenant};
use crate::installation::InstallationState;
use crate::permissions::Permissions;
use crate::policy::Policy;
use crate::time::Timestamp;

/// The state of a tenant's access at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComplianceReport {
    /// Whose.
    pub tenant: Tenant,
    /// When it was made.
    pub at: Timestamp,
    /// Who may do what: keys that are valid, users and service accounts.
    pub principals: Vec<ReportedPrincipal>,
    /// What extensions may reach.
    pub grants: Vec<ReportedGrant>,
    /// What the tenant added to the rules of roles.
    pub policies: Vec<Policy>,
    /// Who did what, how often, from when to when.
    pub activity: Vec<ReportedActivity>,
    /// Entries of the audit log that were read for it.
    pub audit_entries: u64,
    /// Whether its chain is whole.
    pub audit_intact: bool,
}

/// Somebody who may do something.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedPrincipal {
    /// Its id.
    pub id: PrincipalId,
    /// Its name, for people.
    pub name: String,
    /// The service account behind a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<PrincipalId>,
    /// Its role.
    pub role: Role,
    /// What it may do by role and scopes; policies can add and take.
    pub may: Vec<Scope>,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it was used last; nothing when it never was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// Days without use, counted from the last use or, without one, from the beginning. For service accounts, which act by
    /// their keys, nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_days: Option<u64>,
}

/// What an extension may reach.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedGrant {
    /// The extension.
    pub extension: String,
    /// Its release.
    pub version: String,
    /// Whether it runs.
    pub state: InstallationState,
    /// What it was granted.
    pub grant: Permissions,
    /// Since when the installation is as it is.
    pub since: Timestamp,
}

/// What somebody did, taken together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportedActivity {
    /// Who, as in the audit log.
    pub actor: String,
    /// What, such as `extension.install`.
    pub action: String,
    /// How often.
    pub count: u64,
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
}
