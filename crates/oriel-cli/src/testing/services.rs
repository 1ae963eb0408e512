//! What a guest reaches in a test: a store of memory, a list of log lines, a list of refusals.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_extensions::{DeclaredCollections, GuestCollections};
use oriel_model::Timestamp;
use oriel_model::collection::CollectionManifest;
use oriel_model::id::InstallationId;
use oriel_model::limits::Limits;
use oriel_model::name::SecretName;
use oriel_model::time::{Clock as _, ManualClock};
use oriel_sandbox::{
    Clock, Entry, HostServices, KeyPage, KeyValue, KeyValueError, LogRecord, LogSink, Refusal, RefusalSink, SecretUse, SecretValue, Secrets,
};
use oriel_store::{CollectionScope, KvQuota, KvScope, StoreError};
use parking_lot::Mutex;

use super::doubles::Doubles;

/// A clock that stands still.
pub(super) struct StillClock(pub(super) Arc<ManualClock>);

impl Clock for StillClock {
    fn unix_time(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().millis()).unwrap_or(0))
    }
}

/// What is seen of a guest's work afterwards.
#[derive(Debug, Default)]
pub(super) struct Witness {
    pub(super) logs: Mutex<Vec<LogRecord>>,
    pub(super) refusals: Mutex<Vec<String>>,
}

impl LogSink for Witness {
    fn write(&self, record: LogRecord) {
        self.logs.lock().push(record);
    }
}

impl RefusalSink for Witness {
    fn refused(&self, refusal: Refusal) {
        self.refusals.lock().push(refusal.what);
    }
}

/// One extension's share of a store of memory.
pub(super) struct Memory {
    store: Arc<dyn oriel_store::KeyValue>,
    clock: Arc<ManualClock>,
    scope: KvScope,
    quota: KvQuota,
}

impl Memory {
    pub(super) fn new(clock: Arc<ManualClock>, scope: KvScope, limits: &Limits) -> Self {
        let quota = KvQuota {
            keys: limits.kv_keys.into(),
            bytes: limits.kv_total.0,
        };
        Self {
            store: oriel_store::memory::stores().key_value,
            clock,
            scope,
            quota,
        }
    }

    fn times(&self, ttl: Option<Duration>) -> (Timestamp, Option<Timestamp>) {
        let now = self.clock.now();
        (now, ttl.map(|ttl| now.plus(ttl)))
    }
}

/// The secrets that a case sets. Nobody takes note of their uses: recorded exchanges see what arrives.
struct Given(BTreeMap<SecretName, SecretValue>);

impl Secrets for Given {
    fn value(&self, name: &SecretName) -> Option<&SecretValue> {
        self.0.get(name)
    }

    fn used(&self, _: SecretUse) {}
}

/// The extension's collections, empty.
pub(super) fn documents(
    clock: &Arc<ManualClock>,
    scope: &KvScope,
    collections: &[CollectionManifest],
    limits: &Limits,
) -> Arc<GuestCollections> {
    let scope = CollectionScope {
        tenant: scope.tenant,
        extension: scope.extension.clone(),
    };
    let installation = InstallationId::new(clock.now());
    let declared = DeclaredCollections::of(scope, installation, collections.to_vec(), limits);
    Arc::new(GuestCollections::alone(
        oriel_store::memory::stores().collections,
        clock.clone(),
        declared,
    ))
}

/// All that a sandbox wants.
pub(super) fn services(
    memory: &Arc<Memory>,
    witness: &Arc<Witness>,
    doubles: &Arc<Doubles>,
    documents: Arc<GuestCollections>,
    secrets: BTreeMap<SecretName, SecretValue>,
) -> HostServices {
    // Other extensions and measurements are not available in tests.
    let mut services = HostServices::new(memory.clone(), witness.clone(), witness.clone());
    services.secrets = Arc::new(Given(secrets));
    services.collections = documents;
    services.queue = doubles.clone();
    services.models = doubles.clone();
    services
}

fn guest_error(error: StoreError) -> KeyValueError {
    match error {
        StoreError::Quota { what } => KeyValueError::LimitExceeded(format!("the limit `{what}` is used up")),
        StoreError::WrongForm { expected } => KeyValueError::InvalidInput(format!("the stored value is not {expected}")),
        StoreError::Cursor => KeyValueError::InvalidInput("the cursor is not one of this list's".to_owned()),
        error => KeyValueError::Internal(error.to_string()),
    }
}

#[async_trait::async_trait]
impl KeyValue for Memory {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KeyValueError> {
        let entry = self.store.get(&self.scope, key, self.clock.now()).await.map_err(guest_error)?;
        Ok(entry.map(|entry| Entry {
            value: entry.value,
            version: entry.version,
        }))
    }

    async fn set(&self, key: &str, value: Vec<u8>, ttl: Option<Duration>) -> Result<u64, KeyValueError> {
        let (now, expires) = self.times(ttl);
        self.store
            .set(&self.scope, key, value, expires, self.quota, now)
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
        let (now, expires) = self.times(ttl);
        self.store
            .compare_and_swap(&self.scope, key, expected, value, expires, self.quota, now)
            .await
            .map_err(guest_error)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KeyValueError> {
        let (now, expires) = self.times(ttl);
        self.store
            .increment(&self.scope, key, by, expires, self.quota, now)
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
