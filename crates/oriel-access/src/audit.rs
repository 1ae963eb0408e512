//! Reading and proving the audit chain.

use oriel_model::access::{Principal, Scope};
use oriel_model::audit::{AuditEntry, ChainCheck};
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
        let mut chain = ChainCheck::new(tenant);
        loop {
            let chunk = self.shared.audit.scan(tenant, chain.entries() + 1, STRIDE).await?;
            if chunk.is_empty() {
                return Ok(ChainVerdict {
                    entries: chain.entries(),
                    broken: None,
                });
            }
            for entry in &chunk {
                if let Err(reason) = chain.follow(entry) {
                    return Ok(ChainVerdict {
                        entries: chain.entries(),
                        broken: Some((chain.entries() + 1, reason.to_owned())),
                    });
                }
            }
        }
    }

    /// A stretch of the tenant's log, oldest first, from `sequence` on; empty at its end. Refusals that wait are written before.
    ///
    /// # Errors
    /// When the principal may not, or the store fails.
    pub async fn audit_from(&self, principal: &Principal, sequence: u64) -> Result<Vec<AuditEntry>, AccessError> {
        Self::require(principal, Scope::AccessRead)?;
        Ok(self.shared.audit.scan(principal.tenant, sequence, STRIDE).await?)
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
