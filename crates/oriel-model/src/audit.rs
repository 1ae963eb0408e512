//! The audit log: who changed what, in a chain of hashes that shows tampering.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::id::{AuditId, TenantId};
use crate::time::Timestamp;

/// One line of a tenant's audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its id.
    pub id: AuditId,
    /// Its place in the tenant's chain, from 1 without gaps.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: a key's id, `system`, or `extension:NAME`.
    pub actor: String,
    /// What was done, such as `extension.install`.
    pub action: String,
    /// To what, such as an installation's id.
    pub subject: String,
    /// Particulars. Never holds a secret.
    pub details: Value,
    /// [`AuditEntry::hash`] of the entry before; of the tenant's id alone for the first.
    pub previous: Digest,
    /// Digest of everything above.
    pub hash: Digest,
}

impl AuditEntry {
    /// The digest that `hash` must hold: SHA-256 over the tenant's id and the fields above it, each preceded by its length, so
    /// that no two entries share a text.
    #[must_use]
    pub fn compute_hash(&self, tenant: TenantId) -> Digest {
        let mut text = Vec::with_capacity(256);
        let mut add = |part: &[u8]| {
            text.extend_from_slice(&(part.len() as u64).to_be_bytes());
            text.extend_from_slice(part);
        };
        add(self.id.to_string().as_bytes());
        add(tenant.to_string().as_bytes());
        add(&self.sequence.to_be_bytes());
        add(&self.at.millis().to_be_bytes());
        add(self.actor.as_bytes());
        add(self.action.as_bytes());
        add(self.subject.as_bytes());
        add(self.details.to_string().as_bytes());
        add(self.previous.bytes());
        Digest::of(&text)
    }

    /// The `previous` of a tenant's first entry.
    #[must_use]
    pub fn root(tenant: TenantId) -> Digest {
        Digest::of(tenant.to_string().as_bytes())
    }
}

/// Follows a chain from its first entry on. Finds entries that were altered, removed or put in; entries cut off at the end show
/// only against a hash that was noted elsewhere.
#[derive(Debug, Clone)]
pub struct ChainCheck {
    tenant: TenantId,
    entries: u64,
    last: Digest,
}

impl ChainCheck {
    /// Before the first entry of this tenant's chain.
    #[must_use]
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            entries: 0,
            last: AuditEntry::root(tenant),
        }
    }

    /// After `entry`, whether or not it fits: to go on counting behind a break.
    #[must_use]
    pub const fn resume(tenant: TenantId, entry: &AuditEntry) -> Self {
        Self {
            tenant,
            entries: entry.sequence,
            last: entry.hash,
        }
    }

    /// Entries that fit so far.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.entries
    }

    /// The hash of the last one; note it elsewhere to find out about entries that are cut off.
    #[must_use]
    pub const fn last(&self) -> &Digest {
        &self.last
    }

    /// Takes the next entry.
    ///
    /// # Errors
    /// Why it does not fit.
    pub fn follow(&mut self, entry: &AuditEntry) -> Result<(), &'static str> {
        if entry.sequence != self.entries + 1 {
            return Err("an entry is missing here");
        }
        if entry.previous != self.last {
            return Err("the entry does not follow the one before it");
        }
        if entry.hash != entry.compute_hash(self.tenant) {
            return Err("the entry was altered");
        }
        self.entries += 1;
        self.last = entry.hash;
        Ok(())
    }
}

/// The first line of an exported log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditExportHead {
    /// The version of this form: 1.
    pub audit_export: u32,
    /// Whose log it is; each entry's hash covers it.
    pub tenant: TenantId,
    /// When it was exported.
    pub at: Timestamp,
}

/// The last line of an exported log; a file without it was cut off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AuditExportEnd {
    /// How many entries there are.
    pub entries: u64,
    /// The hash of the last one.
    pub last: Digest,
}
