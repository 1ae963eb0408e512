//! Who may do what, as seen from outside.

use reqwest::Method;
use serde_json::json;

use super::host::Host;

#[tokio::test]
async fn a_request_without_a_valid_key_is_refused() {
    let host = Host::start().await;
    for key in ["", "oriel_nonsense", "the-owner-key-of-these-test", "Bearer x"] {
        let reply = host.with_key(key).get("/api/v1/me").await;
        reply.problem("access.unauthenticated");
        assert!(reply.header("www-authenticate").starts_with("Bearer"), "{reply:?}");
    }
    let basic = host.anonymous(Method::GET, "/api/v1/me").basic_auth("a", Some("b"));
    assert_eq!(host.send(basic).await.status, 401);
    assert_eq!(host.get("/api/v1/me").await.ok()["role"], "owner");
}

#[tokio::test]
async fn keys_end_by_revocation_and_by_time() {
    let host = Host::start().await;
    let created = host.post("/api/v1/keys", json!({"name": "short", "role": "viewer"})).await.ok();
    let (id, secret) = (created["id"].as_str().unwrap(), created["secret"].as_str().unwrap());
    let short = host.with_key(secret);
    assert_eq!(short.get("/api/v1/me").await.ok()["keyId"], id);
    host.delete(&format!("/api/v1/keys/{id}")).await.ok();
    short.get("/api/v1/me").await.problem("access.key_revoked");
    let past = json!({"name": "past", "role": "viewer", "expiresAt": "2001-01-01T00:00:00Z"});
    host.post("/api/v1/keys", past).await.problem("request.invalid");
    let listed = host.get("/api/v1/keys").await.ok();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains(secret), "secrets are shown once");
}

#[tokio::test]
async fn roles_and_scopes_narrow_what_a_key_may_do() {
    let host = Host::start().await;
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    viewer.get("/api/v1/tasks").await.ok();
    viewer
        .post("/api/v1/tasks/execute", json!({"taskId": "x", "input": 1}))
        .await
        .problem("access.forbidden");
    viewer.get("/api/v1/keys").await.problem("access.forbidden");
    let narrow = host.with_key(&host.new_key("admin", &["tasks:read"]).await);
    narrow.get("/api/v1/tasks").await.ok();
    narrow.get("/api/v1/extensions").await.problem("access.forbidden");
    narrow
        .post("/api/v1/keys", json!({"name": "x", "role": "viewer"}))
        .await
        .problem("access.forbidden");
    let admin = host.with_key(&host.new_key("admin", &[]).await);
    admin
        .post("/api/v1/keys", json!({"name": "x", "role": "owner"}))
        .await
        .problem("access.forbidden");
    admin
        .post("/api/v1/tenants", json!({"name": "acme"}))
        .await
        .problem("access.forbidden");
}

#[tokio::test]
async fn what_belongs_to_another_tenant_is_not_there() {
    let host = Host::start().await.with_echo().await;
    let task = host.get("/api/v1/tasks/echo").await.ok();
    let execution = host.execute("echo", json!(1)).await.ok();
    let batch = host
        .post("/api/v1/tasks/batch/execute", json!({"taskId": "echo", "items": []}))
        .await
        .ok();
    let me = host.get("/api/v1/me").await.ok();
    let other = host.other_tenant("acme").await;
    let (task, execution, batch, key) = (
        task["id"].as_str().unwrap(),
        execution["id"].as_str().unwrap(),
        batch["batchId"].as_str().unwrap(),
        me["keyId"].as_str().unwrap(),
    );
    for (path, code) in [
        (format!("/api/v1/tasks/{task}"), "task.not_found"),
        ("/api/v1/tasks/echo".to_owned(), "task.not_found"),
        (format!("/api/v1/executions/{execution}"), "execution.not_found"),
        (format!("/api/v1/executions?taskId={task}"), "task.not_found"),
        (format!("/api/v1/batches/{batch}"), "batch.not_found"),
        (format!("/api/v1/batches/{batch}/events"), "batch.not_found"),
        ("/api/v1/extensions/echo".to_owned(), "extension.not_found"),
        ("/api/v1/extensions/echo/logs".to_owned(), "extension.not_found"),
        ("/api/v1/extensions/echo/config".to_owned(), "extension.not_found"),
    ] {
        assert_eq!(other.get(&path).await.problem(code)["status"], 404, "{path}");
        host.get(&path).await;
    }
    other.execute(task, json!(1)).await.problem("task.not_found");
    other.delete(&format!("/api/v1/tasks/{task}")).await.problem("task.not_found");
    other.delete(&format!("/api/v1/keys/{key}")).await.problem("access.key_not_found");
    other.delete("/api/v1/extensions/echo").await.problem("extension.not_found");
    let call = other.post("/api/v1/extensions/echo/programs/echo/call", json!({"input": 1})).await;
    call.problem("extension.not_found");
    for list in [
        "/api/v1/tasks",
        "/api/v1/extensions",
        "/api/v1/executions",
        &format!("/api/v1/executions?batchId={batch}"),
    ] {
        assert_eq!(other.get(list).await.ok()["items"], json!([]), "{list}");
    }
    other.get("/api/v1/tenants").await.problem("access.forbidden");
}

#[tokio::test]
async fn the_last_owner_stays_and_the_audit_log_tells_the_story() {
    let host = Host::start().await;
    let me = host.get("/api/v1/me").await.ok();
    let own = format!("/api/v1/keys/{}", me["keyId"].as_str().unwrap());
    host.delete(&own).await.problem("access.last_owner");
    host.delete("/api/v1/keys/key_01jd3yq8m3v5n4x2c7b9k0r6ts")
        .await
        .problem("access.key_not_found");
    host.delete("/api/v1/keys/nonsense").await.problem("access.key_not_found");
    host.new_key("viewer", &[]).await;
    host.post("/api/v1/tenants", json!({"name": "acme", "displayName": "Acme"}))
        .await
        .ok();
    host.post("/api/v1/tenants", json!({"name": "acme"}))
        .await
        .problem("access.tenant_exists");
    let verdict = host.get("/api/v1/audit/verify").await.ok();
    assert_eq!(verdict["intact"], true);
    let log = host.get("/api/v1/audit?limit=1").await.ok();
    assert_eq!(log["items"][0]["sequence"], verdict["entries"]);
    let next = format!("/api/v1/audit?limit=1&cursor={}", log["nextCursor"].as_str().unwrap());
    assert_ne!(host.get(&next).await.ok()["items"], log["items"]);
    host.get("/api/v1/audit?cursor=nonsense").await.problem("request.cursor");
    assert_eq!(host.get("/api/v1/tenants").await.ok()["items"].as_array().unwrap().len(), 2);
}
