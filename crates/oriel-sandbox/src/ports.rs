//! What the sandbox needs from outside, as small object-safe traits.

mod calls;
mod collections;
mod contacts;
mod metrics;
mod models;
mod queue;
mod remote;
mod secrets;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::log::LogLevel;
use oriel_model::name::ExtensionName;
use oriel_model::permissions::Scheme;

pub use self::calls::{Calls, GuestCall, NoCalls};
pub use self::collections::{
    CollectionChange, CollectionFailure, CollectionPage, CollectionQuery, CollectionWrite, Collections, NoCollections,
};
pub use self::contacts::{Contacts, NoContacts};
pub use self::metrics::{Measurement, MetricKind, Metrics, NoMetrics};
pub use self::models::{ChatMessage, ChatRole, Completion, CompletionRequest, FinishReason, ModelCall, Models, NO_MODEL, NoModels};
pub use self::queue::{Enqueue, NoQueue, Queue};
pub use self::remote::{Remote, RemoteConnection, RemoteError, RemoteRequest};
pub use self::secrets::{NoSecrets, SecretUse, SecretValue, Secrets};
use crate::error::SourceError;

/// Where a component's bytes come from when its native artifact is missing or unusable.
#[async_trait::async_trait]
pub trait ComponentSource: Send + Sync {
    /// The component. The sandbox checks its digest.
    async fn load(&self) -> Result<Bytes, SourceError>;
}

/// Where the guest's host calls end, already bound to one tenant and extension.
#[derive(Clone)]
pub struct HostServices {
    /// The extension's values.
    pub key_value: Arc<dyn KeyValue>,
    /// Its log.
    pub log: Arc<dyn LogSink>,
    /// Host calls that its grant does not cover.
    pub refusals: Arc<dyn RefusalSink>,
    /// Programs of other extensions.
    pub calls: Arc<dyn Calls>,
    /// The extension's documents.
    pub collections: Arc<dyn Collections>,
    /// Its secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Its own measurements.
    pub metrics: Arc<dyn Metrics>,
    /// Who is told which hosts it contacts.
    pub contacts: Arc<dyn Contacts>,
    /// Its queue.
    pub queue: Arc<dyn Queue>,
    /// The operator's model.
    pub models: Arc<dyn Models>,
}

impl HostServices {
    /// Services with nobody to call, no secrets, no measurements, no queue and no model; set those fields afterwards where there are some.
    #[must_use]
    pub fn new(key_value: Arc<dyn KeyValue>, log: Arc<dyn LogSink>, refusals: Arc<dyn RefusalSink>) -> Self {
        Self {
            key_value,
            log,
            refusals,
            calls: Arc::new(NoCalls),
            collections: Arc::new(NoCollections),
            secrets: Arc::new(NoSecrets),
            metrics: Arc::new(NoMetrics),
            contacts: Arc::new(NoContacts),
            queue: Arc::new(NoQueue),
            models: Arc::new(NoModels),
        }
    }
}

/// Why a host call has no answer. The texts reach the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// What the guest gave cannot be used.
    #[error("{0}")]
    InvalidInput(String),
    /// Something does not answer, or not now.
    #[error("{0}")]
    Unavailable(String),
    /// It may not.
    #[error("{0}")]
    Denied(String),
    /// A limit is reached; the text names it.
    #[error("{0}")]
    LimitExceeded(String),
    /// The call's deadline passed.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// A fault of the side that answers.
    #[error("{0}")]
    Internal(String),
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Grows with each write of its key.
    pub version: u64,
}

/// Some keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// In ascending order of their bytes.
    pub keys: Vec<String>,
    /// Where the next page starts; absent on the last one.
    pub next_cursor: Option<String>,
}

/// Why a key-value call failed. The texts reach the guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyValueError {
    /// The key, value or cursor cannot be used.
    #[error("{0}")]
    InvalidInput(String),
    /// A quota is used up; the text names the limit.
    #[error("{0}")]
    LimitExceeded(String),
    /// The store does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of the store.
    #[error("{0}")]
    Internal(String),
}

/// The `key-value` interface, bound to one tenant and extension. The sandbox checks the grant and the length of
/// keys and values; quotas over all keys are the store's.
#[async_trait::async_trait]
pub trait KeyValue: Send + Sync {
    /// The entry of `key`, unless there is none or it has expired.
    async fn get(&self, key: &str) -> Result<Option<Entry>, KeyValueError>;
    /// Writes whatever is there; answers the new version.
    async fn set(&self, key: &str, value: Vec<u8>, ttl: Option<Duration>) -> Result<u64, KeyValueError>;
    /// Answers whether there was something to delete.
    async fn delete(&self, key: &str) -> Result<bool, KeyValueError>;
    /// Writes only if the entry's version is `expected` (`None`: only if there is no entry). Answers the new
    /// version, or nothing when another writer was faster.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Option<u64>, KeyValueError>;
    /// Adds to a decimal integer (absent counts as 0) in one step and answers the sum. `ttl` counts from the
    /// entry's creation.
    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KeyValueError>;
    /// Keys that start with `prefix`, at most `limit` (1 to 1000) of them, from `cursor` on.
    async fn list_keys(&self, prefix: &str, limit: u32, cursor: Option<&str>) -> Result<KeyPage, KeyValueError>;
}

/// One line that a guest wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// In which call; absent in `initialize` and `health-check`.
    pub execution: Option<ExecutionId>,
    /// How much it matters.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// Structured values beside it, in the guest's order.
    pub fields: Vec<(String, String)>,
}

/// Takes log lines. Called on the guest's own turn: it must not block.
pub trait LogSink: Send + Sync {
    /// Takes one line.
    fn write(&self, record: LogRecord);
}

/// A host call that the grant does not cover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For whom the extension ran.
    pub tenant: TenantId,
    /// The extension.
    pub extension: ExtensionName,
    /// In which call; absent in `initialize` and `health-check`.
    pub execution: Option<ExecutionId>,
    /// What was refused, in words for an administrator: `network evil.example:443`.
    pub what: String,
}

/// Takes refusals, for the audit log. Called on the guest's own turn: it must not block.
pub trait RefusalSink: Send + Sync {
    /// Takes one refusal.
    fn refused(&self, refusal: Refusal);
}

/// Turns host names into addresses.
#[async_trait::async_trait]
pub trait Resolve: Send + Sync {
    /// Every address of `host`, each with `port`.
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>>;
}

/// A connection's bytes, both ways.
pub trait Stream: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Stream for T {}

/// Opens connections in place of the network: what `oriel test` answers recorded exchanges with. Grants, addresses
/// and limits are checked before as ever.
#[async_trait::async_trait]
pub trait Connect: Send + Sync {
    /// A connection to `host` at one of `addresses`, over which HTTP/1.1 is spoken in the clear, whatever `scheme` says.
    async fn connect(&self, scheme: Scheme, host: &str, addresses: &[SocketAddr]) -> std::io::Result<Box<dyn Stream>>;
}

/// The wall clock that guests see through WASI and in their call context. Time limits do not use it.
pub trait Clock: Send + Sync {
    /// Time since the Unix epoch.
    fn unix_time(&self) -> Duration;
}
