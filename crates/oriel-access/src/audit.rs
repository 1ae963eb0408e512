//! Reading and proving the audit chain.

use oriel_model::access::{Principal, Scope};
use oriel_model::audit::AuditEntry;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};
use oriel_store::NewAudit;

use crate::{Access, AccessError};

/// How many entries are read at once while verifying.
const STRIDE: u32 = 1_000;

/// What verifying found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainVerdict {
    /// Entries that were checked.
    pub entries: u64,
    /// The first place that does not fit, with the reason; nothing when the chain is whole.
    pub broken: Option<(u64, String)>,
}

impl Access {
    /// The tenant's audit log, newest first.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn audit_log(&self, principal: &Principal, page: PageRequest) -> Result<Page<AuditEntry>, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        Ok(self.shared.audit.list(principal.tenant, page).await?)
    }

    /// Recomputes the tenant's whole chain. Finds altered, removed and inserted entries; entries cut off at the
    /// end show only against a hash that was noted elsewhere.
    ///
    /// # Errors
    /// When the principal may not, or the store fails.
    pub async fn verify_audit(&self, principal: &Principal) -> Result<ChainVerdict, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        let tenant = principal.tenant;
        let mut previous = AuditEntry::root(tenant);
        let mut entries = 0;
        loop {
            let chunk = self.shared.audit.scan(tenant, entries + 1, STRIDE).await?;
            let Some(last) = chunk.last() else {
                return Ok(ChainVerdict { entries, broken: None });
            };
            let end = last.hash;
            for entry in &chunk {
                if let Some(reason) = fault(entry, tenant, entries + 1, &previous) {
                    return Ok(ChainVerdict {
                        entries,
                        broken: Some((entries + 1, reason.to_owned())),
                    });
                }
                entries += 1;
                previous = entry.hash;
            }
            previous = end;
        }
    }

    /// Appends an entry that belongs to no other change (a refusal, for example).
    ///
    /// # Errors
    /// The store's error.
    pub async fn record(&self, tenant: TenantId, entry: NewAudit) -> Result<(), AccessError> {
        self.shared.audit.append(tenant, entry).await?;
        Ok(())
    }
}

fn fault(entry: &AuditEntry, tenant: TenantId, sequence: u64, previous: &oriel_model::Digest) -> Option<&'static str> {
    if entry.sequence != sequence {
        return Some("an entry is missing here");
    }
    if entry.previous != *previous {
        return Some("the entry does not follow the one before it");
    }
    (entry.hash != entry.compute_hash(tenant)).then_some("the entry was altered")
}
