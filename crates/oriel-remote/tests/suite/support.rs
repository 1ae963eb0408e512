//! A service of our own, byte by byte, and a pool that calls it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::limits::TimeSpan;
use oriel_model::permissions::Permissions;
use oriel_model::time::SystemClock;
use oriel_remote::{HttpService, Signer, SigningSecret};
use oriel_sandbox::*;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One sandbox for all tests.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let mut options = SandboxOptions::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/native"));
        options.max_instances = 100;
        options.callback_url = Some("http://127.0.0.1:1".to_owned());
        Sandbox::new(options).unwrap()
    })
}

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> String {
        let start = format!("{name}: ");
        let line = self.head.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_default().to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn token(&self) -> String {
        self.json()["callback"]["token"].as_str().unwrap().to_owned()
    }
}

/// Reads one request.
pub(crate) async fn arrived(stream: &mut TcpStream) -> Option<Arrived> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut body = bytes.split_off(end + 4);
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let length: usize = length.parse().unwrap();
            while body.len() < length {
                let mut more = vec![0; length - body.len()];
                let count = stream.read(&mut more).await.ok().filter(|count| *count > 0)?;
                body.extend_from_slice(&more[..count]);
            }
            return Some(Arrived { head, body });
        }
        let mut more = [0; 4_096];
        let count = stream.read(&mut more).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&more[..count]);
    }
}

/// A good answer.
pub(crate) fn ok(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

/// A service that answers each request of a connection with what `answer` makes of it, and how many connections it had.
pub(crate) async fn service<F>(answer: F) -> (SocketAddr, Arc<AtomicU64>)
where
    F: Fn(Arrived) -> Vec<u8> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicU64::new(0));
    let (count, answer) = (connections.clone(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Relaxed);
            let answer = answer.clone();
            tokio::spawn(async move {
                while let Some(request) = arrived(&mut stream).await {
                    if stream.write_all(&answer(request)).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    (address, connections)
}

/// A service whose every connection is handled by `handle`.
pub(crate) async fn raw<F, W>(handle: F) -> SocketAddr
where
    F: Fn(TcpStream) -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream));
        }
    });
    address
}

/// What host calls left behind.
#[derive(Default)]
pub(crate) struct Traces {
    pub(crate) lines: Mutex<Vec<LogRecord>>,
    pub(crate) refused: Mutex<Vec<String>>,
    pub(crate) values: Mutex<BTreeMap<String, Entry>>,
}

impl LogSink for Traces {
    fn write(&self, record: LogRecord) {
        self.lines.lock().push(record);
    }
}

impl RefusalSink for Traces {
    fn refused(&self, refusal: Refusal) {
        self.refused.lock().push(refusal.what);
    }
}

#[async_trait::async_trait]
impl KeyValue for Traces {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KeyValueError> {
        Ok(self.values.lock().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, _: Option<Duration>) -> Result<u64, KeyValueError> {
        if key == "stuck" {
            std::future::pending::<()>().await;
        }
        let mut values = self.values.lock();
        let version = values.get(key).map_or(1, |entry| entry.version + 1);
        values.insert(key.to_owned(), Entry { value, version });
        Ok(version)
    }

    async fn delete(&self, key: &str) -> Result<bool, KeyValueError> {
        Ok(self.values.lock().remove(key).is_some())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Option<u64>, KeyValueError> {
        let now = self.values.lock().get(key).map(|entry| entry.version);
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
            .map_or(0, |entry| String::from_utf8(entry.value).unwrap().parse().unwrap());
        let sum: i64 = now + by;
        self.set(key, sum.to_string().into_bytes(), ttl).await?;
        Ok(sum)
    }

    async fn list_keys(&self, prefix: &str, limit: u32, _: Option<&str>) -> Result<KeyPage, KeyValueError> {
        let values = self.values.lock();
        let keys = values
            .keys()
            .filter(|key| key.starts_with(prefix))
            .take(limit as usize)
            .cloned()
            .collect();
        Ok(KeyPage { keys, next_cursor: None })
    }
}

/// Names with the addresses that each look gets, one after the other, the last one for ever.
pub(crate) struct Names(pub(crate) BTreeMap<&'static str, Vec<Vec<&'static str>>>, pub(crate) AtomicU64);

#[async_trait::async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let looks = self.0.get(host).ok_or_else(|| std::io::Error::other("no such name"))?;
        let look = usize::try_from(self.1.fetch_add(1, Relaxed)).unwrap().min(looks.len() - 1);
        Ok(looks[look]
            .iter()
            .map(|address| SocketAddr::new(address.parse().unwrap(), port))
            .collect())
    }
}

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub(crate) fn secret() -> SigningSecret {
    SECRET.parse().unwrap()
}

/// How a service is called.
pub(crate) struct Setup {
    pub(crate) spec: PoolSpec,
    pub(crate) traces: Arc<Traces>,
}

pub(crate) fn loopback() -> Permissions {
    Permissions {
        private_network: vec!["127.0.0.0/8".parse().unwrap()],
        ..Permissions::default()
    }
}

/// An HTTP service as an installation has it.
pub(crate) fn http(url: &str, allowed: Permissions, resolver: Arc<dyn Resolve>) -> HttpService {
    let signer = Signer::new(vec![(secret(), None)]);
    HttpService::new(
        url.parse().unwrap(),
        signer,
        allowed,
        resolver,
        &TrustedRoots::mozilla(),
        Arc::new(SystemClock),
    )
}

impl Setup {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::of(http(&format!("http://{address}"), loopback(), Arc::new(SystemResolver)))
    }

    pub(crate) fn of(service: HttpService) -> Self {
        let traces = Arc::new(Traces::default());
        let services = HostServices::new(traces.clone(), traces.clone(), traces.clone());
        static TENANTS: AtomicU64 = AtomicU64::new(1);
        let tenant = TenantId::new(Timestamp::from_millis(i64::try_from(TENANTS.fetch_add(1, Relaxed)).unwrap()));
        let mut spec = PoolSpec::new(
            tenant,
            "acme".parse().unwrap(),
            "orders".parse().unwrap(),
            "1.2.3".parse().unwrap(),
            Code::Remote(Arc::new(service)),
            services,
        );
        // Generous, so that a busy machine fails no test that is not about time.
        spec.limits.timeout = TimeSpan(Duration::from_secs(60));
        spec.grant.key_value = true;
        Self { spec, traces }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut PoolSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub(crate) fn pool(self) -> (Pool, Arc<Traces>) {
        (sandbox().pool(self.spec), self.traces)
    }
}

/// The id of every call.
pub(crate) fn execution() -> ExecutionId {
    static ONE: OnceLock<ExecutionId> = OnceLock::new();
    *ONE.get_or_init(|| ExecutionId::new(Timestamp::from_millis(1)))
}

/// Calls the program `p`.
pub(crate) async fn call(pool: &Pool, input: &str) -> Result<String, CallError> {
    pool.execute(&Ask::new("p", execution()), input).await.result
}
