use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::quota::Quotas as Values;
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use super::installations::MemoryInstallations;
use super::key_value::MemoryKeyValue;
use super::keys::MemoryKeys;
use super::tasks::MemoryTasks;
use crate::{Consumption, NewAudit, Quotas, Result, StoreError};

pub(super) struct MemoryQuotas {
    by_tenant: Mutex<HashMap<TenantId, (Values, u64)>>,
    audit: Arc<MemoryAudit>,
    installations: Arc<MemoryInstallations>,
    tasks: Arc<MemoryTasks>,
    keys: Arc<MemoryKeys>,
    key_value: Arc<MemoryKeyValue>,
}

impl MemoryQuotas {
    pub(super) fn new(
        audit: Arc<MemoryAudit>,
        installations: Arc<MemoryInstallations>,
        tasks: Arc<MemoryTasks>,
        keys: Arc<MemoryKeys>,
        key_value: Arc<MemoryKeyValue>,
    ) -> Self {
        Self {
            by_tenant: Mutex::default(),
            audit,
            installations,
            tasks,
            keys,
            key_value,
        }
    }
}

#[async_trait]
impl Quotas for MemoryQuotas {
    async fn get(&self, tenant: TenantId) -> Result<Option<(Values, u64)>> {
        Ok(self.by_tenant.lock().get(&tenant).cloned())
    }

    async fn put(&self, tenant: TenantId, quotas: Values, expected: u64, audit: NewAudit) -> Result<()> {
        let mut all = self.by_tenant.lock();
        if all.get(&tenant).map_or(0, |(_, revision)| *revision) != expected {
            return Err(StoreError::Conflict { what: "quotas" });
        }
        all.insert(tenant, (quotas, expected + 1));
        self.audit.add(tenant, audit);
        Ok(())
    }

    async fn usage(&self, tenant: TenantId, now: Timestamp) -> Result<Consumption> {
        Ok(Consumption {
            extensions: self.installations.count(tenant),
            tasks: self.tasks.count(tenant),
            keys: self.keys.live(tenant, now),
            stored_bytes: self.key_value.bytes(tenant),
        })
    }
}
