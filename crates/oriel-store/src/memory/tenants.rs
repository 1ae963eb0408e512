use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::access::Tenant;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use crate::{NewAudit, Result, StoreError, Tenants, cursor};

pub(super) struct MemoryTenants {
    by_name: Mutex<BTreeMap<String, Tenant>>,
    audit: Arc<MemoryAudit>,
}

impl MemoryTenants {
    pub(super) fn new(audit: Arc<MemoryAudit>) -> Self {
        Self {
            by_name: Mutex::default(),
            audit,
        }
    }
}

#[async_trait]
impl Tenants for MemoryTenants {
    async fn create(&self, tenant: Tenant, audit: NewAudit) -> Result<()> {
        let mut tenants = self.by_name.lock();
        if tenants.contains_key(tenant.name.as_str()) || tenants.values().any(|other| other.id == tenant.id) {
            return Err(StoreError::Exists { what: "tenant" });
        }
        self.audit.add(tenant.id, audit);
        tenants.insert(tenant.name.as_str().to_owned(), tenant);
        Ok(())
    }

    async fn get(&self, id: TenantId) -> Result<Option<Tenant>> {
        Ok(self.by_name.lock().values().find(|tenant| tenant.id == id).cloned())
    }

    async fn by_name(&self, name: &str) -> Result<Option<Tenant>> {
        Ok(self.by_name.lock().get(name).cloned())
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Tenant>> {
        let after = cursor::decode("tenants", &page)?.map_or(Bound::Unbounded, Bound::Excluded);
        let tenants = self.by_name.lock();
        let range = tenants.range((after, Bound::Unbounded));
        let items = range.take(cursor::limit(&page) + 1).map(|(_, tenant)| tenant.clone()).collect();
        Ok(cursor::page("tenants", &page, items, |tenant: &Tenant| {
            tenant.name.as_str().to_owned()
        }))
    }
}
