//! What `/metrics` shows. Labels come from fixed lists (operations, statuses, outcomes), so that no request and no tenant
//! can make a series.

mod guests;
mod stores;

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use oriel_extensions::{CanaryCounts, CodeLookups, GuestMetrics, HealthNumbers, SandboxStats};
use oriel_model::{Blame, ErrorCode};
use oriel_store::Stores;

use crate::operations::Operation;

const HTTP_REQUESTS: &str = "oriel_http_requests_total";
const HTTP_DURATION: &str = "oriel_http_request_duration_seconds";
const EXECUTIONS: &str = "oriel_executions_total";
const STORE_DURATION: &str = "oriel_store_operation_duration_seconds";
const CODE_LOOKUPS: &str = "oriel_code_cache_lookups_total";
const CODE_BYTES: &str = "oriel_code_cache_bytes";
const INSTANCES: &str = "oriel_instances";
const CALLS_WAITING: &str = "oriel_calls_waiting";
const IDLE_MEMORY: &str = "oriel_idle_instance_memory_bytes";
const EXTENSIONS: &str = "oriel_extensions";
const UNSAMPLED: &str = "oriel_unsampled_executions_total";
const TRIPS: &str = "oriel_extension_trips_total";
const QUARANTINES: &str = "oriel_extension_quarantines_total";
const REFUSED: &str = "oriel_extension_calls_refused_total";
const ANOMALIES: &str = "oriel_anomalies_total";
const CANARIES: &str = "oriel_canaries";
const CANARY_DECISIONS: &str = "oriel_canary_decisions_total";
const READY: &str = "oriel_ready";
const BUILD_INFO: &str = "oriel_build_info";

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Every metric: its name, its kind, its labels, and what it says. The book has the same list.
const METRICS: [(&str, Kind, &str, &str); 22] = [
    (
        HTTP_REQUESTS,
        Kind::Counter,
        "operation, method, status",
        "Requests by operation, method and status.",
    ),
    (
        HTTP_DURATION,
        Kind::Histogram,
        "operation",
        "Time from the head of a request to the head of its reply, by operation.",
    ),
    (
        EXECUTIONS,
        Kind::Counter,
        "outcome, blame",
        "Executions by how they ended and whose fault it was.",
    ),
    (
        STORE_DURATION,
        Kind::Histogram,
        "store, operation",
        "Time that an operation of a store took, whether or not it succeeded. The store `journal` is this node's own log.",
    ),
    (
        CODE_LOOKUPS,
        Kind::Counter,
        "result",
        "How often compiled code was looked for, when a package was installed or a release loaded: `hit` when it was there, \
         `miss` when it had to be compiled.",
    ),
    (CODE_BYTES, Kind::Gauge, "", "Bytes of compiled code in the data directory."),
    (
        INSTANCES,
        Kind::Gauge,
        "state",
        "Instances of extensions, `idle` or `busy` with a call.",
    ),
    (CALLS_WAITING, Kind::Gauge, "", "Calls that wait for an instance."),
    (IDLE_MEMORY, Kind::Gauge, "", "Linear memory that idle instances hold."),
    (
        EXTENSIONS,
        Kind::Gauge,
        "state",
        "Installations by how they do on this node: `starting`, `healthy`, `degraded`, `tripped`, `probing`, `quarantined` or `stopped`. \
         Those that nobody has called since the start are not counted.",
    ),
    (
        UNSAMPLED,
        Kind::Counter,
        "",
        "Executions that no sampler looked at because too many waited.",
    ),
    (TRIPS, Kind::Counter, "", "How often the circuit breaker of an extension tripped."),
    (QUARANTINES, Kind::Counter, "", "How often an extension was put in quarantine."),
    (ANOMALIES, Kind::Counter, "", "Anomalies that this node raised."),
    (
        REFUSED,
        Kind::Counter,
        "",
        "Calls that the circuit breaker of an extension refused.",
    ),
    (
        guests::COUNTER,
        Kind::Counter,
        "tenant, extension, metric, and the guest's own",
        "Counters of extensions, under the name and labels that the extension gave. Shown to keys only: all of them to \
         owners of the tenant `default`, those of its own tenant to a key with `extensions:read`.",
    ),
    (
        guests::HISTOGRAM,
        Kind::Histogram,
        "tenant, extension, metric, and the guest's own",
        "Histograms of extensions, likewise.",
    ),
    (
        guests::DROPPED,
        Kind::Counter,
        "tenant, extension",
        "Measurements of extensions that were dropped: not well-formed, or of one series too many. Shown likewise.",
    ),
    (CANARIES, Kind::Gauge, "", "Canaries that are called on this node."),
    (
        CANARY_DECISIONS,
        Kind::Counter,
        "decision",
        "Canaries that this node ended, by itself or because somebody asked: `promoted` or `rolled_back`.",
    ),
    (READY, Kind::Gauge, "", "1 while the server takes new work."),
    (BUILD_INFO, Kind::Gauge, "version", "1, with the version as a label."),
];

/// From a tenth of a millisecond to half a minute.
const BUCKETS: [f64; 14] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// From what a write to memory takes to five seconds.
const STORE_BUCKETS: [f64; 16] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0,
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
            .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(STORE_DURATION.to_owned()), &STORE_BUCKETS))
            .expect("the lists of buckets are not empty");
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Somebody who embeds the server may have a recorder of their own; ours then stays empty, which is honest.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        handle
    })
}

fn describe() {
    for (name, kind, _, help) in METRICS {
        match kind {
            Kind::Counter => metrics::describe_counter!(name, help),
            Kind::Gauge => metrics::describe_gauge!(name, help),
            Kind::Histogram => metrics::describe_histogram!(name, help),
        }
    }
}

/// Handles of one operation.
pub(crate) struct RouteMetrics {
    operation: &'static str,
    method: &'static str,
    duration: Histogram,
    /// One for each of [`STATUSES`], and one for all others, which only routes of extensions answer.
    by_status: [OnceLock<Counter>; STATUSES.len() + 1],
}

impl RouteMetrics {
    fn new(operation: &'static str, method: &'static str) -> Self {
        Self {
            operation,
            method,
            duration: histogram!(HTTP_DURATION, "operation" => operation),
            by_status: [const { OnceLock::new() }; STATUSES.len() + 1],
        }
    }

    fn record(&self, status: StatusCode, took: Duration) {
        self.duration.record(took.as_secs_f64());
        let status = status.as_u16();
        let known = STATUSES.iter().position(|one| *one == status);
        let counter = self.by_status[known.unwrap_or(STATUSES.len())].get_or_init(|| {
            let status = known.map_or_else(|| "other".to_owned(), |_| status.to_string());
            counter!(HTTP_REQUESTS, "operation" => self.operation, "method" => self.method, "status" => status)
        });
        counter.increment(1);
    }
}

/// Of the compiled code, and of releases that are tried out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Code {
    pub canaries: CanaryCounts,
    /// Executions that no sampler looked at.
    pub unsampled: u64,
    pub lookups: CodeLookups,
    /// Bytes of it on the disk.
    pub bytes: u64,
}

/// Bytes of the files below a directory, as far as they can be looked at. Blocks as long as the file system does.
pub(crate) fn bytes_below(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            // Artifacts come and go while one looks.
            Err(_) => 0,
        })
        .sum()
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

    /// The same stores, which tell from then on how long their operations take.
    pub(crate) fn timed(&self, stores: Stores) -> Stores {
        stores::timed(stores)
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

    /// What extensions have measured of themselves, for Prometheus.
    pub(crate) fn guests(text: &mut String, guests: &[GuestMetrics]) {
        let help = |wanted: &str| METRICS.iter().find(|(name, ..)| *name == wanted).map_or("", |(.., help)| help);
        guests::write(text, guests, help);
    }

    /// The text that Prometheus reads.
    pub(crate) fn render(&self, ready: bool, instances: SandboxStats, code: Code, health: &HealthNumbers) -> String {
        gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        counter!(CODE_LOOKUPS, "result" => "hit").absolute(code.lookups.hits);
        counter!(CODE_LOOKUPS, "result" => "miss").absolute(code.lookups.misses);
        counter!(UNSAMPLED).absolute(code.unsampled);
        counter!(TRIPS).absolute(health.trips);
        counter!(QUARANTINES).absolute(health.quarantines);
        counter!(REFUSED).absolute(health.refused);
        counter!(ANOMALIES).absolute(health.anomalies);
        #[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to nine quadrillions")]
        for (state, count) in &health.states {
            gauge!(EXTENSIONS, "state" => state.as_str()).set(*count as f64);
        }
        counter!(CANARY_DECISIONS, "decision" => "promoted").absolute(code.canaries.promoted);
        counter!(CANARY_DECISIONS, "decision" => "rolled_back").absolute(code.canaries.rolled_back);
        gauge!(READY).set(f64::from(u8::from(ready)));
        #[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to nine quadrillions")]
        for (name, state, value) in [
            (INSTANCES, "idle", instances.idle),
            (INSTANCES, "busy", instances.busy),
            (CALLS_WAITING, "", instances.waiting),
            (IDLE_MEMORY, "", instances.idle_memory),
            (CODE_BYTES, "", code.bytes),
            (CANARIES, "", code.canaries.running),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_book_lists_every_metric() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/operations.md");
        let text = std::fs::read_to_string(&page).unwrap();
        let (start, end) = ("<!-- metrics: begin -->\n", "<!-- metrics: end -->");
        let from = text.find(start).unwrap() + start.len();
        let to = text.find(end).unwrap();
        let mut wanted = "\n| metric | kind | labels | what it says |\n|---|---|---|---|\n".to_owned();
        for (name, kind, labels, help) in METRICS {
            let kind = format!("{kind:?}").to_lowercase();
            let labels = if labels.is_empty() { "—" } else { labels };
            wanted.push_str(&format!("| `{name}` | {kind} | {labels} | {help} |\n"));
        }
        wanted.push('\n');
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&page, format!("{}{wanted}{}", &text[..from], &text[to..])).unwrap();
        } else {
            assert_eq!(text[from..to], wanted, "run this test with UPDATE_DOCS=1 to write the page anew");
        }
    }
}
