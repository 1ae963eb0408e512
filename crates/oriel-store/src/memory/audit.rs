use std::collections::HashMap;

use async_trait::async_trait;
use oriel_model::audit::AuditEntry;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use crate::{AuditLog, NewAudit, Result, StoreError, cursor};

/// Each tenant's chain, oldest first: the entry of sequence `n` is at `n - 1`.
#[derive(Default)]
pub(super) struct MemoryAudit {
    chains: Mutex<HashMap<TenantId, Vec<AuditEntry>>>,
}

impl MemoryAudit {
    pub(super) fn add(&self, tenant: TenantId, entry: NewAudit) -> AuditEntry {
        let mut chains = self.chains.lock();
        let chain = chains.entry(tenant).or_default();
        let entry = entry.into_entry(tenant, chain.last().map(|last| (last.sequence, last.hash)));
        chain.push(entry.clone());
        entry
    }
}

#[async_trait]
impl AuditLog for MemoryAudit {
    async fn append(&self, tenant: TenantId, entry: NewAudit) -> Result<AuditEntry> {
        Ok(self.add(tenant, entry))
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<AuditEntry>> {
        let before = match cursor::decode("audit", &page)? {
            Some(place) => place.parse().map_err(|_| StoreError::Cursor)?,
            None => u64::MAX,
        };
        let chains = self.chains.lock();
        let items = chains.get(&tenant).into_iter().flatten().rev();
        let items = items
            .filter(|entry| entry.sequence < before)
            .take(cursor::limit(&page) + 1)
            .cloned()
            .collect();
        Ok(cursor::page("audit", &page, items, |entry| entry.sequence.to_string()))
    }

    async fn scan(&self, tenant: TenantId, sequence: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        let chains = self.chains.lock();
        let chain = chains.get(&tenant).into_iter().flatten();
        Ok(chain
            .filter(|entry| entry.sequence >= sequence)
            .take(limit as usize)
            .cloned()
            .collect())
    }
}
