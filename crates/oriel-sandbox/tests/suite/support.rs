//! A sandbox, a tenant, and services that remember what reached them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use oriel_model::execution::Resources;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::limits::{ByteSize, TimeSpan};
use oriel_model::{Coded, Digest, ErrorCode};
use oriel_sandbox::*;

/// One code cache for all tests of a run, so that each guest is compiled once. Few instances, because many engines
/// live at once here and each reserves address space for all of its own.
pub(crate) fn options() -> SandboxOptions {
    let mut options = SandboxOptions::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/native"));
    options.max_instances = 100;
    options
}

/// One sandbox for the tests that do not need their own.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(options()).unwrap())
}

/// Bytes handed out when asked, and how often they were.
pub(crate) struct Source(pub(crate) Vec<u8>, pub(crate) AtomicU64);

#[async_trait::async_trait]
impl ComponentSource for Source {
    async fn load(&self) -> Result<bytes::Bytes, SourceError> {
        self.1.fetch_add(1, Relaxed);
        Ok(self.0.clone().into())
    }
}

/// What host calls left behind.
#[derive(Default)]
pub(crate) struct Traces {
    pub(crate) log: Mutex<Vec<LogRecord>>,
    pub(crate) refusals: Mutex<Vec<Refusal>>,
    pub(crate) values: Mutex<BTreeMap<String, Entry>>,
    /// Key-value calls never come back.
    pub(crate) stuck: std::sync::atomic::AtomicBool,
}

impl Traces {
    pub(crate) fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|record| record.message.clone()).collect()
    }

    pub(crate) fn refused(&self) -> Vec<String> {
        self.refusals.lock().unwrap().iter().map(|refusal| refusal.what.clone()).collect()
    }
}

impl LogSink for Traces {
    fn write(&self, record: LogRecord) {
        self.log.lock().unwrap().push(record);
    }
}

impl RefusalSink for Traces {
    fn refused(&self, refusal: Refusal) {
        self.refusals.lock().unwrap().push(refusal);
    }
}

#[async_trait::async_trait]
impl KeyValue for Traces {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KeyValueError> {
        if self.stuck.load(Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(self.values.lock().unwrap().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, _ttl: Option<Duration>) -> Result<u64, KeyValueError> {
        let mut values = self.values.lock().unwrap();
        let version = values.get(key).map_or(1, |entry| entry.version + 1);
        values.insert(key.to_owned(), Entry { value, version });
        Ok(version)
    }

    async fn delete(&self, key: &str) -> Result<bool, KeyValueError> {
        Ok(self.values.lock().unwrap().remove(key).is_some())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Option<u64>, KeyValueError> {
        let now = self.values.lock().unwrap().get(key).map(|entry| entry.version);
        if now == expected {
            self.set(key, value, ttl).await.map(Some)
        } else {
            Ok(None)
        }
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KeyValueError> {
        let now = self
            .get(key)
            .await?
            .map_or(0, |entry| String::from_utf8(entry.value).unwrap().parse::<i64>().unwrap());
        self.set(key, (now + by).to_string().into_bytes(), ttl).await?;
        Ok(now + by)
    }

    async fn list_keys(&self, prefix: &str, limit: u32, _cursor: Option<&str>) -> Result<KeyPage, KeyValueError> {
        let values = self.values.lock().unwrap();
        let keys = values
            .keys()
            .filter(|key| key.starts_with(prefix))
            .take(limit as usize)
            .cloned()
            .collect();
        Ok(KeyPage { keys, next_cursor: None })
    }
}

/// What a test pool runs; set what differs, then ask for the pool.
pub(crate) struct Setup {
    pub(crate) spec: PoolSpec,
    pub(crate) traces: Arc<Traces>,
}

impl Setup {
    /// The guest of `tests/guests/`.
    pub(crate) fn guest(name: &str) -> Self {
        Self::wasm(oriel_test_guests::component(name))
    }

    pub(crate) fn wasm(wasm: Vec<u8>) -> Self {
        let traces = Arc::<Traces>::default();
        let services = HostServices::new(traces.clone(), traces.clone(), traces.clone());
        let mut spec = PoolSpec::new(
            tenant(1),
            "acme".parse().unwrap(),
            "specimen".parse().unwrap(),
            "1.2.3".parse().unwrap(),
            Code::Component {
                digest: Digest::of(&wasm),
                source: Arc::new(Source(wasm, AtomicU64::new(0))),
            },
            services,
        );
        // Generous, so that a busy machine fails no test that is not about time.
        spec.limits.timeout = TimeSpan(Duration::from_secs(60));
        spec.limits.cpu = TimeSpan(Duration::from_secs(60));
        spec.limits.start_timeout = TimeSpan(Duration::from_secs(60));
        Self { spec, traces }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut PoolSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub(crate) fn pool(self) -> (Pool, Arc<Traces>) {
        self.pool_in(sandbox())
    }

    pub(crate) fn pool_in(self, sandbox: &Sandbox) -> (Pool, Arc<Traces>) {
        (sandbox.pool(self.spec), self.traces)
    }
}

pub(crate) fn tenant(number: u128) -> TenantId {
    TenantId::from_ulid(ulid::Ulid::from_parts(1, number))
}

pub(crate) fn execution() -> ExecutionId {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    ExecutionId::from_ulid(ulid::Ulid::from_parts(2, u128::from(COUNT.fetch_add(1, Relaxed))))
}

pub(crate) fn call<'a>(program: &'a str, input: &'a str) -> Call<'a> {
    Call {
        program,
        input,
        execution: execution(),
        task: None,
        principal: None,
        user: None,
        traceparent: None,
        timeout: None,
    }
}

/// What a call answers, as text: the output, or `code: message`.
pub(crate) async fn answer(pool: &Pool, program: &str, input: &str) -> String {
    shown(pool.call(call(program, input)).await)
}

pub(crate) fn shown(outcome: Outcome) -> String {
    match outcome.result {
        Ok(output) => output,
        Err(error) => format!("{}: {error}", error.code()),
    }
}

pub(crate) async fn failure(pool: &Pool, program: &str, input: &str) -> (ErrorCode, Resources) {
    let outcome = pool.call(call(program, input)).await;
    (outcome.result.expect_err("it should fail").code(), outcome.resources)
}

pub(crate) const fn bytes(amount: u64) -> ByteSize {
    ByteSize(amount)
}

pub(crate) const fn ms(amount: u64) -> TimeSpan {
    TimeSpan(Duration::from_millis(amount))
}

/// The head of a request; nothing when the client goes away.
pub(crate) async fn head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::io::AsyncReadExt::read_u8(stream).await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}
