//! Traces leave a real process for a collector by the standard environment variables, and a collector that is not there
//! harms nobody.

use std::convert::Infallible;
use std::io::Read as _;
use std::net::TcpListener as Unanswered;
use std::time::Duration;

use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderMap;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::process::{Process, answer, echo, hostile};
use super::support::Home;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Longer than any exporter's own time-out; only what hangs reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// A collector of one test.
struct Collector {
    endpoint: String,
    exports: mpsc::UnboundedReceiver<Export>,
}

/// What an exporter sent.
struct Export {
    path: String,
    headers: HeaderMap,
    content: ExportTraceServiceRequest,
}

/// A span with what came around it.
struct Seen {
    path: String,
    headers: HeaderMap,
    resource: Vec<KeyValue>,
    span: Span,
}

impl Collector {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (out, exports) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let out = out.clone();
                tokio::spawn(async move {
                    let service = service_fn(|request| take(request, out.clone()));
                    let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // An exporter that ends closes its connection as it likes.
                    let _ = served.await;
                });
            }
        });
        Self { endpoint, exports }
    }

    /// The next span for which `wanted` holds; others are passed over.
    async fn span(&mut self, wanted: impl Fn(&Span) -> bool) -> Seen {
        let search = async {
            loop {
                let export = self.exports.recv().await.unwrap();
                for resource in export.content.resource_spans {
                    let found = resource.scope_spans.into_iter().flat_map(|scope| scope.spans).find(&wanted);
                    if let Some(span) = found {
                        return Seen {
                            path: export.path,
                            headers: export.headers,
                            resource: resource.resource.unwrap_or_default().attributes,
                            span,
                        };
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("the span never came")
    }
}

async fn take(request: Request<Incoming>, out: mpsc::UnboundedSender<Export>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let mut body = body.collect().await.unwrap().to_bytes();
    if head.headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let mut inflated = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut inflated).unwrap();
        body = inflated.into();
    }
    let export = Export {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        content: ExportTraceServiceRequest::decode(body).unwrap(),
    };
    // A test that has seen enough does not listen any more.
    let _ = out.send(export);
    // No content is the message with nothing in it: all was taken.
    Ok(Response::new(Full::default()))
}

/// The attribute of this name as text.
fn attribute(attributes: &[KeyValue], name: &str) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|attribute| attribute.value.as_ref()) {
        Some(AnyValue {
            value: Some(any_value::Value::StringValue(text)),
        }) => text.clone(),
        Some(AnyValue {
            value: Some(any_value::Value::IntValue(number)),
        }) => number.to_string(),
        other => panic!("`{name}` is {other:?} in {attributes:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn execute(server: &Process, task: &str, input: &Value) -> reqwest::RequestBuilder {
    server
        .request(Method::POST, "/tasks/execute")
        .json(&json!({"taskId": task, "input": input}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_of_its_callers_trace() {
    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";
    let mut collector = Collector::start().await;
    let home = Home::new();
    let server = Process::start_with(
        &home,
        &[
            (ENDPOINT, &collector.endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-team=blue"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests"),
            ("OTEL_BSP_SCHEDULE_DELAY", "20"),
        ],
    );
    server
        .install(hostile(&["context"], "timeout = \"1m\""), "hostile", &["context"])
        .await;

    // Its caller does not sample this one, so that it is not sent although it comes before the next one.
    let unsampled = execute(&server, "context", &json!(1)).header("traceparent", format!("00-{}-{PARENT}-00", "1".repeat(32)));
    answer(unsampled).await.unwrap().ok();
    let called = execute(&server, "context", &json!(1))
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .header("x-request-id", "the-traced-one");
    let told = answer(called).await.unwrap().ok()["outputData"].to_string();
    let seen = collector
        .span(|span| span.name == "executeTask" && hex(&span.parent_span_id) == PARENT)
        .await;
    assert_eq!(
        hex(&seen.span.trace_id),
        TRACE,
        "the caller's trace goes on, and the one that is not sampled is absent"
    );
    assert_eq!(seen.span.kind(), SpanKind::Server);
    assert!(seen.span.start_time_unix_nano > 0 && seen.span.end_time_unix_nano >= seen.span.start_time_unix_nano);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/v1/tasks/execute"),
        ("http.response.status_code", "200"),
        ("request_id", "the-traced-one"),
    ] {
        assert_eq!(attribute(&seen.span.attributes, name), value, "{name}");
    }
    assert_eq!(attribute(&seen.resource, "service.name"), "oriel");
    assert_eq!(attribute(&seen.resource, "deployment.environment.name"), "tests");
    assert_eq!(
        (&*seen.path, &seen.headers["content-type"], &seen.headers["x-team"]),
        ("/v1/traces", &"application/x-protobuf".parse().unwrap(), &"blue".parse().unwrap())
    );
    // The program is told of the request's span, not of its caller's.
    let passed_on = format!("00-{TRACE}-{}-01", hex(&seen.span.span_id));
    assert!(told.contains(&passed_on), "{told} should name {passed_on}");

    // A request with a key runs in a task of its own, and without a caller's trace begins one.
    let keyed = execute(&server, "context", &json!(1)).header("idempotency-key", "once");
    let told = answer(keyed).await.unwrap().ok()["outputData"].to_string();
    let seen = collector
        .span(|span| span.name == "executeTask" && span.parent_span_id.is_empty())
        .await;
    assert_ne!(hex(&seen.span.trace_id), TRACE);
    let passed_on = format!("00-{}-{}-01", hex(&seen.span.trace_id), hex(&seen.span.span_id));
    assert!(told.contains(&passed_on), "{told} should name {passed_on}");

    // What fails says so.
    execute(&server, "nothing", &json!(1)).send().await.unwrap();
    let failed = |span: &Span| span.name == "executeTask" && attribute(&span.attributes, "http.response.status_code") == "404";
    collector.span(failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sent_yet_is_sent_at_the_end() {
    let mut collector = Collector::start().await;
    let home = Home::new();
    let traces = format!("{}/custom/path", collector.endpoint);
    let server = Process::start_with(
        &home,
        &[
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &traces),
            ("OTEL_SERVICE_NAME", "shop"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
        ],
    );
    server.install(echo("echo", "1.0.0", "telemetry", ""), "echo", &["echo"]).await;
    server.execute("echo", json!(1)).await.ok();
    assert!(collector.exports.try_recv().is_err(), "nothing is sent before its time");
    server.terminate();
    let seen = collector.span(|span| span.name == "executeTask").await;
    assert_eq!(attribute(&seen.resource, "service.name"), "shop");
    assert_eq!(
        (&*seen.path, &seen.headers["content-encoding"]),
        ("/custom/path", &"gzip".parse().unwrap())
    );
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_harms_nobody() {
    // Nobody listens at the first; the second takes connections and never says a word.
    let closed = Unanswered::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = Unanswered::bind("127.0.0.1:0").unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let home = Home::new();
        let endpoint = format!("http://{address}");
        let server = Process::start_with(
            &home,
            &[
                (ENDPOINT, &endpoint),
                ("OTEL_BSP_SCHEDULE_DELAY", "10"),
                // Small, so that it is full long before the last call.
                ("OTEL_BSP_MAX_QUEUE_SIZE", "16"),
                ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8"),
            ],
        );
        server.install(echo("echo", "1.0.0", "telemetry", ""), "echo", &["echo"]).await;
        for number in 0..100 {
            assert_eq!(server.execute("echo", json!(number)).await.ok()["outputData"], number);
        }
        server.terminate();
        let status = tokio::time::timeout(PATIENCE, server.ended()).await.expect("the shutdown hangs");
        assert_eq!(status.code(), Some(0), "{address}");
    }
}

#[test]
fn a_protocol_that_is_not_spoken_is_refused() {
    let serve = |env: &[(&str, &str)]| {
        let home = Home::new();
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"]);
        command.envs(env.iter().copied());
        super::support::Done::of(command.output().unwrap())
    };
    for name in ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] {
        for protocol in ["grpc", "http/json", "carrier-pigeon"] {
            let refused = serve(&[(ENDPOINT, "http://127.0.0.1:4317"), (name, protocol)]).fails(9, "server.config");
            assert!(
                refused.err.contains(name) && refused.err.contains(protocol) && refused.err.contains("http/protobuf"),
                "{}",
                refused.err
            );
        }
    }
}
