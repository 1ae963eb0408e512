//! Durable values of this extension in this tenant. Needs `key_value = true` under `[permissions]`.
//!
//! Keys are 1 to 512 bytes of UTF-8. Every function answers [`Error::Denied`] without the permission and
//! [`Error::LimitExceeded`] beyond a quota.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::oriel::extension::key_value as host;
pub use crate::bindings::imports::oriel::extension::key_value::{Entry, KeyPage};
use crate::error::{Result, from_wire};

fn ms(ttl: Option<Duration>) -> Option<u64> {
    ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX))
}

/// The bytes behind `key`.
pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
    Ok(entry(key)?.map(|entry| entry.value))
}

/// The bytes behind `key` with their version, for [`compare_and_swap`].
pub fn entry(key: &str) -> Result<Option<Entry>> {
    host::get(key).map_err(from_wire)
}

/// The text behind `key`; an error when the bytes are not UTF-8.
pub fn get_text(key: &str) -> Result<Option<String>> {
    Ok(get(key)?.map(String::from_utf8).transpose()?)
}

/// The JSON behind `key`; an error when it does not fit `T`.
pub fn get_json<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    Ok(get(key)?.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
}

/// Writes whatever is there and answers the new version.
pub fn set(key: &str, value: impl AsRef<[u8]>) -> Result<u64> {
    host::set(key, value.as_ref(), None).map_err(from_wire)
}

/// As [`set`]; the entry disappears after `ttl`.
pub fn set_for(key: &str, value: impl AsRef<[u8]>, ttl: Duration) -> Result<u64> {
    host::set(key, value.as_ref(), ms(Some(ttl))).map_err(from_wire)
}

/// As [`set`], with `value` as JSON.
pub fn set_json<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<u64> {
    set(key, serde_json::to_vec(value)?)
}

/// Deletes `key` and answers whether there was something to delete.
pub fn delete(key: &str) -> Result<bool> {
    host::delete(key).map_err(from_wire)
}

/// Writes only if the entry's version is `expected` (`None`: only if there is no entry). Answers the new version,
/// or `None` when another writer was faster.
pub fn compare_and_swap(key: &str, expected: Option<u64>, value: impl AsRef<[u8]>, ttl: Option<Duration>) -> Result<Option<u64>> {
    host::compare_and_swap(key, expected, value.as_ref(), ms(ttl)).map_err(from_wire)
}

/// Adds to a decimal integer (absent counts as 0) in one step and answers the sum.
pub fn increment(key: &str, by: i64) -> Result<i64> {
    host::increment(key, by, None).map_err(from_wire)
}

/// As [`increment`]; `ttl` counts from the entry's creation and is not renewed by later increments.
pub fn increment_for(key: &str, by: i64, ttl: Duration) -> Result<i64> {
    host::increment(key, by, ms(Some(ttl))).map_err(from_wire)
}

/// At most `limit` (1 to 1000) keys that start with `prefix`, in ascending order, from `cursor` on.
pub fn page(prefix: &str, limit: u32, cursor: Option<&str>) -> Result<KeyPage> {
    host::list_keys(prefix, limit, cursor).map_err(from_wire)
}

/// Every key that starts with `prefix`, page by page.
pub fn keys(prefix: &str) -> Result<Vec<String>> {
    let mut all = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let found = page(prefix, 1_000, cursor.as_deref())?;
        all.extend(found.keys);
        match found.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
}
