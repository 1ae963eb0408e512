//! The extension's durable values: grant, lengths and deadline are checked here, the rest is the store's.

use std::sync::Arc;
use std::time::Duration;

use crate::bindings::key_value::{Entry, Host, KeyPage};
use crate::bindings::types::Error;
use crate::ports::{GuestError, KeyValue, KeyValueError};
use crate::state::{DRY_RUN, State};

/// The longest key, in bytes.
const MAX_KEY: usize = 512;
/// The most keys on one page.
const MAX_PAGE: u32 = 1_000;

impl From<KeyValueError> for Error {
    fn from(error: KeyValueError) -> Self {
        match error {
            KeyValueError::InvalidInput(message) => Self::InvalidInput(message),
            KeyValueError::LimitExceeded(message) => Self::LimitExceeded(message),
            KeyValueError::Unavailable(message) => Self::Unavailable(message),
            KeyValueError::Internal(message) => Self::Internal(message),
        }
    }
}

impl From<GuestError> for Error {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::InvalidInput(message) => Self::InvalidInput(message),
            GuestError::Unavailable(message) => Self::Unavailable(message),
            GuestError::Denied(message) => Self::Denied(message),
            GuestError::LimitExceeded(message) => Self::LimitExceeded(message),
            GuestError::DeadlineExceeded => Self::DeadlineExceeded,
            GuestError::Internal(message) => Self::Internal(message),
        }
    }
}

/// Waits for the store no longer than the call may.
async fn within<T>(left: Duration, work: impl Future<Output = Result<T, KeyValueError>>) -> Result<T, Error> {
    match tokio::time::timeout(left, work).await {
        Ok(result) => result.map_err(Error::from),
        Err(_) => Err(Error::DeadlineExceeded),
    }
}

impl State {
    /// The store and the time that the call has left for it, if grant, lengths and deadline allow `key` and the `value` that is
    /// to be written, which is absent for reading.
    /// Nothing of the state is borrowed while the store answers.
    fn access(&self, key: Option<&str>, value: Option<&[u8]>) -> Result<(Arc<dyn KeyValue>, Duration), Error> {
        if let Some(key) = key
            && !(1..=MAX_KEY).contains(&key.len())
        {
            return Err(Error::InvalidInput(format!(
                "a key has 1 to {MAX_KEY} bytes, this one has {}",
                key.len()
            )));
        }
        let limit = self.spec.limits.kv_value.0;
        let length = value.map_or(0, <[u8]>::len);
        if length as u64 > limit {
            return Err(Error::LimitExceeded(format!(
                "kv_value: the value has {length} bytes, the limit is {limit}"
            )));
        }
        if !self.spec.grant.key_value {
            self.refuse("key_value".to_owned());
            return Err(Error::Denied("the grant does not cover key_value".to_owned()));
        }
        if value.is_some() && self.call.dry_run {
            return Err(Error::Denied(DRY_RUN.to_owned()));
        }
        let left = self.left().ok_or(Error::DeadlineExceeded)?;
        Ok((Arc::clone(&self.spec.services.key_value), left))
    }
}

fn ttl(ms: Option<u64>) -> Option<Duration> {
    ms.map(Duration::from_millis)
}

/// Answers the guest with the error of a `Result`, where `?` would trap it.
macro_rules! or_answer {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(error) => return Ok(Err(error)),
        }
    };
}

impl Host for State {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<Entry>, Error>> {
        self.host_call(key.len())?;
        let (store, left) = or_answer!(self.access(Some(&key), None));
        let entry = or_answer!(within(left, store.get(&key)).await);
        self.host_bytes(entry.as_ref().map_or(0, |entry| entry.value.len()))?;
        Ok(Ok(entry.map(|entry| Entry {
            value: entry.value,
            version: entry.version,
        })))
    }

    async fn set(&mut self, key: String, value: Vec<u8>, ttl_ms: Option<u64>) -> wasmtime::Result<Result<u64, Error>> {
        self.host_call(key.len() + value.len())?;
        let (store, left) = or_answer!(self.access(Some(&key), Some(&value)));
        Ok(within(left, store.set(&key, value, ttl(ttl_ms))).await)
    }

    async fn delete(&mut self, key: String) -> wasmtime::Result<Result<bool, Error>> {
        self.host_call(key.len())?;
        let (store, left) = or_answer!(self.access(Some(&key), Some(&[])));
        Ok(within(left, store.delete(&key)).await)
    }

    async fn compare_and_swap(
        &mut self,
        key: String,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl_ms: Option<u64>,
    ) -> wasmtime::Result<Result<Option<u64>, Error>> {
        self.host_call(key.len() + value.len())?;
        let (store, left) = or_answer!(self.access(Some(&key), Some(&value)));
        Ok(within(left, store.compare_and_swap(&key, expected, value, ttl(ttl_ms))).await)
    }

    async fn increment(&mut self, key: String, by: i64, ttl_ms: Option<u64>) -> wasmtime::Result<Result<i64, Error>> {
        self.host_call(key.len())?;
        let (store, left) = or_answer!(self.access(Some(&key), Some(&[])));
        Ok(within(left, store.increment(&key, by, ttl(ttl_ms))).await)
    }

    async fn list_keys(&mut self, prefix: String, limit: u32, cursor: Option<String>) -> wasmtime::Result<Result<KeyPage, Error>> {
        self.host_call(prefix.len() + cursor.as_ref().map_or(0, String::len))?;
        if !(1..=MAX_PAGE).contains(&limit) {
            return Ok(Err(Error::InvalidInput(format!("the limit is 1 to {MAX_PAGE} keys, not {limit}"))));
        }
        let (store, left) = or_answer!(self.access(None, None));
        let page = or_answer!(within(left, store.list_keys(&prefix, limit, cursor.as_deref())).await);
        self.host_bytes(page.keys.iter().map(String::len).sum())?;
        Ok(Ok(KeyPage {
            keys: page.keys,
            next_cursor: page.next_cursor,
        }))
    }
}
