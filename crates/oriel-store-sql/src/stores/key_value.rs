//! Key-value entries. Reading is the same for both engines; writing is one round trip each, in a file each.

mod postgres;
mod sqlite;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_store::key_value::sum;
use oriel_store::{KeyValue, KvEntry, KvPage, KvQuota, KvScope, Result, StoreError};

use super::Store;
use crate::db::{Db, Transaction, params};
use crate::error::corrupt;

/// A write as both engines take it.
struct Write<'a> {
    scope: &'a KvScope,
    key: &'a str,
    change: Change,
    expires_at: Option<Timestamp>,
    quota: KvQuota,
    now: Timestamp,
}

enum Change {
    /// Write this value if the version is `expected` (0: if absent; nothing: whatever is there).
    Put { value: Vec<u8>, expected: Option<u64> },
    /// Add this to the integer there.
    Add(i64),
}

/// How a write ended.
enum Outcome {
    /// Done: the entry's new version and, where it is an integer, its new value.
    Done { version: u64, number: Option<i64> },
    /// The version was another.
    Mismatch,
    /// The value there is this number or, with nothing, none; so the sum cannot be had.
    Form(Option<i64>),
    /// This quota would be passed.
    Quota(&'static str),
}

const KEYS: &str = "kv_keys";
const BYTES: &str = "kv_total";

impl Store {
    async fn write_entry(&self, write: Write<'_>) -> Result<Outcome> {
        let outcome = match &self.db {
            Db::Sqlite { .. } => sqlite::write(&self.db, write).await,
            Db::Postgres(_) => postgres::write(&self.db, write).await,
        };
        match outcome? {
            Outcome::Quota(what) => Err(StoreError::Quota { what }),
            other => Ok(other),
        }
    }

    async fn put(&self, write: Write<'_>) -> Result<Option<u64>> {
        match self.write_entry(write).await? {
            Outcome::Done { version, .. } => Ok(Some(version)),
            Outcome::Mismatch => Ok(None),
            Outcome::Form(_) | Outcome::Quota(_) => Err(corrupt("a put cannot end so")),
        }
    }
}

/// The smallest bytes above all that start with `prefix`. UTF-8 has no byte 255, so the last byte can grow.
fn end_of(prefix: &str) -> Option<Vec<u8>> {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

/// Drops all that a scope holds.
pub(super) async fn forget(transaction: &mut Transaction, tenant: TenantId, extension: &str) -> Result<()> {
    // Changing nothing locks the scope against writers, on PostgreSQL too.
    let lock = "UPDATE kv_scopes SET keys = keys WHERE tenant = $1 AND extension = $2 RETURNING id";
    let Some(scope) = transaction.row(lock, params![tenant.to_string(), extension]).await? else {
        return Ok(());
    };
    let id = scope.int(0)?;
    transaction.execute("DELETE FROM kv_entries WHERE scope = $1", params![id]).await?;
    transaction
        .execute("DELETE FROM kv_scopes WHERE id = $1", params![id])
        .await
        .map(drop)
}

#[async_trait]
impl KeyValue for Store {
    async fn get(&self, scope: &KvScope, key: &str, now: Timestamp) -> Result<Option<KvEntry>> {
        let get = "SELECT value, version FROM kv_entries
            WHERE scope = (SELECT id FROM kv_scopes WHERE tenant = $1 AND extension = $2) AND key = $3
            AND (expires_at IS NULL OR expires_at > $4)";
        let params = params![scope.tenant.to_string(), scope.extension.as_str(), key.as_bytes(), now];
        let Some(row) = self.db.row(get, params).await? else {
            return Ok(None);
        };
        Ok(Some(KvEntry {
            value: row.blob(0)?.to_vec(),
            version: row.count(1)?,
        }))
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
        let change = Change::Put { value, expected: None };
        let version = self
            .put(Write {
                scope,
                key,
                change,
                expires_at,
                quota,
                now,
            })
            .await?;
        version.ok_or_else(|| corrupt("an unconditional write found a condition"))
    }

    async fn delete(&self, scope: &KvScope, key: &str, now: Timestamp) -> Result<bool> {
        let delete = match &self.db {
            Db::Sqlite { .. } => sqlite::DELETE,
            Db::Postgres(_) => postgres::DELETE,
        };
        let params = params![scope.tenant.to_string(), scope.extension.as_str(), key.as_bytes(), now];
        let rows = self.db.write_rows(delete, params).await?;
        Ok(rows.first().map(|row| row.int(0)).transpose()? == Some(1))
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
        // Versions start at 1: nothing has the version 0.
        if expected == Some(0) {
            return Ok(None);
        }
        let expected = Some(expected.unwrap_or(0));
        let change = Change::Put { value, expected };
        self.put(Write {
            scope,
            key,
            change,
            expires_at,
            quota,
            now,
        })
        .await
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
        let change = Change::Add(by);
        match self
            .write_entry(Write {
                scope,
                key,
                change,
                expires_at,
                quota,
                now,
            })
            .await?
        {
            Outcome::Done { number: Some(number), .. } => Ok(number),
            Outcome::Form(stored) => sum(stored, by).and_then(|_| Err(corrupt("a sum that fits did not fit"))),
            _ => Err(corrupt("an addition cannot end so")),
        }
    }

    async fn list_keys(&self, scope: &KvScope, prefix: &str, limit: u32, cursor: Option<&str>, now: Timestamp) -> Result<KvPage> {
        let limit = limit.max(1) as usize;
        let start = match cursor {
            // The least key above the cursor is the cursor and a zero byte.
            Some(cursor) if cursor >= prefix => [cursor.as_bytes(), &[0]].concat(),
            _ => prefix.as_bytes().to_vec(),
        };
        let mut params = params![scope.tenant.to_string(), scope.extension.as_str(), now, limit + 1, start];
        let list = match end_of(prefix) {
            None => {
                "SELECT key FROM kv_entries WHERE scope = (SELECT id FROM kv_scopes WHERE tenant = $1 AND extension = $2)
                AND key >= $5 AND (expires_at IS NULL OR expires_at > $3) ORDER BY key LIMIT $4"
            }
            Some(end) => {
                params.push(end.into());
                "SELECT key FROM kv_entries WHERE scope = (SELECT id FROM kv_scopes WHERE tenant = $1 AND extension = $2)
                AND key >= $5 AND key < $6 AND (expires_at IS NULL OR expires_at > $3) ORDER BY key LIMIT $4"
            }
        };
        let rows = self.db.rows(list, params).await?;
        let key = |row: &crate::db::Row| String::from_utf8(row.blob(0)?.to_vec()).map_err(corrupt);
        let mut keys = rows.iter().map(key).collect::<Result<Vec<String>>>()?;
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next_cursor = keys.last().filter(|_| more).cloned();
        Ok(KvPage { keys, next_cursor })
    }

    async fn purge_expired(&self, now: Timestamp, limit: u32) -> Result<u64> {
        match &self.db {
            Db::Sqlite { .. } => self.db.write(sqlite::PURGE, params![now, limit]).await,
            Db::Postgres(_) => {
                let rows = self.db.write_rows(postgres::PURGE, params![now, limit]).await?;
                rows.first().map_or(Ok(0), |row| row.count(0))
            }
        }
    }
}
