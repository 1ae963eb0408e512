//! What `/metrics` shows. Labels come from fixed lists (operations, statuses, outcomes), so that no request and no tenant
//! can make a series.

use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use oriel_model::{Blame, ErrorCode};

use oriel_extensions::Instances;

use crate::operations::Operation;

const HTTP_REQUESTS: &str = "oriel_http_requests_total";
const HTTP_DURATION: &str = "oriel_http_request_duration_seconds";
const EXECUTIONS: &str = "oriel_executions_total";

const INSTANCES: &str = "oriel_instances";
const CALLS_WAITING: &str = "oriel_calls_waiting";
const IDLE_MEMORY: &str = "oriel_idle_instance_memory_bytes";

/// From a tenth of a millisecond to half a minute.
const BUCKETS: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// Every status that the API answers.
const STATUSES: [u16; 24] = [
    200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 429, 500, 502, 503, 504, 507, 301, 307,
];

/// The recorder of the process: servers in one process share it, as tests do.
fn recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)
            .expect("the list of buckets is not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Somebody who embeds the server may have a recorder of their own; ours then stays empty, which is honest.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

fn describe() {
    metrics::describe_counter!(HTTP_REQUESTS, "Requests by operation, method and status.");
    metrics::describe_histogram!(
        HTTP_DURATION,
        "Time from the head of a request to the head of its reply, by operation."
    );
    metrics::describe_counter!(EXECUTIONS, "Executions by how they ended and whose fault it was.");
    metrics::describe_gauge!("oriel_build_info", "1, with the version as a label.");
    metrics::describe_gauge!(INSTANCES, "Instances of extensions, idle or busy with a call.");
    metrics::describe_gauge!(CALLS_WAITING, "Calls that wait for an instance.");
    metrics::describe_gauge!(IDLE_MEMORY, "Linear memory that idle instances hold.");
    metrics::describe_gauge!("oriel_ready", "1 while the server takes new work.");
}

/// Handles of one operation.
pub(crate) struct RouteMetrics {
    operation: &'static str,
    method: &'static str,
    duration: Histogram,
    by_status: [OnceLock<Counter>; STATUSES.len()],
}

impl RouteMetrics {
    fn new(operation: &'static str, method: &'static str) -> Self {
        Self {
            operation,
            method,
            duration: histogram!(HTTP_DURATION, "operation" => operation),
            by_status: [const { OnceLock::new() }; STATUSES.len()],
        }
    }

    fn record(&self, status: StatusCode, took: Duration) {
        self.duration.record(took.as_secs_f64());
        let status = status.as_u16();
        if let Some(at) = STATUSES.iter().position(|one| *one == status) {
            let counter = self.by_status[at].get_or_init(
                || counter!(HTTP_REQUESTS, "operation" => self.operation, "method" => self.method, "status" => status.to_string()),
            );
            counter.increment(1);
        }
    }
}

/// The metrics of a server.
pub(crate) struct Metrics {
    unmatched: RouteMetrics,
    succeeded: Counter,
    failed: [Counter; 3],
}

impl Metrics {
    pub(crate) fn new() -> Self {
        recorder();
        let failed = |blame: Blame| counter!(EXECUTIONS, "outcome" => "failed", "blame" => blame.as_str());
        Self {
            unmatched: RouteMetrics::new("none", "any"),
            succeeded: counter!(EXECUTIONS, "outcome" => "succeeded", "blame" => "none"),
            failed: [failed(Blame::Caller), failed(Blame::Guest), failed(Blame::Host)],
        }
    }

    pub(crate) fn route(&self, operation: &'static Operation) -> RouteMetrics {
        RouteMetrics::new(operation.id, operation.method)
    }

    /// Counts a request; without a route it had no operation.
    pub(crate) fn http(&self, route: Option<&RouteMetrics>, status: StatusCode, took: Duration) {
        route.unwrap_or(&self.unmatched).record(status, took);
    }

    /// Counts executions that succeeded.
    pub(crate) fn succeeded(&self, count: u64) {
        self.succeeded.increment(count);
    }

    /// Counts an execution that failed.
    pub(crate) fn failed(&self, code: ErrorCode) {
        let at = match code.blame() {
            Blame::Caller => 0,
            Blame::Guest => 1,
            Blame::Host => 2,
        };
        self.failed[at].increment(1);
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self, ready: bool, instances: Instances) -> String {
        gauge!("oriel_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        gauge!("oriel_ready").set(f64::from(u8::from(ready)));
        #[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to nine quadrillions")]
        for (name, state, value) in [
            (INSTANCES, "idle", instances.idle),
            (INSTANCES, "busy", instances.busy),
            (CALLS_WAITING, "", instances.waiting),
            (IDLE_MEMORY, "", instances.idle_memory),
        ] {
            let gauge = if state.is_empty() {
                gauge!(name)
            } else {
                gauge!(name, "state" => state)
            };
            gauge.set(value as f64);
        }
        recorder().render()
    }

    /// Moves what was recorded into its buckets; without it they would grow until somebody reads them.
    pub(crate) fn tidy_up(&self) {
        recorder().run_upkeep();
    }
}
