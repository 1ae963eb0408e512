use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::hook::Hook;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use crate::{Hooks, NewAudit, Result, StoreError, Versioned, cursor};

const CONFLICT: StoreError = StoreError::Conflict { what: "hook" };

#[derive(Default)]
struct Held {
    version: u64,
    by_name: BTreeMap<String, Hook>,
}

pub(super) struct MemoryHooks {
    tenants: Mutex<HashMap<TenantId, Held>>,
    audit: Arc<MemoryAudit>,
}

impl MemoryHooks {
    pub(super) fn new(audit: Arc<MemoryAudit>) -> Self {
        Self {
            tenants: Mutex::default(),
            audit,
        }
    }
}

#[async_trait]
impl Hooks for MemoryHooks {
    async fn put(&self, tenant: TenantId, hook: Hook, expected: Option<u64>, audit: NewAudit) -> Result<()> {
        let mut tenants = self.tenants.lock();
        let held = tenants.entry(tenant).or_default();
        match (held.by_name.get(hook.name.as_str()), expected) {
            (Some(_), None) => return Err(StoreError::Exists { what: "hook" }),
            (None, Some(_)) => return Err(CONFLICT),
            (Some(stored), Some(expected)) if stored.revision != expected => return Err(CONFLICT),
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.audit.add(tenant, audit);
        held.version += 1;
        held.by_name.insert(hook.name.as_str().to_owned(), hook);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<Hook>> {
        Ok(self.tenants.lock().get(&tenant).and_then(|held| held.by_name.get(name).cloned()))
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Hook>> {
        let start = cursor::decode("hooks", &page)?.map_or(Bound::Unbounded, Bound::Excluded);
        let tenants = self.tenants.lock();
        let items = tenants.get(&tenant).into_iter();
        let items = items
            .flat_map(|held| held.by_name.range((start.clone(), Bound::Unbounded)))
            .take(cursor::limit(&page) + 1)
            .map(|(_, hook)| hook.clone())
            .collect();
        Ok(cursor::page("hooks", &page, items, |hook: &Hook| hook.name.as_str().to_owned()))
    }

    async fn all(&self, tenant: TenantId) -> Result<Versioned<Hook>> {
        let tenants = self.tenants.lock();
        let held = tenants.get(&tenant);
        Ok(Versioned {
            version: held.map_or(0, |held| held.version),
            items: held.into_iter().flat_map(|held| held.by_name.values()).cloned().collect(),
        })
    }

    async fn version(&self, tenant: TenantId) -> Result<u64> {
        Ok(self.tenants.lock().get(&tenant).map_or(0, |held| held.version))
    }

    async fn delete(&self, tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> Result<()> {
        let mut tenants = self.tenants.lock();
        let held = tenants.get_mut(&tenant).ok_or(CONFLICT)?;
        if held.by_name.get(name).is_none_or(|stored| stored.revision != expected) {
            return Err(CONFLICT);
        }
        self.audit.add(tenant, audit);
        held.version += 1;
        held.by_name.remove(name);
        Ok(())
    }
}
