//! The process is killed in the middle of its work; whoever starts it again finds no half of anything.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::process::{Process, answer, echo, hostile};
use super::support::Home;

/// The moments at which a process is killed, in milliseconds after its work began: ever later, until the work is done
/// before the end comes.
fn moments() -> impl Iterator<Item = Duration> {
    let milliseconds = std::iter::successors(Some(2u64), |last| Some(last + last / 2));
    std::iter::once(0).chain(milliseconds).map(Duration::from_millis)
}

async fn audit_is_intact(server: &Process) {
    let verdict = server.get("/audit/verify").await.ok();
    assert_eq!(verdict["intact"], true, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_install_leaves_all_or_nothing() {
    let home = Home::new();
    let mut was_cut_off = false;
    for (round, moment) in moments().enumerate() {
        let name = format!("echo-{round}");
        let server = Process::start(&home);
        let installing = tokio::spawn(answer(server.upload("/extensions", echo(&name, "1.0.0", &name, ""))));
        tokio::time::sleep(moment).await;
        server.kill();
        let accepted = installing.await.unwrap().is_ok_and(|answer| answer.status == 201);

        let server = Process::start(&home);
        let call = format!("/extensions/{name}/programs/echo/call");
        let found = server.get(&format!("/extensions/{name}")).await;
        match found.status {
            404 => {
                assert!(!accepted, "what was accepted is there");
                was_cut_off = true;
                server.post(&call, json!({"input": 1})).await.problem("extension.not_found");
                // The same name and version can be installed now.
                answer(server.upload("/extensions", echo(&name, "1.0.0", &name, "")))
                    .await
                    .unwrap()
                    .ok();
            }
            _ => assert_eq!(found.ok()["state"], "enabled"),
        }
        assert_eq!(server.post(&call, json!({"input": round})).await.ok()["outputData"], round);
        audit_is_intact(&server).await;
        if accepted {
            break;
        }
    }
    assert!(was_cut_off);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_upgrade_leaves_one_release_or_the_other() {
    let home = Home::new();
    let server = Process::start(&home);
    server.install(echo("echo", "1.0.0", "0", ""), "echo", &["echo"]).await;
    server.kill();
    let mut current = "1.0.0".to_owned();
    for (round, moment) in moments().enumerate() {
        let next = format!("1.0.{}", round + 1);
        let server = Process::start(&home);
        let upgrading = tokio::spawn(answer(server.upload("/extensions/echo/upgrade", echo("echo", &next, &next, ""))));
        tokio::time::sleep(moment).await;
        server.kill();
        let accepted = upgrading.await.unwrap().is_ok_and(|answer| answer.status == 200);

        let server = Process::start(&home);
        let found = server.get("/extensions/echo").await.ok();
        let version = found["version"].as_str().unwrap().to_owned();
        assert!(version == current || version == next, "{found}");
        assert!(!accepted || version == next, "what was accepted is there: {found}");
        let reply = server.execute("echo", json!(round)).await.ok();
        assert_eq!((&reply["outputData"], &reply["version"]), (&json!(round), &json!(version)));
        audit_is_intact(&server).await;
        current = version;
        if accepted {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_batch_is_interrupted_and_what_was_answered_stays() {
    let home = Home::new();
    let server = Process::start(&home);
    server
        .install(hostile(&["echo", "sleep"], "timeout = \"1m\""), "hostile", &["echo", "sleep"])
        .await;
    let mut answered = Vec::new();
    for number in 0..20 {
        let reply = server.execute("echo", json!(number)).await.ok();
        answered.push(reply["id"].as_str().unwrap().to_owned());
    }
    let items: Vec<_> = (0..1_000).map(|at| json!({"id": at.to_string(), "input": 50})).collect();
    let body = json!({"taskId": "sleep", "items": items, "maxConcurrency": 2});
    let request = server
        .request(Method::POST, "/tasks/batch/execute")
        .header("accept", "application/x-ndjson");
    let response = request.json(&body).send().await.unwrap();
    let batch = response.headers()["oriel-batch-id"].to_str().unwrap().to_owned();
    while server.get(&format!("/batches/{batch}")).await.ok()["successCount"].as_u64() < Some(4) {
        tokio::task::yield_now().await;
    }
    server.kill();
    assert!(response.bytes().await.is_err(), "a reply that was cut off does not look whole");

    let server = Process::start(&home);
    let found = server.get(&format!("/batches/{batch}")).await.ok();
    assert_eq!(
        (&found["state"], &found["totalItems"]),
        (&json!("interrupted"), &json!(1_000)),
        "{found}"
    );
    assert!(found["finishedAt"].is_string(), "{found}");
    for (number, id) in answered.iter().enumerate() {
        let record = server.get(&format!("/executions/{id}")).await.ok();
        assert_eq!(
            (&record["status"], &record["output"]),
            (&json!("succeeded"), &json!(number)),
            "{record}"
        );
    }
    let of_batch = server.get(&format!("/executions?batchId={batch}&limit=1000")).await.ok();
    let of_batch = of_batch["items"].as_array().unwrap();
    assert!(of_batch.len() < 1_000 && of_batch.iter().all(|record| record["status"] == "succeeded"));
    assert_eq!(server.execute("echo", json!(1)).await.ok()["outputData"], 1);
    audit_is_intact(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_native_code_is_compiled_again() {
    let home = Home::new();
    let server = Process::start(&home);
    server.install(echo("echo", "1.0.0", "damaged", ""), "echo", &["echo"]).await;
    server.kill();
    let engine = std::fs::read_dir(home.path().join("data/code")).unwrap().next().unwrap().unwrap();
    let artifact = std::fs::read_dir(engine.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&artifact).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bad in [&whole[..whole.len() / 2], &flipped, b""] {
        std::fs::write(&artifact, bad).unwrap();
        let server = Process::start(&home);
        assert_eq!(server.execute("echo", json!(7)).await.ok()["outputData"], 7);
        server.kill();
        assert_ne!(std::fs::read(&artifact).unwrap(), bad, "it was made again");
    }
}
