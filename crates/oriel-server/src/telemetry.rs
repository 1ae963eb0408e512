//! Log lines and traces.
//!
//! Traces are exported by OTLP when the standard environment variables say where
//! (`OTEL_EXPORTER_OTLP_ENDPOINT`, …); otherwise no span is made and a request pays one atomic load for the question.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Config, LogFormat};
use crate::operations::Operation;
use crate::server::ServerError;

static SPANS: AtomicBool = AtomicBool::new(false);

/// Keeps the exporter running; [`Telemetry::shutdown`] sends what it still holds.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sets up log lines on standard error, and traces if the environment asks for them, for the whole process. To be
    /// called once, before the server starts.
    ///
    /// # Errors
    /// When `log_level` cannot be understood, the exporter cannot be set up, or it was called before.
    pub fn init(config: &Config) -> Result<Self, ServerError> {
        let invalid = |reason: String| ServerError::Telemetry { reason };
        let filter = EnvFilter::try_new(&config.log_level).map_err(|error| invalid(format!("`log_level`: {error}")))?;
        let painted = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(painted);
        let lines = match config.log_format {
            LogFormat::Text => lines.with_target(true).boxed(),
            LogFormat::Json => lines.json().flatten_event(true).boxed(),
        };
        let provider = if export_wanted() {
            Some(provider().map_err(invalid)?)
        } else {
            None
        };
        let traces = provider
            .as_ref()
            .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer("oriel")));
        tracing_subscriber::registry()
            .with(lines.with_filter(filter))
            .with(traces.with_filter(EnvFilter::new("info")))
            .try_init()
            .map_err(|error| invalid(error.to_string()))?;
        SPANS.store(provider.is_some(), Ordering::Relaxed);
        Ok(Self { provider })
    }

    /// Sends what is still to be sent. Blocks for a few seconds at most.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider {
            SPANS.store(false, Ordering::Relaxed);
            if let Err(error) = provider.shutdown() {
                tracing::debug!(%error, "the last traces were not exported");
            }
        }
    }
}

fn export_wanted() -> bool {
    let set = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let off = std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"))
        || std::env::var("OTEL_TRACES_EXPORTER").is_ok_and(|value| value == "none");
    !off && (set("OTEL_EXPORTER_OTLP_ENDPOINT") || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
}

fn provider() -> Result<SdkTracerProvider, String> {
    check_protocol()?;
    // The exporter's client blocks, on the exporter's own thread; it must not be made on a thread of the runtime.
    let exporter = std::thread::spawn(|| opentelemetry_otlp::SpanExporter::builder().with_http().build())
        .join()
        .map_err(|_| "the exporter cannot be set up".to_owned())?
        .map_err(|error| error.to_string())?;
    let mut resource = opentelemetry_sdk::Resource::builder();
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name("oriel");
    }
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build())
}

/// OTLP over HTTP in protobuf is what this build speaks. The exporter would pass over any other protocol that is asked for and
/// send where nobody understands it.
fn check_protocol() -> Result<(), String> {
    const SPOKEN: &str = "http/protobuf";
    let asked = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"]
        .into_iter()
        .find_map(|name| Some((name, std::env::var(name).ok().filter(|value| !value.trim().is_empty())?)));
    match asked {
        Some((name, value)) if !value.trim().eq_ignore_ascii_case(SPOKEN) => Err(format!("`{name}`: `{value}` is not `{SPOKEN}`")),
        _ => Ok(()),
    }
}

/// Whether anybody would see a span.
pub(crate) fn spans_wanted() -> bool {
    SPANS.load(Ordering::Relaxed)
}

/// The span of a request, below the one that the caller names in `traceparent`.
pub(crate) fn request_span(headers: &HeaderMap, operation: &Operation, id: &HeaderValue) -> tracing::Span {
    let span = tracing::info_span!(
        "http.request",
        otel.kind = "server",
        otel.name = operation.id,
        http.request.method = operation.method,
        http.route = operation.path,
        http.response.status_code = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        request_id = id.to_str().unwrap_or_default(),
    );
    let context = TraceContextPropagator::new().extract(&Headers(headers));
    if context.span().span_context().is_valid() {
        let _ = span.set_parent(context);
    }
    span
}

/// Notes in a request's span how it was answered.
pub(crate) fn answered(span: &tracing::Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}

/// The trace context that a call passes on: the present span's when traces are exported, else the caller's own.
pub(crate) fn traceparent(headers: &HeaderMap) -> Option<String> {
    if spans_wanted() {
        let mut text = Injected(None);
        TraceContextPropagator::new().inject_context(&tracing::Span::current().context(), &mut text);
        if text.0.is_some() {
            return text.0;
        }
    }
    let given = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = given.split('-').collect();
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let [version, trace, span, flags] = parts[..] else { return None };
    (hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2)).then(|| given.to_owned())
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

struct Injected(Option<String>);

impl Injector for Injected {
    fn set(&mut self, key: &str, value: String) {
        if key == "traceparent" {
            self.0 = Some(value);
        }
    }
}
