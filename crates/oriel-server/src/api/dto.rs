//! Shapes of the API where a service's own type is not what clients shall see.

use std::collections::BTreeMap;

use oriel_extensions::{Inspection, Status};
use oriel_model::contribution::Contribution;
use oriel_model::health::HealthState;
use oriel_model::id::InstallationId;
use oriel_model::installation::{InstallationState, Release};
use oriel_model::limits::{Limits, LimitsRequest};
use oriel_model::manifest::Reuse;
use oriel_model::permissions::Permissions;
use oriel_model::schema::SchemaProblem;
use oriel_model::{Digest, Timestamp};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::remote::Remote;

/// An installed extension.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Extension {
    id: InstallationId,
    #[schema(example = "flight-delays")]
    name: String,
    /// The version that runs.
    #[schema(example = "1.2.0")]
    version: String,
    state: InstallationState,
    description: String,
    publisher: String,
    /// SPDX licence expression.
    #[schema(example = "Apache-2.0")]
    license: String,
    /// What it adds.
    contributions: Vec<Contribution>,
    /// What it asks for.
    permissions: Permissions,
    /// What it may do.
    grant: Permissions,
    /// What the release that waits for consent asks for beyond the grant, in words.
    wants: Vec<String>,
    /// The limits in force.
    limits: Limits,
    /// The limits that an administrator set.
    own_limits: LimitsRequest,
    reuse: Reuse,
    health: ExtensionHealth,
    /// Why its configuration does not fit, when it does not.
    config_problems: Vec<SchemaProblem>,
    /// JSON Schema 2020-12 of its configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_schema: Option<Value>,
    /// Its instances, when it was called since the server started.
    #[serde(skip_serializing_if = "Option::is_none")]
    instances: Option<Instances>,
    /// The release that a rollback returns to.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<OtherRelease>,
    /// The release that waits for consent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<OtherRelease>,
    package: Digest,
    /// Digest of the component; absent of a remote extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Digest>,
    /// The service of a remote extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remote: Option<Remote>,
    /// Length of the package in bytes.
    size: u64,
    links: BTreeMap<String, String>,
    tags: Vec<String>,
    /// Other extensions that it needs, with the versions that will do.
    dependencies: BTreeMap<String, String>,
    /// Counts changes; also the ETag.
    pub(crate) revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// How an extension does on this node; more of it at `/api/v1/extensions/{name}/health`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExtensionHealth {
    state: HealthState,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// What its own health check said.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// The instances of an extension.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Instances {
    /// Instances that wait for a call.
    idle: u32,
    /// Instances that work.
    busy: u32,
    /// Calls that wait for an instance.
    waiting: u32,
    /// Instances made so far.
    started: u64,
    /// Calls so far.
    calls: u64,
    /// Instances dropped because of a trap, a time-out or a caller that went away.
    broken: u64,
}

/// A release that does not run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OtherRelease {
    version: String,
    permissions: Permissions,
    package: Digest,
}

impl From<&Release> for OtherRelease {
    fn from(release: &Release) -> Self {
        Self {
            version: release.manifest.version.to_string(),
            permissions: release.manifest.permissions.clone(),
            package: release.package,
        }
    }
}

impl From<Status> for Extension {
    fn from(status: Status) -> Self {
        let installation = status.installation;
        let release = &installation.release;
        let manifest = &release.manifest;
        Self {
            id: installation.id,
            name: installation.name.to_string(),
            version: manifest.version.to_string(),
            state: installation.state,
            description: manifest.description.clone(),
            publisher: manifest.publisher.to_string(),
            license: manifest.license.clone(),
            contributions: manifest.contributions(),
            permissions: manifest.permissions.clone(),
            wants: status.wants,
            limits: status.limits,
            reuse: manifest.reuse,
            health: ExtensionHealth {
                state: status.health.state,
                reason: status.health.reason,
                detail: status.health.detail,
            },
            config_problems: status.config_problems,
            config_schema: manifest.config_schema.clone(),
            instances: status.pool.map(|pool| Instances {
                idle: pool.idle,
                busy: pool.busy,
                waiting: pool.waiting,
                started: pool.started,
                calls: pool.calls,
                broken: pool.broken,
            }),
            previous: installation.previous.as_ref().map(|previous| OtherRelease::from(&previous.release)),
            pending: installation.pending.as_ref().map(OtherRelease::from),
            package: release.package,
            component: release.component,
            remote: installation.remote.as_deref().map(Remote::from),
            size: release.size,
            links: manifest.links.iter().map(|(name, url)| (name.clone(), url.to_string())).collect(),
            tags: manifest.tags.clone(),
            dependencies: manifest
                .dependencies
                .iter()
                .map(|(name, versions)| (name.to_string(), versions.to_string()))
                .collect(),
            revision: installation.revision,
            created_at: installation.created_at,
            updated_at: installation.updated_at,
            own_limits: installation.limits,
            grant: installation.grant,
        }
    }
}

/// What a package is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PackageInspection {
    name: String,
    version: String,
    /// The manifest in its checked form.
    #[schema(value_type = Object)]
    manifest: Value,
    contributions: Vec<Contribution>,
    permissions: Permissions,
    /// The permissions in words, one each.
    asks_for: Vec<String>,
    package: Digest,
    /// Digest of the component; absent of a remote extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<Digest>,
    /// Length of the package in bytes.
    size: u64,
    /// Interfaces that the component imports.
    imports: Vec<String>,
    /// Interfaces that it exports.
    exports: Vec<String>,
}

impl From<Inspection> for PackageInspection {
    fn from(inspection: Inspection) -> Self {
        let manifest = &inspection.release.manifest;
        Self {
            name: manifest.name.to_string(),
            version: manifest.version.to_string(),
            manifest: serde_json::to_value(manifest).unwrap_or_default(),
            contributions: manifest.contributions(),
            permissions: manifest.permissions.clone(),
            asks_for: manifest.permissions.describe(),
            package: inspection.release.package,
            component: inspection.release.component,
            size: inspection.release.size,
            imports: inspection.shape.imports,
            exports: inspection.shape.exports,
        }
    }
}
