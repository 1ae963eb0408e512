//! Installations over HTTP.

use reqwest::Method;
use serde_json::json;

use super::host::{Host, echo, hostile, package};

#[tokio::test]
async fn an_extension_lives_from_install_to_uninstall() {
    let host = Host::start().await;
    let installed = host.upload("/api/v1/extensions", echo("1.0.0")).await;
    assert_eq!(installed.status, 201);
    assert_eq!(installed.header("location"), "/api/v1/extensions/echo");
    let shown = host.get("/api/v1/extensions/echo").await;
    let body = shown.ok();
    assert_eq!((&body["version"], &body["state"]), (&json!("1.0.0"), &json!("enabled")));
    assert_eq!(body["contributions"][0], json!({"kind": "program", "name": "echo"}));
    let tag = shown.header("etag").to_owned();
    let known = host.request(Method::GET, "/api/v1/extensions/echo").header("if-none-match", &tag);
    assert_eq!(host.send(known).await.status, 304);
    host.upload("/api/v1/extensions", echo("1.0.0")).await.problem("extension.exists");

    let called = host
        .post("/api/v1/extensions/echo/programs/upper/call", json!({"input": "ä"}))
        .await
        .ok();
    assert_eq!(called["outputData"], "Ä");
    assert!(called.get("taskId").is_none() && called["status"] == "succeeded", "{called}");
    host.post("/api/v1/extensions/echo/programs/nope/call", json!({"input": 1}))
        .await
        .problem("extension.program_not_found");

    host.post("/api/v1/extensions/echo/disable", json!({})).await.ok();
    host.post("/api/v1/extensions/echo/programs/echo/call", json!({"input": 1}))
        .await
        .problem("extension.disabled");
    host.post("/api/v1/extensions/echo/enable", json!({})).await.ok();

    host.upload("/api/v1/extensions/echo/upgrade", echo("1.1.0")).await.ok();
    assert_eq!(host.execute_program("echo", 1).await["version"], "1.1.0");
    assert_eq!(
        host.post("/api/v1/extensions/echo/rollback", json!({})).await.ok()["version"],
        "1.0.0"
    );
    host.post("/api/v1/extensions/echo/rollback", json!({}))
        .await
        .problem("extension.nothing_to_roll_back");

    let stale = host.request(Method::DELETE, "/api/v1/extensions/echo").header("if-match", tag);
    host.send(stale).await.problem("request.precondition_failed");
    assert_eq!(host.delete("/api/v1/extensions/echo").await.status, 204);
    host.get("/api/v1/extensions/echo").await.problem("extension.not_found");
    assert_eq!(host.get("/api/v1/extensions").await.ok()["items"], json!([]));
}

impl Host {
    async fn execute_program(&self, program: &str, input: i64) -> serde_json::Value {
        let path = format!("/api/v1/extensions/echo/programs/{program}/call");
        self.post(&path, json!({"input": input})).await.ok()
    }
}

#[tokio::test]
async fn an_install_that_shall_not_answer_yet_is_one_change() {
    let host = Host::start().await;
    let installed = host.upload("/api/v1/extensions?enable=false", echo("1.0.0")).await;
    assert_eq!(installed.ok()["state"], "disabled");
    assert_eq!(installed.header("etag"), "\"1\"");
    host.post("/api/v1/extensions/echo/programs/echo/call", json!({"input": 1}))
        .await
        .problem("extension.disabled");
    let audit = host.get("/api/v1/audit").await.ok();
    let acts = audit["items"].as_array().unwrap().iter();
    let acts: Vec<_> = acts
        .filter(|entry| entry["action"].as_str().unwrap().starts_with("extension."))
        .collect();
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert_eq!(acts[0]["action"], "extension.install");
    host.post("/api/v1/extensions/echo/enable", json!({})).await.ok();
    assert_eq!(host.execute_program("echo", 1).await["outputData"], 1);
}

#[tokio::test]
async fn permissions_wait_for_consent() {
    let host = Host::start().await;
    let waiting = host.upload("/api/v1/extensions", hostile(&["echo"])).await.ok();
    assert_eq!(
        (&waiting["state"], &waiting["wants"]),
        (&json!("pending-consent"), &json!(["key_value", "network example.com"]))
    );
    let call = "/api/v1/extensions/hostile/programs/echo/call";
    host.post(call, json!({"input": 1})).await.problem("extension.consent_required");
    let granted = host
        .send(host.request(Method::POST, "/api/v1/extensions/hostile/consent"))
        .await
        .ok();
    assert_eq!(
        (&granted["state"], &granted["grant"]["keyValue"]),
        (&json!("enabled"), &json!(true))
    );
    host.post(call, json!({"input": 1})).await.ok();
}

#[tokio::test]
async fn what_is_no_package_is_refused_and_leaves_nothing() {
    let host = Host::start().await;
    let whole = echo("1.0.0");
    for (bytes, code) in [
        (b"".to_vec(), "package.invalid"),
        (vec![0; 10_000], "package.invalid"),
        (whole[..whole.len() / 2].to_vec(), "package.invalid"),
    ] {
        host.upload("/api/v1/extensions", bytes.clone()).await.problem(code);
        host.upload("/api/v1/packages/inspect", bytes).await.problem(code);
    }
    assert_eq!(host.get("/api/v1/extensions").await.ok()["items"], json!([]));
    let inspected = host.upload("/api/v1/packages/inspect", whole).await.ok();
    assert_eq!(
        (&inspected["name"], &inspected["permissions"]["network"]),
        (&json!("echo"), &json!([]))
    );
    assert_eq!(host.get("/api/v1/extensions").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn configuration_is_checked_and_secrets_stay_hidden() {
    let host = Host::start().await;
    let manifest = "name = \"echo\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
        host_api = \"^0.1\"\n[[programs]]\nname = \"echo\"\n[[programs]]\nname = \"upper\"\n[config]\n\
        schema = { type = \"object\", required = [\"city\"], additionalProperties = false, properties = { city = { type = \"string\" }, token = { type = \"string\", writeOnly = true } } }\n";
    let installed = host.upload("/api/v1/extensions", package("echo", manifest)).await.ok();
    assert_eq!(installed["state"], "disabled");
    let path = "/api/v1/extensions/echo/config";
    let put = |config| host.send(host.request(Method::PUT, path).json(&json!({"config": config})));
    let wrong = put(json!({"city": 7})).await.problem("extension.config_invalid");
    assert_eq!(wrong["errors"][0]["path"], "/city");
    put(json!({"city": "Ulm", "token": "very-secret"})).await.ok();
    let shown = host.get(path).await;
    assert_eq!(shown.ok()["config"]["city"], "Ulm");
    assert!(!shown.text.contains("very-secret") && !host.get("/api/v1/extensions/echo").await.text.contains("very-secret"));
    let kept = std::fs::read_dir(host.data.path())
        .unwrap()
        .filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
    for bytes in kept {
        assert!(!String::from_utf8_lossy(&bytes).contains("very-secret"), "sealed at rest");
    }
    let limits = host
        .request(Method::PUT, "/api/v1/extensions/echo/limits")
        .json(&json!({"memory": "99GiB"}));
    host.send(limits).await.problem("extension.limits_invalid");
    let limits = host
        .request(Method::PUT, "/api/v1/extensions/echo/limits")
        .json(&json!({"memory": "8MiB"}));
    assert_eq!(host.send(limits).await.ok()["limits"]["memory"], "8MiB");
}

#[tokio::test]
async fn logs_are_listed_and_followed() {
    let host = Host::start().await.with_hostile(&["flood-log"]).await;
    host.execute("flood-log", json!(3)).await.ok();
    // Lines are written in the background; following them needs no guess at when.
    let follow = host
        .request(Method::GET, "/api/v1/extensions/hostile/logs?follow=true&after=0")
        .header("accept", "text/event-stream");
    let mut events = follow.send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut text = String::new();
    while text.matches("event: log").count() < 3 {
        text.push_str(std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap());
    }
    drop(events);
    let listed = host.get("/api/v1/extensions/hostile/logs?limit=2&after=0").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let after = listed["nextCursor"].as_str().unwrap();
    let rest = host.get(&format!("/api/v1/extensions/hostile/logs?after={after}")).await.ok();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert!(rest.get("nextCursor").is_none());
    let resumed = host
        .request(Method::GET, "/api/v1/extensions/hostile/logs")
        .header("accept", "text/event-stream")
        .header("last-event-id", after);
    let resumed = resumed.send().await.unwrap().text().await.unwrap();
    assert_eq!(resumed.matches("event: log").count(), 1, "{resumed}");
    host.get("/api/v1/extensions/hostile/logs?level=loud")
        .await
        .problem("request.invalid");
    assert_eq!(
        host.get("/api/v1/extensions/hostile/logs?level=error").await.ok()["items"],
        json!([])
    );
}
