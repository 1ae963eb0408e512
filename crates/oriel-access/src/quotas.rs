//! What tenants may use.

use std::collections::HashMap;
use std::sync::Arc;

use oriel_model::Timestamp;
use oriel_model::access::{Principal, Scope, Tenant};
use oriel_model::id::TenantId;
use oriel_model::quota::{Quotas, RateLimit};
use oriel_store::{Consumption, StoreError};
use parking_lot::Mutex;
use serde_json::json;

use crate::authenticate::TRUST;
use crate::gate::Gate;
use crate::{Access, AccessError, Actor};

/// Things that a quota counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// Things that are being added on this node, by tenant and kind.
pub(crate) type Adding = Mutex<HashMap<(TenantId, Counted), u64>>;

/// How much the key-value stores of a tenant may hold, as it was a moment ago.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredQuota {
    limit: Option<u64>,
    looked_at: Timestamp,
    version: u64,
}

/// Those of the tenants whose extensions write. As many as there are tenants.
pub(crate) type StoredQuotas = Mutex<HashMap<TenantId, StoredQuota>>;

/// A place below a quota, kept until what takes it is stored (or is not).
#[derive(Debug)]
#[must_use = "the place is free again when this is dropped"]
pub struct Room {
    /// Nothing where no quota holds; else how much of what.
    kept: Option<(Access, TenantId, Counted, u64)>,
}

impl Drop for Room {
    fn drop(&mut self) {
        let Some((access, tenant, of, amount)) = self.kept.take() else {
            return;
        };
        let mut adding = access.shared.adding.lock();
        if let Some(count) = adding.get_mut(&(tenant, of)) {
            *count -= amount;
            if *count == 0 {
                adding.remove(&(tenant, of));
            }
        }
    }
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
        self.require_platform(principal)?;
        let found = self.shared.tenants.by_name(name).await?;
        found.ok_or_else(|| AccessError::TenantNotFound {
            name: name.chars().take(64).collect(),
        })
    }

    /// A place for one more, to be held until it is stored. Whoever asks at the very same moment on this node gets another place,
    /// or none; another node does not know of it, so that each node more may pass a quota by as many as ask there at once.
    ///
    /// # Errors
    /// [`AccessError::Quota`] when there is no place.
    pub async fn require_room(&self, tenant: TenantId, of: Counted) -> Result<Room, AccessError> {
        let own = self.shared.store.quotas.get(tenant).await?.unwrap_or_default().0;
        self.room_in(tenant, &self.effective(&own), of, 1).await
    }

    /// A place for `bytes` more in the tenant's key-value stores. What the quota is, is asked once in a while only: this is asked
    /// with every write.
    ///
    /// # Errors
    /// As for [`Access::require_room`].
    pub async fn require_bytes(&self, tenant: TenantId, bytes: u64) -> Result<Room, AccessError> {
        let now = self.shared.clock.now();
        let version = self.shared.cache.version();
        let known = self.shared.stored_quotas.lock().get(&tenant).copied();
        let fresh = known.filter(|known| known.version == version && known.looked_at <= now && now.since(known.looked_at) < TRUST);
        let limit = if let Some(known) = fresh {
            known.limit
        } else {
            let own = self.shared.store.quotas.get(tenant).await?.unwrap_or_default().0;
            let limit = self.effective(&own).stored_bytes;
            let known = StoredQuota {
                limit,
                looked_at: now,
                version,
            };
            self.shared.stored_quotas.lock().insert(tenant, known);
            limit
        };
        let effective = Quotas {
            stored_bytes: limit,
            ..Quotas::default()
        };
        self.room_in(tenant, &effective, Counted::StoredBytes, bytes).await
    }

    async fn room_in(&self, tenant: TenantId, effective: &Quotas, of: Counted, amount: u64) -> Result<Room, AccessError> {
        let (what, limit) = match of {
            Counted::Extensions => ("extensions", effective.extensions.map(u64::from)),
            Counted::Tasks => ("tasks", effective.tasks.map(u64::from)),
            Counted::Keys => ("keys", effective.keys.map(u64::from)),
            Counted::StoredBytes => ("stored bytes", effective.stored_bytes),
        };
        let Some(limit) = limit else { return Ok(Room { kept: None }) };
        // First the place, then the look at what there is: whatever is stored in between is counted in one of the two.
        let (room, before) = self.take_place(tenant, of, amount);
        let used = self.shared.store.quotas.usage(tenant, self.shared.clock.now()).await?;
        let used = match of {
            Counted::Extensions => used.extensions,
            Counted::Tasks => used.tasks,
            Counted::Keys => used.keys,
            Counted::StoredBytes => used.stored_bytes,
        };
        if used.saturating_add(before).saturating_add(amount) <= limit {
            Ok(room)
        } else {
            Err(AccessError::Quota { what, limit })
        }
    }

    /// A place, and how much others are adding.
    fn take_place(&self, tenant: TenantId, of: Counted, amount: u64) -> (Room, u64) {
        let mut adding = self.shared.adding.lock();
        let count = adding.entry((tenant, of)).or_default();
        let before = *count;
        *count += amount;
        let kept = Some((self.clone(), tenant, of, amount));
        (Room { kept }, before)
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
