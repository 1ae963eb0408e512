//! A release installed for a tenant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::budget::Budgets;
use crate::canary::{Canary, CanaryOutcome};
use crate::digest::Digest;
use crate::health::Quarantine;
use crate::health_policy::HealthPolicy;
use crate::id::{InstallationId, TenantId};
use crate::limits::LimitsRequest;
use crate::manifest::Manifest;
use crate::name::{ExtensionName, SecretName};
use crate::permissions::Permissions;
use crate::remote::RemoteUrl;
use crate::time::Timestamp;

/// Whether an installation answers calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum InstallationState {
    /// It answers calls.
    Enabled,
    /// An administrator switched it off; calls are refused with `extension.disabled`.
    Disabled,
    /// Its permissions wait for an administrator's consent; it has never answered a call.
    PendingConsent,
}

/// A release as the platform keeps it: its manifest and where its bytes are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Release {
    /// The checked manifest.
    pub manifest: Manifest,
    /// Digest of the package file, its key in the blob store.
    pub package: Digest,
    /// Digest of the component inside it, its key in the code cache; absent of a remote extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Digest>,
    /// Length of the package file in bytes.
    pub size: u64,
}

/// An installation: which release runs for a tenant, what it may do and how it is configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installation {
    /// Its id.
    pub id: InstallationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The extension's name; one installation per name and tenant.
    pub name: ExtensionName,
    /// Whether it answers calls.
    pub state: InstallationState,
    /// The release that runs.
    pub release: Release,
    /// What `release` may do.
    pub grant: Permissions,
    /// The release that ran before, for rolling back, with its grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<FormerRelease>,
    /// A release that wants more than the grant and waits for consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Release>,
    /// A release that is tried out beside `release`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<Canary>>,
    /// What came of the canary before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_canary: Option<Box<CanaryOutcome>>,
    /// The configuration; secrets inside it are sealed (see `oriel-extensions`' configuration module).
    pub config: Value,
    /// Secrets that the administrator set, for the headers of its outbound requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<SecretName, StoredSecret>,
    /// Where the service of a remote extension runs and how it knows that it is called by this server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Box<RemoteService>>,
    /// Limits that the administrator set; they win over the manifest's.
    #[serde(default)]
    pub limits: LimitsRequest,
    /// What it may use over a while.
    #[serde(default, skip_serializing_if = "Budgets::is_empty")]
    pub budgets: Budgets,
    /// When it counts as ill, where that is otherwise than the server's settings say.
    #[serde(default, skip_serializing_if = "HealthPolicy::is_empty")]
    pub health_policy: HealthPolicy,
    /// Why it is not called although it is enabled, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
    /// Counts changes; the ETag of the API and the guard of concurrent changes.
    pub revision: u64,
    /// When it was installed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// The service of a remote extension, as one tenant uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteService {
    /// Where it runs; absent as long as nobody has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<RemoteUrl>,
    /// What requests are signed with, the newest first.
    pub signing: Vec<SigningSecret>,
}

/// A secret that requests to a service are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SigningSecret {
    /// The secret, sealed (see `oriel-extensions`' module on remote services).
    pub sealed: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// When requests stop to be signed with it; absent of the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A secret that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredSecret {
    /// Its value, sealed (see `oriel-extensions`' module on secrets).
    pub sealed: String,
    /// When it was set.
    pub set_at: Timestamp,
}

/// What a rollback returns to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FormerRelease {
    /// The release.
    pub release: Release,
    /// What it was allowed to do.
    pub grant: Permissions,
    /// Its configuration at the time.
    pub config: Value,
}
