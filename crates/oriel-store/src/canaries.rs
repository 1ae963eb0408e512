//! The port of what nodes have seen of canaries.

use async_trait::async_trait;
use oriel_model::id::{CanaryId, TenantId};
use oriel_model::name::ExtensionName;

use crate::Result;

/// What one node has seen of a canary so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanaryTally {
    /// The extension that the canary is a release of.
    pub extension: ExtensionName,
    /// The canary.
    pub canary: CanaryId,
    /// The node.
    pub node: String,
    /// What it saw: JSON, opaque to the store.
    pub body: String,
}

/// What nodes have seen of canaries: one row for each canary and node, so that no node waits for another.
#[async_trait]
pub trait CanaryTallies: Send + Sync {
    /// Adds a node's tally, or replaces the one that it wrote before.
    async fn put(&self, tenant: TenantId, tally: CanaryTally) -> Result<()>;

    /// The tallies of all nodes on one canary, by node.
    async fn list(&self, tenant: TenantId, extension: &str, canary: CanaryId) -> Result<Vec<CanaryTally>>;

    /// Deletes the tallies of all canaries of an extension. Uninstalling it does so, too.
    async fn forget(&self, tenant: TenantId, extension: &str) -> Result<()>;
}
