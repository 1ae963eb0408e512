//! The port of the audit log.

use async_trait::async_trait;
use oriel_model::audit::AuditEntry;
use oriel_model::id::{AuditId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_model::{Digest, Timestamp};
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

impl NewAudit {
    /// The entry in its place: after `last` (its sequence and hash), or first in the tenant's chain.
    ///
    /// `details` are brought to a form that reads back from its own text unchanged, so that the hash can be
    /// computed again from what was stored.
    #[must_use]
    pub fn into_entry(self, tenant: TenantId, last: Option<(u64, Digest)>) -> AuditEntry {
        let (sequence, previous) = last.map_or_else(|| (1, AuditEntry::root(tenant)), |(sequence, hash)| (sequence + 1, hash));
        let mut entry = AuditEntry {
            id: self.id,
            sequence,
            at: self.at,
            actor: self.actor,
            action: self.action,
            subject: self.subject,
            details: readable(self.details),
            previous,
            hash: previous,
        };
        entry.hash = entry.compute_hash(tenant);
        entry
    }
}

/// `serde_json` reads a fraction of 17 digits back with an error of one unit in the last place at times; such a
/// number becomes the text that it was.
fn readable(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let text = number.to_string();
            match serde_json::from_str::<Value>(&text) {
                Ok(again) if again == Value::Number(number.clone()) => again,
                _ => Value::String(text),
            }
        }
        Value::Array(items) => items.into_iter().map(readable).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, readable(value))).collect(),
        other => other,
    }
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
