//! The port of what guests keep.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;

use crate::{Result, StoreError};

/// Whose entries are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KvScope {
    /// The tenant.
    pub tenant: TenantId,
    /// The extension.
    pub extension: ExtensionName,
}

/// How much one scope may hold. The length of a single value is the sandbox's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvQuota {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values together.
    pub bytes: u64,
}

/// A value and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// The bytes.
    pub value: Vec<u8>,
    /// Starts at 1 and grows by one with each write of this key; deleting the key forgets it.
    pub version: u64,
}

/// Keys in ascending order of their bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvPage {
    /// The keys.
    pub keys: Vec<String>,
    /// The last key of this page when there are more.
    pub next_cursor: Option<String>,
}

/// Entries per tenant and extension. An entry whose `expires_at` is at or before `now` is absent for every
/// method. Each method is atomic, also among several nodes.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// The entry under `key`.
    async fn get(&self, scope: &KvScope, key: &str, now: Timestamp) -> Result<Option<KvEntry>>;

    /// Writes whatever is there and answers the new version.
    ///
    /// # Errors
    /// [`crate::StoreError::Quota`] when the scope would hold more than `quota`.
    async fn set(
        &self,
        scope: &KvScope,
        key: &str,
        value: Vec<u8>,
        expires_at: Option<Timestamp>,
        quota: KvQuota,
        now: Timestamp,
    ) -> Result<u64>;

    /// Answers whether there was something to delete.
    async fn delete(&self, scope: &KvScope, key: &str, now: Timestamp) -> Result<bool>;

    /// Writes only if the version is `expected` (nothing: only if absent); the new version, or nothing when it
    /// was not.
    ///
    /// # Errors
    /// [`crate::StoreError::Quota`] as for `set`.
    #[expect(clippy::too_many_arguments, reason = "each is a separate part of one atomic question")]
    async fn compare_and_swap(
        &self,
        scope: &KvScope,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        expires_at: Option<Timestamp>,
        quota: KvQuota,
        now: Timestamp,
    ) -> Result<Option<u64>>;

    /// Adds to a decimal integer (absent: 0) and answers the sum. `expires_at` applies only when the entry is
    /// created.
    ///
    /// # Errors
    /// [`crate::StoreError::WrongForm`] when the value is no integer or the sum does not fit 64 bits,
    /// [`crate::StoreError::Quota`] as for `set`.
    async fn increment(
        &self,
        scope: &KvScope,
        key: &str,
        by: i64,
        expires_at: Option<Timestamp>,
        quota: KvQuota,
        now: Timestamp,
    ) -> Result<i64>;

    /// At most `limit` keys that start with `prefix`, after `cursor`.
    async fn list_keys(&self, scope: &KvScope, prefix: &str, limit: u32, cursor: Option<&str>, now: Timestamp) -> Result<KvPage>;

    /// Deletes at most `limit` expired entries of all scopes; answers how many there were.
    async fn purge_expired(&self, now: Timestamp, limit: u32) -> Result<u64>;
}

/// Reads a decimal integer as `increment` understands it: an optional `-` and digits, nothing else, within 64 bits.
/// Every adapter reads through this, so that they agree.
#[must_use]
pub fn parse_integer(value: &[u8]) -> Option<i64> {
    let digits = value.strip_prefix(b"-").unwrap_or(value);
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The sum that `increment` answers.
///
/// # Errors
/// [`StoreError::WrongForm`] when there is no integer or the sum does not fit.
pub fn sum(stored: Option<i64>, by: i64) -> Result<i64> {
    let expected = |expected| StoreError::WrongForm { expected };
    stored
        .ok_or(expected("a decimal integer"))?
        .checked_add(by)
        .ok_or(expected("an integer to which this can be added within 64 bits"))
}
