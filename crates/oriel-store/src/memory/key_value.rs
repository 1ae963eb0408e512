use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use parking_lot::Mutex;

use crate::key_value::{parse_integer, sum};
use crate::{KeyValue, KvEntry, KvPage, KvQuota, KvScope, Result, StoreError};

struct Stored {
    entry: KvEntry,
    expires_at: Option<Timestamp>,
}

impl Stored {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

type Entries = BTreeMap<String, Stored>;

#[derive(Default)]
pub(super) struct MemoryKeyValue {
    scopes: Mutex<HashMap<KvScope, Entries>>,
}

impl MemoryKeyValue {
    /// How many bytes a tenant holds, keys included.
    pub(super) fn bytes(&self, tenant: TenantId) -> u64 {
        let scopes = self.scopes.lock();
        let own = scopes
            .iter()
            .filter(|(scope, _)| scope.tenant == tenant)
            .flat_map(|(_, entries)| entries);
        own.map(|(key, stored)| (key.len() + stored.entry.value.len()) as u64).sum()
    }

    /// Drops all that a scope holds.
    pub(super) fn forget(&self, scope: &KvScope) {
        self.scopes.lock().remove(scope);
    }
}

/// The entry under `key`, an expired one dropped.
fn live<'a>(entries: &'a mut Entries, key: &str, now: Timestamp) -> Option<&'a Stored> {
    if entries.get(key).is_some_and(|stored| !stored.is_live(now)) {
        entries.remove(key);
    }
    entries.get(key)
}

/// Writes, unless the live entries of the scope would then hold more than `quota`.
fn write(entries: &mut Entries, key: &str, value: Vec<u8>, expires_at: Option<Timestamp>, quota: KvQuota, now: Timestamp) -> Result<u64> {
    let version = live(entries, key, now).map_or(1, |stored| stored.entry.version + 1);
    let (mut keys, mut bytes) = (1, (key.len() + value.len()) as u64);
    for (other, stored) in entries.iter() {
        if other != key && stored.is_live(now) {
            keys += 1;
            bytes += (other.len() + stored.entry.value.len()) as u64;
        }
    }
    if keys > quota.keys {
        return Err(StoreError::Quota { what: "kv_keys" });
    }
    if bytes > quota.bytes {
        return Err(StoreError::Quota { what: "kv_total" });
    }
    let entry = KvEntry { value, version };
    entries.insert(key.to_owned(), Stored { entry, expires_at });
    Ok(version)
}

#[async_trait]
impl KeyValue for MemoryKeyValue {
    async fn get(&self, scope: &KvScope, key: &str, now: Timestamp) -> Result<Option<KvEntry>> {
        let scopes = self.scopes.lock();
        let stored = scopes.get(scope).and_then(|entries| entries.get(key));
        Ok(stored.filter(|stored| stored.is_live(now)).map(|stored| stored.entry.clone()))
    }

    async fn set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        expires_at: Option<Timestamp>,
        quota: KvQuota,
        now: Timestamp,
    ) -> Result<u64> {
        let mut scopes = self.scopes.lock();
        write(scopes.entry(scope.clone()).or_default(), key, value, expires_at, quota, now)
    }

    async fn delete(&self, scope: &KvScope, key: &str, now: Timestamp) -> Result<bool> {
        let mut scopes = self.scopes.lock();
        let stored = scopes.get_mut(scope).and_then(|entries| entries.remove(key));
        Ok(stored.is_some_and(|stored| stored.is_live(now)))
    }

    async fn compare_and_swap(
        &self,
        scope: &KvScope,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        expires_at: Option<Timestamp>,
        quota: KvQuota,
        now: Timestamp,
    ) -> Result<Option<u64>> {
        let mut scopes = self.scopes.lock();
        let entries = scopes.entry(scope.clone()).or_default();
        if live(entries, key, now).map(|stored| stored.entry.version) != expected {
            return Ok(None);
        }
        write(entries, key, value, expires_at, quota, now).map(Some)
    }

    async fn increment(
        &self,
        scope: &KvScope,
        key: &str,
        by: i64,
        expires_at: Option<Timestamp>,
        quota: KvQuota,
        now: Timestamp,
    ) -> Result<i64> {
        let mut scopes = self.scopes.lock();
        let entries = scopes.entry(scope.clone()).or_default();
        let (total, expires_at) = match live(entries, key, now) {
            Some(stored) => (sum(parse_integer(&stored.entry.value), by)?, stored.expires_at),
            None => (by, expires_at),
        };
        write(entries, key, total.to_string().into_bytes(), expires_at, quota, now)?;
        Ok(total)
    }

    async fn list_keys(&self, scope: &KvScope, prefix: &str, limit: u32, cursor: Option<&str>, now: Timestamp) -> Result<KvPage> {
        let start = match cursor {
            Some(cursor) if cursor >= prefix => Bound::Excluded(cursor),
            _ => Bound::Included(prefix),
        };
        let limit = limit.max(1) as usize;
        let scopes = self.scopes.lock();
        let mut keys: Vec<String> = scopes.get(scope).map_or_else(Vec::new, |entries| {
            let range = entries.range::<str, _>((start, Bound::Unbounded));
            let found = range
                .take_while(|(key, _)| key.starts_with(prefix))
                .filter(|(_, stored)| stored.is_live(now));
            found.map(|(key, _)| key.clone()).take(limit + 1).collect()
        });
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next_cursor = keys.last().filter(|_| more).cloned();
        Ok(KvPage { keys, next_cursor })
    }

    async fn purge_expired(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let mut left = u64::from(limit);
        let mut scopes = self.scopes.lock();
        for entries in scopes.values_mut() {
            entries.retain(|_, stored| {
                let stays = left == 0 || stored.is_live(now);
                left -= u64::from(!stays);
                stays
            });
        }
        Ok(u64::from(limit) - left)
    }
}
