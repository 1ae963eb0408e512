use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::id::TenantId;
use oriel_model::policy::Policy;
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use crate::{NewAudit, Policies, Result, StoreError};

const CONFLICT: StoreError = StoreError::Conflict { what: "policy" };

pub(super) struct MemoryPolicies {
    by_id: Mutex<BTreeMap<(TenantId, String), Policy>>,
    audit: Arc<MemoryAudit>,
}

impl MemoryPolicies {
    pub(super) fn new(audit: Arc<MemoryAudit>) -> Self {
        Self {
            by_id: Mutex::default(),
            audit,
        }
    }
}

#[async_trait]
impl Policies for MemoryPolicies {
    async fn all(&self, tenant: TenantId) -> Result<Vec<Policy>> {
        let policies = self.by_id.lock();
        let own = policies.iter().filter(|((of, _), _)| *of == tenant);
        Ok(own.map(|(_, policy)| policy.clone()).collect())
    }

    async fn get(&self, tenant: TenantId, id: &str) -> Result<Option<Policy>> {
        Ok(self.by_id.lock().get(&(tenant, id.to_owned())).cloned())
    }

    async fn put(&self, tenant: TenantId, policy: Policy, expected: Option<u64>, audit: NewAudit) -> Result<()> {
        let mut policies = self.by_id.lock();
        let key = (tenant, policy.id.as_str().to_owned());
        match (policies.get(&key).map(|present| present.revision), expected) {
            (Some(_), None) => return Err(StoreError::Exists { what: "policy" }),
            (present, expected) if present != expected => return Err(CONFLICT),
            _ => {}
        }
        policies.insert(key, policy);
        self.audit.add(tenant, audit);
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, id: &str, expected: u64, audit: NewAudit) -> Result<()> {
        let mut policies = self.by_id.lock();
        let key = (tenant, id.to_owned());
        if policies.get(&key).is_none_or(|present| present.revision != expected) {
            return Err(CONFLICT);
        }
        policies.remove(&key);
        self.audit.add(tenant, audit);
        Ok(())
    }
}
