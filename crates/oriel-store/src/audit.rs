//! The port of the audit log.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::audit::AuditEntry;
use oriel_model::id::{AuditId, TenantId};
use oriel_model::page::{Page, PageRequest};
use serde_json::Value;

use crate::Result;

/// An audit entry before its place in the chain is known.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAudit {
    /// Its id.
    pub id: AuditId,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: a key's id, `system`, or `extension:NAME`.
    pub actor: String,
    /// What was done, such as `extension.install`.
    pub action: String,
    /// To what.
    pub subject: String,
    /// Particulars without secrets. Stored as text, so that its hash survives.
    pub details: Value,
}

/// Append-only, per tenant, chained by hashes ([`AuditEntry::compute_hash`]).
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Appends to the tenant's chain. Concurrent appends get consecutive places.
    async fn append(&self, tenant: TenantId, entry: NewAudit) -> Result<AuditEntry>;

    /// Newest first.
    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<AuditEntry>>;

    /// Oldest first, from `sequence` on, at most `limit`: for verifying the chain.
    async fn scan(&self, tenant: TenantId, sequence: u64, limit: u32) -> Result<Vec<AuditEntry>>;
}
