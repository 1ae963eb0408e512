//! The same request twice.

use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Host, Reply};

async fn keyed(host: &Host, key: &str, path: &str, body: &Value) -> Reply {
    host.send(host.request(Method::POST, path).header("idempotency-key", key).json(body))
        .await
}

#[tokio::test]
async fn a_repeated_request_answers_the_same_and_does_nothing() {
    let host = Host::start().await.with_echo().await;
    let body = json!({"taskId": "echo", "input": {"n": 1}});
    let first = keyed(&host, "k-1", "/api/v1/tasks/execute", &body).await;
    let second = keyed(&host, "k-1", "/api/v1/tasks/execute", &body).await;
    assert_eq!(first.ok(), second.ok());
    assert_eq!(
        (first.header("idempotency-replayed"), second.header("idempotency-replayed")),
        ("", "true")
    );
    assert_eq!(host.get("/api/v1/executions").await.ok()["items"].as_array().unwrap().len(), 1);
    let other = json!({"taskId": "echo", "input": {"n": 2}});
    keyed(&host, "k-1", "/api/v1/tasks/execute", &other)
        .await
        .problem("request.idempotency_conflict");
    keyed(&host, "k-1", "/api/v1/tasks", &body)
        .await
        .problem("request.idempotency_conflict");
    // Refusals that a repetition cannot change are kept too.
    let missing = json!({"taskId": "nope", "input": 1});
    for replayed in ["", "true"] {
        let reply = keyed(&host, "k-2", "/api/v1/tasks/execute", &missing).await;
        assert_eq!(reply.json()["code"], "task.not_found");
        assert_eq!(reply.header("idempotency-replayed"), replayed);
    }
    keyed(&host, &"k".repeat(256), "/api/v1/tasks/execute", &body)
        .await
        .problem("request.invalid");
    keyed(&host, "a b", "/api/v1/tasks/execute", &body).await.problem("request.invalid");
}

#[tokio::test]
async fn a_key_belongs_to_its_tenant() {
    let host = Host::start().await;
    let body = json!({"name": "same", "role": "viewer"});
    let first = keyed(&host, "k", "/api/v1/keys", &body).await.ok();
    let other = host.other_tenant("acme").await;
    let theirs = keyed(&other, "k", "/api/v1/keys", &body).await;
    assert_eq!(theirs.header("idempotency-replayed"), "");
    assert_ne!(theirs.ok()["id"], first["id"]);
}

#[tokio::test]
async fn a_key_belongs_to_its_sender() {
    let host = Host::start().await.with_echo().await;
    let body = json!({"name": "ci", "role": "owner"});
    let first = keyed(&host, "k", "/api/v1/keys", &body).await.ok();
    // Whoever may not make such a key does not get the one that was made.
    let admin = host.with_key(&host.new_key("admin", &[]).await);
    let reply = keyed(&admin, "k", "/api/v1/keys", &body).await;
    reply.problem("access.forbidden");
    assert!(!reply.text.contains(first["secret"].as_str().unwrap()));
    // Whoever may makes a request of their own, and the first sender still has theirs.
    let call = json!({"taskId": "echo", "input": 1});
    keyed(&host, "c", "/api/v1/tasks/execute", &call).await.ok();
    let theirs = keyed(&admin, "c", "/api/v1/tasks/execute", &call).await;
    theirs.ok();
    assert_eq!(theirs.header("idempotency-replayed"), "");
    assert_eq!(keyed(&host, "k", "/api/v1/keys", &body).await.ok(), first);
}

#[tokio::test]
async fn a_reply_with_a_secret_is_kept_sealed() {
    let host = Host::start().await;
    let body = json!({"name": "ci", "role": "viewer"});
    let first = keyed(&host, "k", "/api/v1/keys", &body).await.ok();
    assert_eq!(keyed(&host, "k", "/api/v1/keys", &body).await.ok(), first);
    let secret = first["secret"].as_str().unwrap();
    for entry in std::fs::read_dir(host.data.path()).unwrap() {
        let Ok(bytes) = std::fs::read(entry.unwrap().path()) else {
            continue;
        };
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test]
async fn failures_of_guest_and_host_can_be_tried_again() {
    let host = Host::start().await.with_hostile(&["trap", "fail"]).await;
    let trap = json!({"taskId": "trap", "input": 1});
    for _ in 0..2 {
        let reply = keyed(&host, "k-1", "/api/v1/tasks/execute", &trap).await;
        reply.problem("execution.trapped");
        assert_eq!(reply.header("idempotency-replayed"), "");
    }
    let limited = json!({"taskId": "fail", "input": "limit-exceeded"});
    for _ in 0..2 {
        let reply = keyed(&host, "k-2", "/api/v1/tasks/execute", &limited).await;
        assert_eq!(reply.header("idempotency-replayed"), "");
        assert!(!reply.header("retry-after").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_one_works() {
    let host = Host::start().await.with_hostile(&["sleep"]).await;
    let host = &host;
    let body = &json!({"taskId": "sleep", "input": 100});
    let replies = futures::future::join_all((0..20).map(|_| keyed(host, "k", "/api/v1/tasks/execute", body))).await;
    for reply in &replies {
        assert!(reply.status == 200 || reply.json()["code"] == "request.in_progress", "{reply:?}");
    }
    assert!(
        replies
            .iter()
            .any(|reply| reply.status == 200 && reply.header("idempotency-replayed").is_empty())
    );
    assert_eq!(host.get("/api/v1/executions").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_went_away_finds_its_reply() {
    let host = Host::start().await.with_hostile(&["sleep"]).await;
    let body = json!({"taskId": "sleep", "input": 200});
    let request = host
        .request(Method::POST, "/api/v1/tasks/execute")
        .header("idempotency-key", "k")
        .json(&body);
    let gone = tokio::time::timeout(std::time::Duration::from_millis(50), request.send()).await;
    assert!(gone.is_err());
    let reply = loop {
        let reply = keyed(&host, "k", "/api/v1/tasks/execute", &body).await;
        if reply.status == 200 {
            break reply;
        }
        reply.problem("request.in_progress");
        tokio::task::yield_now().await;
    };
    assert_eq!(reply.header("idempotency-replayed"), "true");
    assert_eq!(host.get("/api/v1/executions").await.ok()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn lines_cannot_be_kept() {
    let host = Host::start().await.with_echo().await;
    let request = host
        .request(Method::POST, "/api/v1/tasks/batch/execute")
        .header("idempotency-key", "k")
        .header("accept", "application/x-ndjson")
        .json(&json!({"taskId": "echo", "items": []}));
    host.send(request).await.problem("request.invalid");
}
