//! The guest's `key-value` interface on top of the storage port, bound to one tenant and extension.

use std::sync::Arc;
use std::time::Duration;

use oriel_access::{Access, AccessError, Room};
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::limits::Limits;
use oriel_model::name::ExtensionName;
use oriel_model::time::Clock;
use oriel_sandbox::{Entry, KeyPage, KeyValue, KeyValueError};
use oriel_store::{KvQuota, KvScope, StoreError};

use crate::Shared;

/// Of a 64-bit integer in decimal digits, with its sign.
const LONGEST_NUMBER: usize = 20;

pub(crate) struct GuestKeyValue {
    store: Arc<dyn oriel_store::KeyValue>,
    access: Access,
    clock: Arc<dyn Clock>,
    scope: KvScope,
    quota: KvQuota,
}

impl GuestKeyValue {
    pub(crate) fn new(shared: &Shared, tenant: TenantId, extension: ExtensionName, limits: &Limits) -> Self {
        Self {
            store: shared.stores.key_value.clone(),
            access: shared.access.clone(),
            clock: shared.clock.clone(),
            scope: KvScope { tenant, extension },
            quota: KvQuota {
                keys: limits.kv_keys.into(),
                bytes: limits.kv_total.0,
            },
        }
    }

    /// A place for an entry below what the tenant may store in all, beside the extension's own quota. An entry that is
    /// overwritten counts as long as it is there.
    async fn room(&self, key: &str, length: usize) -> Result<Room, KeyValueError> {
        let bytes = (key.len() + length) as u64;
        self.access
            .require_bytes(self.scope.tenant, bytes)
            .await
            .map_err(|error| match error {
                AccessError::Quota { .. } => KeyValueError::LimitExceeded("the tenant's quota of stored bytes is used up".to_owned()),
                error => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the quota of a guest's key-value call is not known"
                    );
                    KeyValueError::Unavailable("the key-value store is unavailable".to_owned())
                }
            })
    }

    fn expiry(&self, ttl: Option<Duration>) -> (Timestamp, Option<Timestamp>) {
        let now = self.clock.now();
        (now, ttl.map(|ttl| now.plus(ttl)))
    }
}

#[async_trait::async_trait]
impl KeyValue for GuestKeyValue {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KeyValueError> {
        let entry = self.store.get(&self.scope, key, self.clock.now()).await.map_err(guest_error)?;
        Ok(entry.map(|entry| Entry {
            value: entry.value,
            version: entry.version,
        }))
    }

    async fn set(&self, key: &str, value: Vec<u8>, ttl: Option<Duration>) -> Result<u64, KeyValueError> {
        let (now, expires_at) = self.expiry(ttl);
        let _room = self.room(key, value.len()).await?;
        self.store
            .set(&self.scope, key, value, expires_at, self.quota, now)
            .await
            .map_err(guest_error)
    }

    async fn delete(&self, key: &str) -> Result<bool, KeyValueError> {
        self.store.delete(&self.scope, key, self.clock.now()).await.map_err(guest_error)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Option<u64>, KeyValueError> {
        let (now, expires_at) = self.expiry(ttl);
        let _room = self.room(key, value.len()).await?;
        self.store
            .compare_and_swap(&self.scope, key, expected, value, expires_at, self.quota, now)
            .await
            .map_err(guest_error)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KeyValueError> {
        let (now, expires_at) = self.expiry(ttl);
        let _room = self.room(key, LONGEST_NUMBER).await?;
        self.store
            .increment(&self.scope, key, by, expires_at, self.quota, now)
            .await
            .map_err(guest_error)
    }

    async fn list_keys(&self, prefix: &str, limit: u32, cursor: Option<&str>) -> Result<KeyPage, KeyValueError> {
        let page = self
            .store
            .list_keys(&self.scope, prefix, limit, cursor, self.clock.now())
            .await
            .map_err(guest_error)?;
        Ok(KeyPage {
            keys: page.keys,
            next_cursor: page.next_cursor,
        })
    }
}

/// What a guest may learn of a storage error: what it did wrong, never what the database said.
fn guest_error(error: StoreError) -> KeyValueError {
    match error {
        StoreError::Quota { what } => KeyValueError::LimitExceeded(format!("the limit `{what}` is used up")),
        StoreError::WrongForm { expected } => KeyValueError::InvalidInput(format!("the stored value is not {expected}")),
        StoreError::Cursor => KeyValueError::InvalidInput("the cursor is not one of this list's".to_owned()),
        error => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a guest's key-value call failed");
            match error {
                StoreError::Unavailable { .. } | StoreError::Full | StoreError::ReadOnly => {
                    KeyValueError::Unavailable("the key-value store is unavailable".to_owned())
                }
                _ => KeyValueError::Internal("the key-value store failed".to_owned()),
            }
        }
    }
}
