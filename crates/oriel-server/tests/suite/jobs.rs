//! Jobs over HTTP: accepted, waited for, listed, cancelled, tried again; and across restarts of the server.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::host::{Host, package};

const RUNS: &str = "/api/v1/extensions/worker/job-runs";

/// A package of the guest `worker`; `more` goes under its head.
pub(crate) fn worker(more: &str) -> Vec<u8> {
    let jobs: String = ["work", "sleep", "flaky", "reject"]
        .iter()
        .map(|name| format!("\n[[jobs]]\nname = \"{name}\"\nattempts = 2\nbackoff = \"20ms\"\n"))
        .collect();
    let programs: String = ["enqueue", "pending", "complete", "flood"]
        .iter()
        .map(|name| format!("\n[[programs]]\nname = \"{name}\"\n"))
        .collect();
    package(
        "worker",
        &format!(
            "name = \"worker\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
             host_api = \"^0.1\"\n{jobs}{programs}\n[permissions]\nkey_value = true\nqueue = true\n{more}"
        ),
    )
}

pub(crate) async fn start(more: &str, change: impl FnOnce(&mut oriel_server::Config)) -> Host {
    let host = Host::start_with(change).await;
    host.upload("/api/v1/extensions?grant=true", worker(more)).await.ok();
    host
}

const PLAIN: &str = "[permissions.model]\n";

async fn run(host: &Host, job: &str, query: &str, body: Value) -> super::host::Reply {
    host.post(&format!("/api/v1/extensions/worker/jobs/{job}/run{query}"), body).await
}

#[tokio::test]
async fn a_run_is_accepted_and_then_over() {
    let host = start(PLAIN, |_| {}).await;
    let accepted = run(&host, "work", "", json!({ "input": {"n": 1} })).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let id = accepted.ok()["id"].as_str().unwrap().to_owned();
    assert_eq!(accepted.header("location"), format!("{RUNS}/{id}"));
    let over = host.get(&format!("{RUNS}/{id}?wait=30s")).await.ok();
    assert_eq!((&over["state"], &over["output"]["input"]), (&json!("succeeded"), &json!({"n": 1})));
    assert_eq!(over["attempts"][0]["number"], 1);
    // At once, and with an answer of another kind.
    let over = run(&host, "flaky", "?wait=30s", json!({ "input": {"until": 9} })).await;
    assert_eq!((over.status, &over.ok()["state"]), (StatusCode::OK, &json!("dead")));
    let rejected = run(&host, "reject", "?wait=30s", json!({})).await.ok();
    assert_eq!(
        (&rejected["state"], &rejected["error"]["code"]),
        (&json!("failed"), &json!("execution.rejected"))
    );
    let listed = host.get(&format!("{RUNS}?limit=2")).await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(listed["nextCursor"].is_string());
    let failed = host.get(&format!("{RUNS}?state=failed&job=reject")).await.ok();
    assert_eq!(failed["items"][0]["id"], rejected["id"]);
}

#[tokio::test]
async fn a_run_is_cancelled_and_tried_again() {
    let host = start(PLAIN, |_| {}).await;
    let waits = run(&host, "work", "", json!({ "delayMs": 3_600_000, "key": "nightly" })).await.ok();
    let again = run(&host, "work", "", json!({ "key": "nightly" })).await.ok();
    assert_eq!(waits["id"], again["id"]);
    let place = format!("{RUNS}/{}", waits["id"].as_str().unwrap());
    assert_eq!(host.post(&format!("{place}/cancel"), json!(null)).await.ok()["state"], "cancelled");
    host.post(&format!("{place}/cancel"), json!(null)).await.problem("job.state");
    let retried = host.post(&format!("{place}/retry"), json!(null)).await;
    assert_eq!((retried.status, &retried.ok()["state"]), (StatusCode::ACCEPTED, &json!("queued")));
    assert_eq!(host.get(&format!("{place}?wait=30s")).await.ok()["state"], "succeeded");
    host.post(&format!("{place}/retry"), json!(null)).await.problem("job.state");
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let host = start(PLAIN, |_| {}).await;
    for (job, query, body, code) in [
        ("nap", "", json!({}), "extension.contribution_not_found"),
        ("work", "", json!({ "inputs": 1 }), "request.invalid"),
        ("work", "", json!({ "attempts": 21 }), "request.invalid"),
        ("work", "", json!({ "attempts": 0 }), "request.invalid"),
        ("work", "", json!({ "delayMs": 2_592_000_001_u64 }), "request.invalid"),
        ("work", "", json!({ "key": "" }), "request.invalid"),
        ("work", "?wait=61s", json!({}), "request.invalid"),
        ("work", "?wait=soon", json!({}), "request.invalid"),
    ] {
        run(&host, job, query, body).await.problem(code);
    }
    host.post("/api/v1/extensions/nobody/jobs/work/run", json!({}))
        .await
        .problem("extension.not_found");
    host.get(&format!("{RUNS}/nonsense")).await.problem("job.not_found");
    host.get(&format!("{RUNS}?state=lost")).await.problem("request.invalid");
    host.get(&format!("{RUNS}?cursor=x")).await.problem("request.cursor");
    host.get("/api/v1/extensions/nobody/job-runs").await.problem("extension.not_found");
    // Another tenant, and a key that may only read.
    let waits = run(&host, "work", "", json!({ "delayMs": 3_600_000 })).await.ok();
    let place = format!("{RUNS}/{}", waits["id"].as_str().unwrap());
    let stranger = host.other_tenant("stranger").await;
    stranger.get(&place).await.problem("job.not_found");
    stranger
        .post(&format!("{place}/cancel"), json!(null))
        .await
        .problem("job.not_found");
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    viewer.get(&place).await.ok();
    run(&viewer, "work", "", json!({})).await.problem("access.forbidden");
    viewer
        .post(&format!("{place}/cancel"), json!(null))
        .await
        .problem("access.forbidden");
}

#[tokio::test]
async fn what_was_accepted_outlives_the_server() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let mut host = Host::start_in(data.clone(), |_| {}).await;
    host.upload("/api/v1/extensions?grant=true", worker(PLAIN)).await.ok();
    let queued = host
        .post(
            "/api/v1/extensions/worker/programs/enqueue/call",
            json!({ "input": {"job": "work", "input": {"n": 7}, "delayMs": 1_000} }),
        )
        .await
        .ok();
    let id = queued["outputData"]["ok"].as_str().unwrap().to_owned();
    host.stop().await;
    drop(host);
    let host = Host::start_in(data, |_| {}).await;
    let over = host.get(&format!("{RUNS}/{id}?wait=30s")).await.ok();
    assert_eq!((&over["state"], &over["output"]["input"]), (&json!("succeeded"), &json!({"n": 7})));
    assert_eq!(over["trigger"], json!({ "kind": "queue" }));
}
