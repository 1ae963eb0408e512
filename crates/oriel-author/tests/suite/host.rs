//! A sandbox, and services that remember what reached them. Its network has one server, which answers every request
//! with a description of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use oriel_author::BuildReport;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::limits::TimeSpan;
use oriel_model::name::{ContributionName, SecretName};
use oriel_model::permissions::{Permissions, Scheme};
use oriel_model::{Coded as _, Timestamp};
use oriel_sandbox::{
    Call, Calls, Code, Completion, ComponentSource, Connect, Enqueue, Entry, FinishReason, GuestCall, GuestError, HostServices, KeyPage,
    KeyValue, KeyValueError, LogRecord, LogSink, Measurement, Metrics, ModelCall, ModelUse, Models, Pool, PoolSpec, Queue, Refusal,
    RefusalSink, Resolve, Sandbox, SandboxOptions, SecretUse, SecretValue, Secrets, SourceError, Stream,
};

/// A component in a pool of its own, with what it left behind.
pub(super) struct Running {
    pub(super) pool: Pool,
    traces: Arc<Traces>,
}

impl Running {
    /// The component of `report`, with all that its manifest asks for.
    pub(super) fn new(report: &BuildReport) -> Self {
        Self::with(report, |_| {})
    }

    /// The component of `report`, with this grant.
    pub(super) fn granted(report: &BuildReport, grant: Permissions) -> Self {
        Self::with(report, |spec| spec.grant = grant)
    }

    /// The component of `report`, with what differs.
    pub(super) fn with(report: &BuildReport, change: impl FnOnce(&mut PoolSpec)) -> Self {
        let manifest = &report.project.manifest;
        let wasm = std::fs::read(&report.component).expect("the component");
        Sandbox::check(&Sandbox::inspect(&wasm).expect("a component"), manifest).expect("it agrees with its manifest");
        let traces = Arc::<Traces>::default();
        let mut spec = PoolSpec::new(
            TenantId::new(Timestamp::from_millis(1)),
            "acme".parse().expect("a name"),
            manifest.name.clone(),
            manifest.version.clone(),
            Code::Component {
                digest: report.digest,
                source: Arc::new(InMemory(wasm.into())),
            },
            HostServices {
                calls: traces.clone(),
                secrets: traces.clone(),
                metrics: traces.clone(),
                queue: traces.clone(),
                models: traces.clone(),
                ..HostServices::new(traces.clone(), traces.clone(), traces.clone())
            },
        );
        // Generous, so that a busy machine fails no test.
        spec.limits.timeout = TimeSpan(Duration::from_secs(60));
        spec.limits.cpu = TimeSpan(Duration::from_secs(60));
        spec.limits.start_timeout = TimeSpan(Duration::from_secs(60));
        spec.lifecycle = manifest.lifecycle;
        spec.grant = manifest.permissions.clone();
        spec.config = r#"{"größe":1}"#.into();
        change(&mut spec);
        Self {
            pool: sandbox().pool(spec),
            traces,
        }
    }

    /// What a call answers, as text: the output, or `code: message`.
    pub(super) async fn call(&self, program: &str, input: &str) -> String {
        let call = Call {
            program,
            input,
            execution: ExecutionId::new(Timestamp::from_millis(1)),
            task: None,
            principal: None,
            user: None,
            traceparent: None,
            timeout: None,
        };
        match self.pool.call(call).await.result {
            Ok(output) => output,
            Err(error) => format!("{}: {error}", error.code()),
        }
    }

    /// The log lines since the last look, with their fields.
    pub(super) fn log(&self) -> Vec<String> {
        let records = std::mem::take(&mut *self.traces.log.lock().expect("unpoisoned"));
        let line = |record: LogRecord| {
            let fields: String = record.fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
            format!("{:?} {}{fields}", record.level, record.message)
        };
        records.into_iter().map(line).collect()
    }

    /// The text that is stored under a key.
    pub(super) fn stored(&self, key: &str) -> Option<String> {
        let values = self.traces.values.lock().expect("unpoisoned");
        values.get(key).map(|entry| String::from_utf8_lossy(&entry.value).into_owned())
    }

    /// What was put into the queue, and what the model was asked, since the last time.
    pub(super) fn later(&self) -> Vec<String> {
        std::mem::take(&mut self.traces.later.lock().expect("unpoisoned"))
    }

    /// What was measured since the last look.
    pub(super) fn measured(&self) -> Vec<String> {
        std::mem::take(&mut *self.traces.measured.lock().expect("unpoisoned"))
    }

    /// What the grant refused since the last look.
    pub(super) fn refused(&self) -> Vec<String> {
        std::mem::take(&mut *self.traces.refusals.lock().expect("unpoisoned"))
    }
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let mut options = SandboxOptions::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/native"));
        options.max_instances = 200;
        options.resolver = Arc::new(Network);
        options.connector = Some(Arc::new(Network));
        Sandbox::new(options).expect("a sandbox")
    })
}

struct InMemory(Bytes);

#[async_trait::async_trait]
impl ComponentSource for InMemory {
    async fn load(&self) -> Result<Bytes, SourceError> {
        Ok(self.0.clone())
    }
}

struct Network;

#[async_trait::async_trait]
impl Resolve for Network {
    async fn resolve(&self, _host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(vec![SocketAddr::from((Ipv4Addr::new(1, 1, 1, 1), port))])
    }
}

#[async_trait::async_trait]
impl Connect for Network {
    async fn connect(&self, scheme: Scheme, host: &str, _addresses: &[SocketAddr]) -> std::io::Result<Box<dyn Stream>> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let origin = format!("{scheme:?} {host}").to_lowercase();
        tokio::spawn(async move {
            let service = service_fn(|request| describe(origin.clone(), request));
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(ours), service)
                .await;
        });
        Ok(Box::new(theirs))
    }
}

/// `{"origin", "request", "probe", "type", "body"}`; the status is 201 with a body and 200 without.
async fn describe(origin: String, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let header = |name: &str| {
        let value = head
            .headers
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        value.map_or("null".to_owned(), |text| format!("{text:?}"))
    };
    let text = format!(
        r#"{{"origin":{origin:?},"request":"{} {}","probe":{},"type":{},"body":{}}}"#,
        head.method,
        head.uri,
        header("x-probe"),
        header("content-type"),
        if body.is_empty() {
            "null".into()
        } else {
            String::from_utf8_lossy(&body)
        },
    );
    let answer = Response::builder().header("Content-Type", "application/json");
    let answer = answer.status(if body.is_empty() { 200 } else { 201 });
    Ok(answer.body(Full::new(text.into())).expect("a response"))
}

struct Traces {
    measured: Mutex<Vec<String>>,
    /// What was put into the queue, and what the model was asked.
    later: Mutex<Vec<String>>,
    token: SecretValue,
    log: Mutex<Vec<LogRecord>>,
    refusals: Mutex<Vec<String>>,
    values: Mutex<BTreeMap<String, Entry>>,
}

impl Default for Traces {
    fn default() -> Self {
        Self {
            measured: Mutex::default(),
            later: Mutex::default(),
            token: SecretValue::new("hush".to_owned()),
            log: Mutex::default(),
            refusals: Mutex::default(),
            values: Mutex::default(),
        }
    }
}

/// Answers every call with a description of it, but those of `closed`.
#[async_trait::async_trait]
impl Calls for Traces {
    async fn execute(&self, call: GuestCall) -> Result<String, GuestError> {
        if call.program.as_str() == "closed" {
            return Err(GuestError::Unavailable("it is closed".to_owned()));
        }
        let (extension, program, input) = (&call.extension, &call.program, &call.input);
        Ok(format!(r#"{{"asked":"{extension}/{program}","input":{input}}}"#))
    }
}

impl Secrets for Traces {
    fn value(&self, name: &SecretName) -> Option<&SecretValue> {
        (name.as_str() == "token").then_some(&self.token)
    }

    fn used(&self, _: SecretUse) {}
}

/// Takes every run but those of `closed`.
#[async_trait::async_trait]
impl Queue for Traces {
    async fn enqueue(&self, run: Enqueue) -> Result<String, GuestError> {
        if run.job.as_str() == "closed" {
            return Err(GuestError::LimitExceeded("it is full".to_owned()));
        }
        let (key, attempts) = (run.key.unwrap_or_default(), run.attempts.unwrap_or_default());
        let line = format!("{} {} {} {key} {attempts}", run.job, run.input, run.delay.as_millis());
        self.later.lock().expect("unpoisoned").push(line);
        Ok("jrun_1".to_owned())
    }

    async fn pending(&self, _: &ContributionName) -> Result<u64, GuestError> {
        Ok(1 << 40)
    }
}

/// Answers with a JSON object where a schema is given, and cuts anything else short.
#[async_trait::async_trait]
impl Models for Traces {
    async fn complete(&self, call: ModelCall) -> Result<Completion, GuestError> {
        let asked = &call.request;
        let messages: Vec<String> = asked
            .messages
            .iter()
            .map(|message| format!("{}: {}", message.role.as_str(), message.content))
            .collect();
        let line = format!(
            "{:?} {messages:?} {:?} {:?} {:?} {:?}",
            asked.model, asked.max_tokens, asked.temperature, asked.json_schema, asked.stop
        );
        self.later.lock().expect("unpoisoned").push(line);
        Ok(Completion {
            text: if asked.json_schema.is_some() { r#"{"a": 42}"# } else { "forty" }.to_owned(),
            finish: FinishReason::Length,
            used: ModelUse {
                input_tokens: 1 << 33,
                output_tokens: 2,
                spend: 0,
            },
            model: "small-2026".to_owned(),
        })
    }
}

impl Metrics for Traces {
    fn measure(&self, measurement: Measurement<'_>) {
        let line = format!(
            "{:?} {} {} {:?}",
            measurement.kind, measurement.name, measurement.value, measurement.labels
        );
        self.measured.lock().expect("unpoisoned").push(line);
    }
}

impl LogSink for Traces {
    fn write(&self, record: LogRecord) {
        self.log.lock().expect("unpoisoned").push(record);
    }
}

impl RefusalSink for Traces {
    fn refused(&self, refusal: Refusal) {
        self.refusals.lock().expect("unpoisoned").push(refusal.what);
    }
}

#[async_trait::async_trait]
impl KeyValue for Traces {
    async fn get(&self, key: &str) -> Result<Option<Entry>, KeyValueError> {
        Ok(self.values.lock().expect("unpoisoned").get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>, _ttl: Option<Duration>) -> Result<u64, KeyValueError> {
        let mut values = self.values.lock().expect("unpoisoned");
        let version = values.get(key).map_or(1, |entry| entry.version + 1);
        values.insert(key.to_owned(), Entry { value, version });
        Ok(version)
    }

    async fn delete(&self, key: &str) -> Result<bool, KeyValueError> {
        Ok(self.values.lock().expect("unpoisoned").remove(key).is_some())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> Result<Option<u64>, KeyValueError> {
        if self.get(key).await?.map(|entry| entry.version) == expected {
            return self.set(key, value, ttl).await.map(Some);
        }
        Ok(None)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, KeyValueError> {
        let now = self
            .get(key)
            .await?
            .map_or(0, |entry| String::from_utf8_lossy(&entry.value).parse::<i64>().expect("a counter"));
        self.set(key, (now + by).to_string().into_bytes(), ttl).await?;
        Ok(now + by)
    }

    async fn list_keys(&self, prefix: &str, limit: u32, cursor: Option<&str>) -> Result<KeyPage, KeyValueError> {
        // Short pages, so that a kit has to ask again.
        let limit = limit.min(1) as usize;
        let values = self.values.lock().expect("unpoisoned");
        let mut keys = values
            .keys()
            .filter(|key| key.starts_with(prefix) && cursor.is_none_or(|cursor| key.as_str() > cursor));
        let page: Vec<String> = keys.by_ref().take(limit).cloned().collect();
        let next_cursor = keys.next().and_then(|_| page.last().cloned());
        Ok(KeyPage { keys: page, next_cursor })
    }
}
