//! Services that live in memory: gone when the program ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use oriel_model::limits::Limits;
use oriel_sandbox::{Entry, HostServices, KeyPage, KeyValue, KeyValueError, LogRecord, LogSink, Refusal, RefusalSink};
use parking_lot::Mutex;

/// Log lines kept; older ones go first.
const LINES: usize = 10_000;

pub(crate) fn services(limits: &Limits) -> HostServices {
    let log = Arc::new(MemoryLog::default());
    HostServices::new(Arc::new(MemoryKeyValue::new(limits)), log.clone(), log)
}

/// The last log lines and refusals of an extension.
#[derive(Debug, Default)]
pub struct MemoryLog {
    lines: Mutex<VecDeque<LogRecord>>,
    refusals: Mutex<VecDeque<Refusal>>,
}

impl MemoryLog {
    /// The lines so far, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<LogRecord> {
        self.lines.lock().iter().cloned().collect()
    }

    /// The refusals so far, oldest first.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.refusals.lock().iter().cloned().collect()
    }
}

fn push<T>(queue: &Mutex<VecDeque<T>>, item: T) {
    let mut queue = queue.lock();
    if queue.len() == LINES {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl LogSink for MemoryLog {
    fn write(&self, record: LogRecord) {
        push(&self.lines, record);
    }
}

impl RefusalSink for MemoryLog {
    fn refused(&self, refusal: Refusal) {
        push(&self.refusals, refusal);
    }
}

/// A key-value store with the quotas of some limits.
#[derive(Debug)]
pub struct MemoryKeyValue {
    max_keys: u64,
    max_total: u64,
    values: Mutex<Values>,
}

#[derive(Debug, Default)]
struct Values {
    entries: BTreeMap<String, (Entry, Option<Instant>)>,
    total: u64,
    version: u64,
}

impl Values {
    fn live(&self, key: &str) -> Option<&(Entry, Option<Instant>)> {
        self.entries
            .get(key)
            .filter(|(_, until)| until.is_none_or(|until| until > Instant::now()))
    }

    fn remove(&mut self, key: &str) {
        if let Some((entry, _)) = self.entries.remove(key) {
            self.total -= (key.len() + entry.value.len()) as u64;
        }
    }

    fn remove_expired(&mut self) {
        let now = Instant::now();
        let expired = |(_, until): &(Entry, Option<Instant>)| until.is_some_and(|until| until <= now);
        let keys: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, value)| expired(value))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            self.remove(&key);
        }
    }
}

impl MemoryKeyValue {
    /// An empty store with the quotas `kv_keys` and `kv_total`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            max_keys: u64::from(limits.kv_keys),
            max_total: limits.kv_total.0,
            values: Mutex::default(),
        }
    }

    fn write(&self, values: &mut Values, key: &str, value: Vec<u8>, until: Option<Instant>) -> Result<u64, KeyValueError> {
        let over = |values: &Values| {
            let old = values.entries.get(key).map_or(0, |(entry, _)| key.len() + entry.value.len());
            let total = values.total - old as u64 + (key.len() + value.len()) as u64;
            let keys = values.entries.len() as u64 + u64::from(old == 0);
            if keys > self.max_keys {
                Err(KeyValueError::LimitExceeded(format!(
                    "kv_keys: the store keeps {} keys",
                    self.max_keys
                )))
            } else if total > self.max_total {
                Err(KeyValueError::LimitExceeded(format!(
                    "kv_total: the store keeps {} bytes",
                    self.max_total
                )))
            } else {
                Ok(())
            }
        };
        if over(values).is_err() {
            values.remove_expired();
            over(values)?;
        }
        values.remove(key);
        values.version += 1;
        values.total += (key.len() + value.len()) as u64;
        let version = values.version;
        values.entries.insert(key.to_owned(), (Entry { value, version }, until));
        Ok(version)
    }
}

fn until(ttl: Option<Duration>) -> Option<Instant> {
    ttl.and_then(|ttl| Instant::now().checked_add(ttl))
}

#[async_trait::async_trait]
impl KeyValue for MemoryKeyValue {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KeyValueError> {
        Ok(self.values.lock().live(key).map(|(entry, _)| entry.clone()))
    }

    async fn set(&self, key: &str, value: Vec<u8>, ttl: Option<Duration>) -> Result<u64, KeyValueError> {
        self.write(&mut self.values.lock(), key, value, until(ttl))
    }

    async fn delete(&self, key: &str) -> Result<bool, KeyValueError> {
        let mut values = self.values.lock();
        let found = values.live(key).is_some();
        values.remove(key);
        Ok(found)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Option<u64>, KeyValueError> {
        let mut values = self.values.lock();
        if values.live(key).map(|(entry, _)| entry.version) != expected {
            return Ok(None);
        }
        self.write(&mut values, key, value, until(ttl)).map(Some)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KeyValueError> {
        let mut values = self.values.lock();
        let (now, until) = match values.live(key) {
            None => (0, until(ttl)),
            Some((entry, until)) => {
                let number = std::str::from_utf8(&entry.value).ok().and_then(|text| text.parse::<i64>().ok());
                (
                    number.ok_or_else(|| KeyValueError::InvalidInput(format!("the value of `{key}` is not a number")))?,
                    *until,
                )
            }
        };
        let sum = now
            .checked_add(by)
            .ok_or_else(|| KeyValueError::InvalidInput("the sum is out of range".to_owned()))?;
        self.write(&mut values, key, sum.to_string().into_bytes(), until)?;
        Ok(sum)
    }

    async fn list_keys(&self, prefix: &str, limit: u32, cursor: Option<&str>) -> Result<KeyPage, KeyValueError> {
        let values = self.values.lock();
        let from = cursor.filter(|cursor| *cursor > prefix).unwrap_or(prefix);
        let mut keys: Vec<_> = values
            .entries
            .range(from.to_owned()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .filter(|key| values.live(key).is_some())
            .take(limit as usize + 1)
            .cloned()
            .collect();
        let next_cursor = if keys.len() > limit as usize { keys.pop() } else { None };
        Ok(KeyPage { keys, next_cursor })
    }
}
