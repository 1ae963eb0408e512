//! Requests, as they are kept: in a ring, so that whoever calls a public address cannot fill the store.

use std::time::Duration;

use oriel_extension::{Result, kv};
use serde::{Deserialize, Serialize};

/// Counts all requests; the slot of one is its number modulo the ring's size.
const COUNTER: &str = "count";
const PREFIX: &str = "request:";
/// More than any configured ring: what a larger one has left is found, too.
pub(crate) const MOST_SLOTS: u64 = 1_000;

/// One request.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// From 1 on, without gaps.
    pub(crate) number: u64,
    pub(crate) at_ms: u64,
    pub(crate) method: String,
    /// Path and query as they came, below the extension's address.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Kept,
    /// Length of the whole body.
    pub(crate) body_bytes: usize,
}

/// The beginning of a body.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kept {
    Text(String),
    /// What is not UTF-8, in hexadecimal digits.
    Hex(String),
}

impl Kept {
    pub(crate) fn of(body: &[u8], most: usize) -> Self {
        let beginning = &body[..body.len().min(most)];
        match std::str::from_utf8(beginning) {
            Ok(text) => Self::Text(text.to_owned()),
            // A character that was cut in two does not make text bytes.
            Err(error) if error.error_len().is_none() && beginning.len() < body.len() => {
                Self::Text(String::from_utf8_lossy(&beginning[..error.valid_up_to()]).into_owned())
            }
            Err(_) => Self::Hex(beginning.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}

fn key(slot: u64) -> String {
    format!("{PREFIX}{slot:04}")
}

/// The number of a new request.
pub(crate) fn next_number() -> Result<u64> {
    Ok(u64::try_from(kv::increment(COUNTER, 1)?).unwrap_or_default())
}

pub(crate) fn keep(record: &Record, ring: u64, ttl: Duration) -> Result<()> {
    kv::set_for(&key(record.number % ring), serde_json::to_vec(record)?, ttl)?;
    Ok(())
}

/// All that are kept, newest first.
pub(crate) fn all() -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for key in kv::keys(PREFIX)? {
        // One that expires meanwhile is not there, and one of another version is not shown.
        if let Some(record) = kv::get(&key)?.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok()) {
            records.push(record);
        }
    }
    records.sort_by_key(|record| std::cmp::Reverse(record.number));
    Ok(records)
}

/// Forgets them all; answers how many there were.
pub(crate) fn forget() -> Result<usize> {
    let mut count = 0;
    for key in kv::keys(PREFIX)? {
        count += usize::from(kv::delete(&key)?);
    }
    Ok(count)
}
