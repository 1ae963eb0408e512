//! Batches and streams that are too large, too slow, too many, or meant to get at something else.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::packages::mallory;
use crate::world::{World, answer};

#[tokio::test(flavor = "multi_thread")]
async fn h41_batches_and_streams_that_do_not_end() {
    let world = World::start_with(&[("ORIEL_MAX_BATCH_ITEMS", "1000"), ("ORIEL_BODY_TIMEOUT", "2s")]).await;
    for actor in [&world.acme, &world.evil] {
        actor.install(mallory("notes")).await;
        actor.task("echo", "notes", "echo").await;
    }
    let evil = &world.evil;
    let items: Vec<Value> = (0..1001).map(|at| json!({ "id": at.to_string(), "input": {} })).collect();
    evil.post("/tasks/batch/execute", json!({ "taskId": "echo", "items": items }))
        .await
        .refused("batch.too_large");
    for body in [
        json!({ "taskId": "echo", "items": [], "maxConcurrency": 1_000_000 }),
        json!({ "taskId": "echo", "items": [{ "id": "1", "input": {}, "timeoutMs": 0 }] }),
    ] {
        let told = evil.post("/tasks/batch/execute", body).await;
        assert!(told.status < 500, "{told:?}");
        if told.status == 200 {
            assert_eq!(told.json()["successCount"], 0, "{told:?}");
        }
    }
    // A line without an end, then a good one: the memory that it takes has one.
    let stream = |body: reqwest::Body| {
        evil.request(Method::POST, "/tasks/stream/execute?taskId=echo")
            .header("content-type", "application/x-ndjson")
            .body(body)
    };
    let piece = vec![b'x'; 1 << 20];
    let pieces = (0..100).map(move |_| Ok::<_, std::io::Error>(piece.clone()));
    let good = std::iter::once(Ok(b"\n{\"id\":\"good\",\"input\":{}}\n".to_vec()));
    let told = answer(stream(reqwest::Body::wrap_stream(futures::stream::iter(pieces.chain(good))))).await;
    assert!(
        told.text.contains("line:1") && told.text.contains("good"),
        "{}",
        &told.text[..told.text.len().min(500)]
    );
    // Fifty that are opened and never used leave room for everybody.
    let mut open = Vec::new();
    for _ in 0..50 {
        let (lines, body) = mpsc::channel::<Result<String, std::io::Error>>(1);
        let request = stream(reqwest::Body::wrap_stream(ReceiverStream::new(body)));
        open.push((lines, tokio::spawn(request.send())));
    }
    for _ in 0..20 {
        let told = tokio::time::timeout(Duration::from_secs(30), world.acme.execute("echo", json!({}))).await;
        told.expect("the neighbour is served").ok();
    }
    // A body that is announced and does not come is not waited for.
    let (lines, body) = mpsc::channel::<Result<String, std::io::Error>>(1);
    lines.send(Ok("{\"taskId\"".to_owned())).await.unwrap();
    let slow = evil
        .request(Method::POST, "/tasks/execute")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(ReceiverStream::new(body)));
    answer(slow).await.refused("request.timeout");
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h42_what_another_key_of_the_tenant_runs() {
    let world = World::start().await;
    let acme = &world.acme;
    acme.install(mallory("notes")).await;
    acme.task("echo", "notes", "echo").await;
    let batch = acme
        .post(
            "/tasks/batch/execute",
            json!({ "taskId": "echo", "items": [{ "id": "1", "input": {} }] }),
        )
        .await
        .ok();
    let (batch, execution) = (batch["batchId"].as_str().unwrap(), acme.execute("echo", json!({})).await.ok());
    let execution = execution["id"].as_str().unwrap();
    // A viewer reads and does nothing; one that may only execute reads nothing.
    let viewer = acme.new_key("viewer", &[]).await;
    let runner = acme.new_key("developer", &["tasks:execute"]).await;
    viewer.get(&format!("/batches/{batch}")).await.ok();
    viewer.execute("echo", json!({})).await.refused("access.forbidden");
    viewer.call("notes", "echo", json!({})).await.refused("access.forbidden");
    for path in [
        format!("/batches/{batch}"),
        format!("/batches/{batch}/events"),
        format!("/executions/{execution}"),
        "/executions".to_owned(),
        "/tasks/echo".to_owned(),
        "/extensions/notes/logs".to_owned(),
        "/audit".to_owned(),
        "/usage".to_owned(),
    ] {
        runner.get(&path).await.refused("access.forbidden");
    }
    acme.audited("access.refused", "getExecution").await;
    world.stands().await;
}
