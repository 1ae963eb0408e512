//! What tenants may use.

use std::sync::Arc;

use oriel_model::access::{Principal, Scope, Tenant};
use oriel_model::id::TenantId;
use oriel_model::quota::{Quotas, RateLimit};
use oriel_store::{Consumption, StoreError};
use serde_json::json;

use crate::gate::Gate;
use crate::tenants::require_platform_owner;
use crate::{Access, AccessError, Actor};

/// Things that a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Extensions that are installed.
    Extensions,
    /// Tasks.
    Tasks,
    /// Keys that are neither revoked nor expired.
    Keys,
    /// Bytes in key-value stores.
    StoredBytes,
}

/// The quotas of a tenant, with where they come from and what is used of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantQuotas {
    /// What was set for this tenant.
    pub own: Quotas,
    /// What holds: the tenant's own, then the server's defaults.
    pub effective: Quotas,
    /// What is used.
    pub used: Consumption,
    /// Grows with each change; 0 when nothing was ever set.
    pub revision: u64,
}

impl Access {
    /// The quotas of the tenant of this name. Its own members with `access:read` may look; others only as owners of the platform.
    ///
    /// # Errors
    /// When the principal may not, or there is no such tenant.
    pub async fn quotas(&self, principal: &Principal, name: &str) -> Result<TenantQuotas, AccessError> {
        let tenant = if name == principal.tenant_name.as_str() {
            Self::require(principal, Scope::AccessRead)?;
            principal.tenant
        } else {
            self.managed(principal, name).await?.id
        };
        let (own, revision) = self.shared.store.quotas.get(tenant).await?.unwrap_or_default();
        let used = self.shared.store.quotas.usage(tenant, self.shared.clock.now()).await?;
        Ok(TenantQuotas {
            effective: self.effective(&own),
            own,
            used,
            revision,
        })
    }

    /// Sets the quotas of the tenant of this name.
    ///
    /// # Errors
    /// When the principal is no owner of the platform, there is no such tenant, a number is out of range, or somebody else set them
    /// first.
    pub async fn set_quotas(
        &self,
        principal: &Principal,
        name: &str,
        quotas: Quotas,
        if_match: Option<u64>,
    ) -> Result<TenantQuotas, AccessError> {
        let tenant = self.managed(principal, name).await?;
        if quotas.rate_limit.is_some_and(|rate| !rate.is_valid()) {
            return Err(AccessError::Invalid {
                reason: format!("`requestsPerSecond` and `burst` must be from 1 to {}", RateLimit::MAX),
            });
        }
        if quotas.concurrent_requests == Some(0) || quotas.keys == Some(0) {
            return Err(AccessError::Invalid {
                reason: "`concurrentRequests` and `keys` must not be 0: nobody could do anything".to_owned(),
            });
        }
        let present = self.shared.store.quotas.get(tenant.id).await?.map_or(0, |(_, revision)| revision);
        if if_match.is_some_and(|expected| expected != present) {
            return Err(AccessError::Changed);
        }
        let audit = Actor::Principal(principal).did(self.shared.clock.now(), "quotas.set", tenant.id.to_string(), json!(quotas));
        let put = self.shared.store.quotas.put(tenant.id, quotas, present, audit).await;
        self.changed();
        match put {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Err(AccessError::Changed),
            Err(error) => return Err(error.into()),
        }
        let (own, revision) = self.shared.store.quotas.get(tenant.id).await?.unwrap_or_default();
        let used = self.shared.store.quotas.usage(tenant.id, self.shared.clock.now()).await?;
        Ok(TenantQuotas {
            effective: self.effective(&own),
            own,
            used,
            revision,
        })
    }

    async fn managed(&self, principal: &Principal, name: &str) -> Result<Tenant, AccessError> {
        require_platform_owner(principal)?;
        let found = self.shared.tenants.by_name(name).await?;
        found.ok_or_else(|| AccessError::TenantNotFound {
            name: name.chars().take(64).collect(),
        })
    }

    /// Whether there is room for one more. Two at once may both find the last place: a quota can be passed by as many as ask at
    /// the very same moment, never by more.
    ///
    /// # Errors
    /// [`AccessError::Quota`] when there is none.
    pub async fn require_room(&self, tenant: TenantId, of: Counted) -> Result<(), AccessError> {
        let own = self.shared.store.quotas.get(tenant).await?.unwrap_or_default().0;
        let effective = self.effective(&own);
        let (what, limit) = match of {
            Counted::Extensions => ("extensions", effective.extensions.map(u64::from)),
            Counted::Tasks => ("tasks", effective.tasks.map(u64::from)),
            Counted::Keys => ("keys", effective.keys.map(u64::from)),
            Counted::StoredBytes => ("stored bytes", effective.stored_bytes),
        };
        let Some(limit) = limit else { return Ok(()) };
        let used = self.shared.store.quotas.usage(tenant, self.shared.clock.now()).await?;
        let used = match of {
            Counted::Extensions => used.extensions,
            Counted::Tasks => used.tasks,
            Counted::Keys => used.keys,
            Counted::StoredBytes => used.stored_bytes,
        };
        if used < limit {
            Ok(())
        } else {
            Err(AccessError::Quota { what, limit })
        }
    }

    fn effective(&self, own: &Quotas) -> Quotas {
        let default = &self.shared.default_quotas;
        Quotas {
            rate_limit: own.rate_limit.or(default.rate_limit),
            concurrent_requests: own.concurrent_requests.or(default.concurrent_requests),
            extensions: own.extensions.or(default.extensions),
            tasks: own.tasks.or(default.tasks),
            keys: own.keys.or(default.keys),
            stored_bytes: own.stored_bytes.or(default.stored_bytes),
        }
    }

    /// The gate of a tenant: the one that is there while its limits stay as they are.
    pub(crate) async fn gate_of(&self, tenant: TenantId) -> Result<Option<Arc<Gate>>, AccessError> {
        let own = self.shared.store.quotas.get(tenant).await?.unwrap_or_default().0;
        let effective = self.effective(&own);
        let (rate, concurrent) = (effective.rate_limit, effective.concurrent_requests);
        let mut gates = self.shared.gates.lock();
        match gates.get(&tenant) {
            Some(gate) if gate.is(rate, concurrent) => Ok(Some(gate.clone())),
            _ => {
                let gate = Gate::new("tenant", rate, concurrent);
                match &gate {
                    Some(gate) => gates.insert(tenant, gate.clone()),
                    None => gates.remove(&tenant),
                };
                Ok(gate)
            }
        }
    }
}
