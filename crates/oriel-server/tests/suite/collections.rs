//! Documents of extensions over HTTP, and the user on whose behalf the host calls.

use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Host, Reply, package};

const MANIFEST: &str = r#"
name = "keeper"
version = "1.0.0"
description = "For tests."
publisher = "tests"
license = "Apache-2.0"
host_api = "^0.1"

[[programs]]
name = "who"
[[programs]]
name = "write"
[[programs]]
name = "find"

[[collections]]
name = "notes"
description = "What people wrote down."
schema = { type = "object", properties = { text = { type = "string" } } }
indexes = [{ fields = ["/text"] }]
access = { owner = "/owner" }

[permissions]
collections = true

[limits]
timeout = "60s"
"#;

const NOTES: &str = "/api/v1/extensions/keeper/collections/notes";

async fn host() -> Host {
    let host = Host::start().await;
    host.upload("/api/v1/extensions?grant=true", package("keeper", MANIFEST)).await.ok();
    host
}

async fn call(host: &Host, program: &str, user: Option<&str>, input: Value) -> Reply {
    let path = format!("/api/v1/extensions/keeper/programs/{program}/call");
    let mut request = host.request(Method::POST, &path).json(&json!({ "input": input }));
    if let Some(user) = user {
        request = request.header("oriel-user", user);
    }
    host.send(request).await
}

fn put(host: &Host, id: &str, body: &Value) -> reqwest::RequestBuilder {
    host.request(Method::PUT, &format!("{NOTES}/documents/{id}")).json(body)
}

#[tokio::test]
async fn the_user_reaches_the_guest_and_its_documents() {
    let host = host().await;
    assert_eq!(call(&host, "who", Some("ann"), json!({})).await.ok()["outputData"]["user"], "ann");
    assert_eq!(call(&host, "who", None, json!({})).await.ok()["outputData"]["user"], Value::Null);
    for bad in ["", &"x".repeat(129)] {
        call(&host, "who", Some(bad), json!({})).await.problem("request.invalid");
    }
    let write = json!({ "collection": "notes", "body": { "text": "mine" } });
    assert_eq!(
        call(&host, "write", Some("ann"), write.clone()).await.ok()["outputData"]["version"],
        1
    );
    let denied = call(&host, "write", None, write).await.ok();
    assert!(denied["outputData"]["error"].as_str().unwrap().starts_with("denied: "), "{denied}");
    for (user, count) in [("ann", 1), ("ben", 0)] {
        let found = call(&host, "find", Some(user), json!({ "collection": "notes" })).await.ok();
        assert_eq!(found["outputData"]["documents"].as_array().unwrap().len(), count, "{user}");
    }
    // A task passes the user on, too.
    let task = json!({ "name": "who", "program": { "extension": "keeper", "name": "who" } });
    host.post("/api/v1/tasks", task).await.ok();
    let request = host.request(Method::POST, "/api/v1/tasks/execute").header("oriel-user", "ben");
    let executed = host.send(request.json(&json!({ "taskId": "who", "input": {} }))).await;
    assert_eq!(executed.ok()["outputData"]["user"], "ben");
}

#[tokio::test]
async fn administrators_read_and_write_documents() {
    let host = host().await;
    let listed = host.get("/api/v1/extensions/keeper/collections").await.ok();
    assert_eq!(
        (&listed["items"][0]["name"], &listed["items"][0]["documents"]),
        (&json!("notes"), &json!(0))
    );
    for number in 0..5 {
        let body = json!({ "text": format!("note {number}"), "owner": "ann" });
        host.send(put(&host, &format!("n{number}"), &body)).await.ok();
    }
    let reply = host
        .send(put(&host, "n0", &json!({ "text": "changed" })).header("if-match", "\"1\""))
        .await;
    assert_eq!(reply.header("etag"), "\"2\"");
    host.send(put(&host, "n0", &json!({})).header("if-match", "\"1\""))
        .await
        .problem("document.version");
    host.send(put(&host, "n0", &json!({ "text": 1 }))).await.problem("document.invalid");
    host.send(put(&host, "n%2F0", &json!({}))).await.problem("document.invalid");
    let shown = host.get(&format!("{NOTES}/documents/n0")).await;
    assert_eq!(
        (shown.header("etag"), &shown.ok()["body"]),
        ("\"2\"", &json!({ "text": "changed" }))
    );
    let query = format!("{NOTES}/documents?filter=%7B%22%2Ftext%22%3A%7B%22prefix%22%3A%22note%22%7D%7D&order=-%2Ftext&limit=3");
    let page = host.get(&query).await.ok();
    let ids: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["n4", "n3", "n2"]);
    let next = host
        .get(&format!("{query}&cursor={}", page["nextCursor"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!((next["items"][0]["id"].as_str(), next.get("nextCursor")), (Some("n1"), None));
    assert_eq!(host.get(&format!("{NOTES}/count")).await.ok()["count"], 5);
    for bad in ["filter=%7B", "filter=%7B%22text%22%3A1%7D", "order=%2Fother"] {
        host.get(&format!("{NOTES}/documents?{bad}"))
            .await
            .problem("document.query_invalid");
    }
    let export = host.get(&format!("{NOTES}/export")).await;
    let text = export.text.clone();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[5]), (6, &json!({ "end": 5 })));
    assert_eq!(host.delete(&format!("{NOTES}/documents/n1")).await.status, 204);
    host.get(&format!("{NOTES}/documents/n1")).await.problem("document.not_found");
    host.delete(&format!("{NOTES}/documents/n1")).await.problem("document.not_found");
    host.get("/api/v1/extensions/keeper/collections/none/documents")
        .await
        .problem("collection.not_found");
    let other = host.other_tenant("other").await;
    other.get(&format!("{NOTES}/documents/n2")).await.problem("extension.not_found");
    let registered = host.get("/api/v1/contributions/keeper/collection/notes").await.ok();
    assert!(registered.to_string().contains("What people wrote down."), "{registered}");
}

#[tokio::test]
async fn documents_survive_the_server() {
    let mut host = host().await;
    host.send(put(&host, "kept", &json!({ "text": "kept" }))).await.ok();
    let data = host.data.clone();
    host.stop().await;
    let host = Host::start_in(data, |_| {}).await;
    assert_eq!(host.get(&format!("{NOTES}/documents/kept")).await.ok()["body"]["text"], "kept");
    host.delete("/api/v1/extensions/keeper").await;
    host.get(&format!("{NOTES}/documents/kept")).await.problem("extension.not_found");
}
