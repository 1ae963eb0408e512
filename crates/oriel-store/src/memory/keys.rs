use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::access::ApiKey;
use oriel_model::id::{KeyId, ServiceAccountId, TenantId};
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use super::members::People;
use crate::{Keys, NewAudit, Result, StoreError, StoredKey, cursor};

pub(super) struct MemoryKeys {
    by_id: Mutex<BTreeMap<KeyId, StoredKey>>,
    people: Arc<Mutex<People>>,
    audit: Arc<MemoryAudit>,
}

impl MemoryKeys {
    pub(super) fn new(people: Arc<Mutex<People>>, audit: Arc<MemoryAudit>) -> Self {
        Self {
            by_id: Mutex::default(),
            people,
            audit,
        }
    }

    /// Whether a key has all of the tenant at `at`.
    pub(super) fn has_owner(&self, tenant: TenantId, at: Timestamp) -> bool {
        let keys = self.by_id.lock();
        keys.values().any(|key| key.tenant == tenant && key.key.is_full_owner(at))
    }

    /// Revokes what belongs to a service account.
    pub(super) fn revoke_all_of(&self, tenant: TenantId, account: ServiceAccountId, at: Timestamp) {
        for stored in self.by_id.lock().values_mut() {
            if stored.tenant == tenant && stored.key.service_account == Some(account) {
                stored.key.revoked_at.get_or_insert(at);
            }
        }
    }

    /// How many keys of the tenant are neither revoked nor expired.
    pub(super) fn live(&self, tenant: TenantId, now: Timestamp) -> u64 {
        let keys = self.by_id.lock();
        keys.values().filter(|key| key.tenant == tenant && key.key.is_live(now)).count() as u64
    }
}

#[async_trait]
impl Keys for MemoryKeys {
    async fn create(&self, key: StoredKey, audit: NewAudit) -> Result<()> {
        let mut keys = self.by_id.lock();
        if keys.contains_key(&key.key.id) {
            return Err(StoreError::Exists { what: "key" });
        }
        self.audit.add(key.tenant, audit);
        keys.insert(key.key.id, key);
        Ok(())
    }

    async fn find(&self, id: KeyId) -> Result<Option<StoredKey>> {
        Ok(self.by_id.lock().get(&id).cloned())
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<ApiKey>> {
        let before: Option<KeyId> = match cursor::decode("keys", &page)? {
            Some(place) => Some(place.parse().map_err(|_| StoreError::Cursor)?),
            None => None,
        };
        let keys = self.by_id.lock();
        let items = keys
            .values()
            .rev()
            .filter(|key| key.tenant == tenant && before.is_none_or(|before| key.key.id < before))
            .take(cursor::limit(&page) + 1)
            .map(|key| key.key.clone())
            .collect();
        Ok(cursor::page("keys", &page, items, |key: &ApiKey| key.id.to_string()))
    }

    async fn used(&self, tenant: TenantId, id: KeyId, at: Timestamp) -> Result<()> {
        if let Some(stored) = self.by_id.lock().get_mut(&id).filter(|stored| stored.tenant == tenant) {
            stored.key.last_used_at = stored.key.last_used_at.max(Some(at));
        }
        Ok(())
    }

    async fn revoke(&self, tenant: TenantId, id: KeyId, at: Timestamp, keep_an_owner: bool, audit: NewAudit) -> Result<Option<ApiKey>> {
        let people = self.people.lock();
        let mut keys = self.by_id.lock();
        let Some(key) = keys.get(&id).filter(|key| key.tenant == tenant) else {
            return Ok(None);
        };
        if key.key.revoked_at.is_some() {
            return Ok(Some(key.key.clone()));
        }
        if keep_an_owner && key.key.is_full_owner(at) {
            let another = keys
                .values()
                .any(|other| other.tenant == tenant && other.key.id != id && other.key.is_full_owner(at));
            if !another && !people.has_owner(tenant, None) {
                return Err(StoreError::Conflict { what: "key" });
            }
        }
        let key = keys.get_mut(&id).expect("it was there a moment ago, under the same lock");
        key.key.revoked_at = Some(at);
        self.audit.add(tenant, audit);
        Ok(Some(key.key.clone()))
    }
}
