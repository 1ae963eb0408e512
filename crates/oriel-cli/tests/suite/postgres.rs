//! The same server on PostgreSQL.

use oriel_test_postgres::Postgres;
use reqwest::Method;
use serde_json::json;

use super::process::{Process, answer, echo, hostile};
use super::support::Home;

#[tokio::test(flavor = "multi_thread")]
async fn the_server_keeps_everything_in_postgresql() {
    let database = Postgres::shared().create_database().unwrap();
    let home = Home::new();
    let start = || Process::start_with(&home, &[("ORIEL_DATABASE", database.as_str())]);
    let server = start();
    server
        .install(echo("echo", "1.0.0", "postgres", ""), "echo", &["echo", "upper"])
        .await;
    server.install(hostile(&["sleep"], "timeout = \"1m\""), "hostile", &["sleep"]).await;
    let first = server.execute("upper", json!("äß")).await.ok();
    assert_eq!(first["status"], "succeeded");
    let items: Vec<_> = (0..100).map(|at| json!({"id": at.to_string(), "input": at})).collect();
    let batch = server
        .post("/tasks/batch/execute", json!({"taskId": "echo", "items": items}))
        .await
        .ok();
    assert_eq!((&batch["successCount"], &batch["results"][99]["id"]), (&json!(100), &json!("99")));
    let id = batch["batchId"].as_str().unwrap().to_owned();
    let upgraded = answer(server.upload("/extensions/echo/upgrade", echo("echo", "1.1.0", "later", "")))
        .await
        .unwrap()
        .ok();
    assert_eq!(upgraded["version"], "1.1.0");
    server
        .post("/tasks", json!({"name": "echo", "program": {"extension": "echo", "name": "echo"}}))
        .await
        .problem("task.exists");
    // A batch that never ends by itself, cut off.
    let endless = json!({"taskId": "sleep", "items": [{"id": "1", "input": 60_000}]});
    let request = server
        .request(Method::POST, "/tasks/batch/execute")
        .header("accept", "application/x-ndjson");
    let cut = request.json(&endless).send().await.unwrap().headers()["oriel-batch-id"]
        .to_str()
        .unwrap()
        .to_owned();
    server.kill();

    assert!(!home.path().join("data/oriel.db").exists(), "nothing is in SQLite");
    let server = start();
    let record = server.get(&format!("/executions/{}", first["id"].as_str().unwrap())).await.ok();
    assert_eq!(record["input"], "äß");
    let kept = server.get(&format!("/batches/{id}")).await.ok();
    assert_eq!((&kept["state"], &kept["successCount"]), (&json!("completed"), &json!(100)));
    let state = server.get(&format!("/batches/{cut}")).await.ok()["state"].clone();
    assert!(state == "interrupted" || state == "stopped", "{state}");
    let mut path = format!("/executions?batchId={id}&limit=30");
    let mut count = 0;
    loop {
        let page = server.get(&path).await.ok();
        count += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/executions?batchId={id}&limit=30&cursor={cursor}");
    }
    assert_eq!(count, 100);
    assert_eq!(server.get("/extensions/echo").await.ok()["version"], "1.1.0");
    assert_eq!(server.execute("echo", json!(2)).await.ok()["outputData"], 2);
    assert_eq!(server.get("/audit/verify").await.ok()["intact"], true);
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
}
