//! What `/metrics` tells of work that was done.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;

use super::host::{Host, echo};

/// The value of a series, or nothing without it. Servers of other tests in this process add to the same numbers.
async fn value(host: &Host, series: &str) -> f64 {
    let text = host.get("/metrics").await.text;
    let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.map_or(0.0, |value| {
        value.parse().unwrap_or_else(|error| panic!("{error}: {series} {value}"))
    })
}

fn count(store: &str, operation: &str) -> String {
    format!("oriel_store_operation_duration_seconds_count{{store=\"{store}\",operation=\"{operation}\"}}")
}

#[tokio::test]
async fn stores_tell_how_long_they_take() {
    let host = Host::start().await;
    let operations = [
        count("installations", "insert"),
        count("packages", "put"),
        count("tasks", "insert"),
        count("journal", "append"),
        count("idempotency", "begin"),
        count("executions", "find"),
        count("audit", "list"),
    ];
    let mut before = Vec::new();
    for series in &operations {
        before.push(value(&host, series).await);
    }
    host.upload("/api/v1/extensions", echo("1.0.0")).await.ok();
    let task = json!({"name": "echo", "program": {"extension": "echo", "name": "echo"}});
    let keyed = host
        .request(Method::POST, "/api/v1/tasks")
        .header("idempotency-key", "once")
        .json(&task);
    host.send(keyed).await.ok();
    host.execute("echo", json!(1)).await.ok();
    host.get("/api/v1/executions").await.ok();
    host.get("/api/v1/audit").await.ok();
    for (series, before) in operations.iter().zip(before) {
        assert!(value(&host, series).await > before, "{series}");
    }
    let buckets = host.get("/metrics").await.text;
    for bound in ["0.00001", "0.001", "5", "+Inf"] {
        let bucket = format!("oriel_store_operation_duration_seconds_bucket{{store=\"journal\",operation=\"append\",le=\"{bound}\"}}");
        assert!(buckets.contains(&bucket), "{bucket}");
    }
}

#[tokio::test]
async fn compiled_code_is_counted() {
    // One server after the other: counters of one process only grow, so each is compared with what it was.
    let (hit, miss) = (
        "oriel_code_cache_lookups_total{result=\"hit\"}",
        "oriel_code_cache_lookups_total{result=\"miss\"}",
    );
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut host = Host::start_in(data.clone(), |_| {}).await;
    host.upload("/api/v1/extensions", echo("1.0.0")).await.ok();
    assert!(value(&host, miss).await >= 1.0);
    // The same component in another release is compiled already.
    host.upload("/api/v1/extensions/echo/upgrade", echo("1.1.0")).await.ok();
    assert!(value(&host, hit).await >= 1.0);
    assert!(value(&host, "oriel_code_cache_bytes").await > 10_000.0);
    host.stop().await;
}

#[tokio::test]
async fn every_metric_is_described() {
    let host = Host::start().await.with_echo().await;
    host.execute("echo", json!(1)).await.ok();
    let text = host.get("/metrics").await.text;
    for line in text.lines().filter(|line| line.starts_with("# TYPE ")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(name.starts_with("oriel_"), "{line}");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} is not described");
    }
}
