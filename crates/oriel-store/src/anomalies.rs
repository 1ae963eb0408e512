//! The ports of what is usual of installations, and of what was not.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::anomaly::{Anomaly, AnomalyState};
use oriel_model::id::{AnomalyId, InstallationId, TenantId};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, Result};

/// A host that an extension has contacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownHost {
    /// Such as `https://api.github.com:443`.
    pub host: String,
    /// When first.
    pub first_seen: Timestamp,
}

/// What is usual of installations: one row for each and node, and the hosts that all nodes have seen. Uninstalling takes both
/// away.
#[async_trait]
pub trait Baselines: Send + Sync {
    /// What a node learned of an extension: JSON, opaque to the store.
    async fn get(&self, tenant: TenantId, extension: &str, node: &str) -> Result<Option<String>>;

    /// Writes what a node learned, in place of what it wrote before.
    async fn put(&self, tenant: TenantId, extension: &str, node: &str, body: String) -> Result<()>;

    /// Takes note of hosts that an extension has contacted; answers those that nobody knew. One host is new to one caller only,
    /// whoever else asks at once.
    async fn meet(&self, tenant: TenantId, extension: &str, hosts: Vec<String>, at: Timestamp) -> Result<Vec<String>>;

    /// The hosts that an extension has contacted, by name, at most `limit`.
    async fn hosts(&self, tenant: TenantId, extension: &str, limit: u32) -> Result<Vec<KnownHost>>;
}

/// Which anomalies are wanted; absent fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnomalyFilter {
    /// Of this extension.
    pub extension: Option<ExtensionName>,
    /// In this state.
    pub state: Option<AnomalyState>,
}

/// What became of an anomaly that was raised.
#[derive(Debug, Clone, PartialEq)]
pub enum Raised {
    /// It is a new one, and its audit entry is written.
    New,
    /// One of its series is there that is not dismissed: it was seen again.
    Again(Box<Anomaly>),
}

/// Anomalies. They stay when their extension is uninstalled.
#[async_trait]
pub trait Anomalies: Send + Sync {
    /// Adds an anomaly, or notes that the one of its series was seen again ([`Anomaly::seen_again`]) that is not dismissed and was last
    /// seen at `since` or later. Only a new one is audited.
    async fn raise(&self, tenant: TenantId, anomaly: Anomaly, since: Timestamp, audit: NewAudit) -> Result<Raised>;

    /// The tenant's anomaly with this id.
    async fn get(&self, tenant: TenantId, id: AnomalyId) -> Result<Option<Anomaly>>;

    /// Newest first.
    async fn list(&self, tenant: TenantId, filter: &AnomalyFilter, page: PageRequest) -> Result<Page<Anomaly>>;

    /// The newest dismissed anomalies of a series of an installation, at most 100: what people have taught.
    async fn dismissed(&self, tenant: TenantId, installation: InstallationId, series: &str) -> Result<Vec<Anomaly>>;

    /// Replaces the anomaly that is at revision `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when another revision is current.
    async fn update(&self, tenant: TenantId, anomaly: Anomaly, expected: u64, audit: NewAudit) -> Result<()>;

    /// Deletes at most `limit` anomalies of all tenants that were last seen before `before`, the oldest first; answers how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
