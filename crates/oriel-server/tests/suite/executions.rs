//! Tasks, calls, batches and their records.

use reqwest::Method;
use serde_json::{Value, json};

use super::host::Host;

#[tokio::test]
async fn a_task_is_created_changed_and_deleted() {
    let host = Host::start().await.with_echo().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let new = json!({"name": "strict", "description": "d", "inputSchema": schema, "program": {"extension": "echo", "name": "echo"}});
    let created = host.post("/api/v1/tasks", new.clone()).await;
    assert_eq!((created.status.as_u16(), created.header("etag")), (201, "\"1\""));
    let id = created.ok()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), format!("/api/v1/tasks/{id}"));
    host.post("/api/v1/tasks", new).await.problem("task.exists");
    assert_eq!(
        host.get("/api/v1/tasks/strict").await.ok(),
        host.get(&format!("/api/v1/tasks/{id}")).await.ok()
    );

    let wrong = host.execute("strict", json!({"n": "x"})).await.problem("execution.input_invalid");
    assert_eq!(wrong["errors"][0]["path"], "/n");
    assert!(wrong["executionId"].as_str().unwrap().starts_with("exec_"));
    assert_eq!(host.execute(&id, json!({"n": 1})).await.ok()["outputData"], json!({"n": 1}));

    let patch = |tag: &'static str, body: Value| {
        host.send(
            host.request(Method::PATCH, "/api/v1/tasks/strict")
                .header("if-match", tag)
                .json(&body),
        )
    };
    patch("\"7\"", json!({"description": "new"}))
        .await
        .problem("request.precondition_failed");
    patch("nonsense", json!({"description": "new"}))
        .await
        .problem("request.precondition_failed");
    assert_eq!(patch("\"1\"", json!({"inputSchema": true})).await.ok()["revision"], 2);
    assert_eq!(
        host.execute("strict", json!({"n": "x"})).await.ok()["outputData"],
        json!({"n": "x"})
    );
    patch("*", json!({"inputSchema": {"$ref": "https://example.com/s.json"}}))
        .await
        .problem("task.schema_invalid");
    patch("*", json!({"program": {"extension": "nope", "name": "x"}}))
        .await
        .problem("extension.not_found");
    patch("*", json!({"name": "echo"})).await.problem("task.exists");

    assert_eq!(host.delete("/api/v1/tasks/strict").await.status, 204);
    host.execute("strict", json!(1)).await.problem("task.not_found");
    let listed = host.get("/api/v1/tasks?limit=1").await.ok();
    assert_eq!(listed["items"][0]["name"], "echo");
}

#[tokio::test]
async fn an_execution_has_the_promised_shape_and_a_record() {
    let host = Host::start().await.with_echo().await;
    let reply = host.execute("echo", json!({"text": "grüße", "n": 1.5})).await.ok();
    for field in [
        "id",
        "taskId",
        "outputData",
        "latencyMs",
        "executedAt",
        "status",
        "version",
        "resources",
    ] {
        assert!(!reply[field].is_null(), "{field}: {reply}");
    }
    let record = host
        .get(&format!("/api/v1/executions/{}", reply["id"].as_str().unwrap()))
        .await
        .ok();
    assert_eq!((&record["input"], &record["output"]), (&reply["outputData"], &reply["outputData"]));
    // Numbers and texts pass through as they came.
    let raw = "{\"taskId\":\"echo\",\"input\":{\"big\":123456789012345678901234567890,\"f\":1.10,\"s\":\"\\u00e4\"}}";
    let request = host
        .request(Method::POST, "/api/v1/tasks/execute")
        .header("content-type", "application/json")
        .body(raw);
    let exact = host.send(request).await;
    assert!(
        exact
            .text
            .contains("\"outputData\":{\"big\":123456789012345678901234567890,\"f\":1.10,\"s\":\"\\u00e4\"}"),
        "{}",
        exact.text
    );
}

#[tokio::test]
async fn a_guest_that_misbehaves_gets_its_own_code_and_the_blame() {
    let programs = ["loop", "allocate", "trap", "garbage", "recurse", "sleep", "fail"];
    let host = Host::start().await.with_hostile(&programs).await;
    for (program, input, codes) in [
        ("loop", json!(0), ["execution.timeout", "execution.cpu_exceeded"]),
        ("allocate", json!(0), ["execution.memory_exceeded", "execution.trapped"]),
        ("trap", json!(0), ["execution.trapped"; 2]),
        ("garbage", json!(0), ["execution.output_invalid"; 2]),
        ("recurse", json!(0), ["execution.trapped"; 2]),
        ("sleep", json!(5_000), ["execution.timeout"; 2]),
        ("fail", json!("invalid-input"), ["execution.rejected"; 2]),
        ("fail", json!("unavailable"), ["execution.unavailable"; 2]),
        ("fail", json!("denied"), ["execution.denied"; 2]),
        ("fail", json!("limit-exceeded"), ["execution.limit_exceeded"; 2]),
        ("fail", json!("internal"), ["execution.failed"; 2]),
    ] {
        let reply = host.execute(program, input.clone()).await;
        let body = reply.json();
        assert!(
            codes.contains(&body["code"].as_str().unwrap_or_default()),
            "{program} {input}: {body:#}"
        );
        assert_eq!(body["blame"], "guest", "{body:#}");
        let record = host
            .get(&format!("/api/v1/executions/{}", body["executionId"].as_str().unwrap()))
            .await
            .ok();
        assert_eq!((&record["status"], &record["error"]["code"]), (&json!("failed"), &body["code"]));
    }
    let failed = host.get("/api/v1/executions?status=failed&limit=3").await.ok();
    assert_eq!(failed["items"].as_array().unwrap().len(), 3);
    assert!(failed["nextCursor"].is_string());
}

#[tokio::test]
async fn a_batch_answers_in_order_and_keeps_errors_inside() {
    let host = Host::start().await.with_echo().await;
    let strict = json!({"name": "odd", "inputSchema": {"not": {"multipleOf": 10}}, "program": {"extension": "echo", "name": "echo"}});
    host.post("/api/v1/tasks", strict).await.ok();
    let items: Vec<Value> = (0..1_000).map(|n| json!({"id": n.to_string(), "input": n})).collect();
    let reply = host
        .post(
            "/api/v1/tasks/batch/execute",
            json!({"taskId": "odd", "items": items, "maxConcurrency": 4}),
        )
        .await;
    let body = reply.ok();
    assert_eq!(reply.header("oriel-batch-id"), body["batchId"]);
    assert_eq!(
        (&body["totalItems"], &body["successCount"], &body["failureCount"]),
        (&json!(1000), &json!(900), &json!(100))
    );
    for (n, result) in body["results"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&result["id"], &result["success"]), (&json!(n.to_string()), &json!(n % 10 != 0)));
        if n % 10 == 0 {
            assert_eq!(result["errorCode"], "execution.input_invalid");
        } else {
            assert_eq!(result["outputData"], n);
        }
    }
    let id = body["batchId"].as_str().unwrap();
    let progress = host.get(&format!("/api/v1/batches/{id}")).await.ok();
    assert_eq!((&progress["state"], &progress["successCount"]), (&json!("completed"), &json!(900)));
    let events = host.send(host.request(Method::GET, &format!("/api/v1/batches/{id}/events"))).await;
    assert!(
        events.text.starts_with("event: progress\ndata: {") && events.text.contains("\"completed\""),
        "{}",
        events.text
    );
    let recorded = host.get(&format!("/api/v1/executions?batchId={id}&limit=1000")).await.ok();
    assert_eq!(recorded["items"].as_array().unwrap().len(), 1_000);
}

#[tokio::test]
async fn a_batch_can_come_as_lines_and_can_stop_early() {
    let host = Host::start().await.with_echo().await.with_hostile(&["fail"]).await;
    let items: Vec<Value> = (0..5_000).map(|n| json!({"id": n.to_string(), "input": {"n": n}})).collect();
    let request = host
        .request(Method::POST, "/api/v1/tasks/batch/execute")
        .header("accept", "application/x-ndjson")
        .json(&json!({"taskId": "echo", "items": items}));
    let reply = host.send(request).await;
    assert!(reply.header("oriel-batch-id").starts_with("batch_"));
    let lines: Vec<Value> = reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5_000);
    assert!(
        lines
            .iter()
            .enumerate()
            .all(|(n, line)| line["id"].as_str() == Some(&n.to_string()) && line["outputData"]["n"] == n)
    );

    let items: Vec<Value> = (0..500).map(|n| json!({"id": n.to_string(), "input": "internal"})).collect();
    let stopped = json!({"taskId": "fail", "items": items, "stopOnFirstError": true, "maxConcurrency": 1});
    let stopped = host.post("/api/v1/tasks/batch/execute", stopped).await.ok();
    assert_eq!(stopped["results"][499]["errorCode"], "execution.cancelled");

    for (body, code) in [
        (json!({"taskId": "echo", "items": [], "maxConcurrency": 0}), "request.invalid"),
        (json!({"taskId": "echo", "items": [], "maxConcurrency": 1001}), "request.invalid"),
        (json!({"taskId": "echo", "items": 7}), "request.invalid"),
        (json!({"taskId": "nope", "items": []}), "task.not_found"),
    ] {
        host.post("/api/v1/tasks/batch/execute", body).await.problem(code);
    }
    let empty = host
        .post("/api/v1/tasks/batch/execute", json!({"taskId": "echo", "items": []}))
        .await
        .ok();
    assert_eq!((&empty["totalItems"], &empty["results"]), (&json!(0), &json!([])));
    let small = Host::start_with(|config| config.max_batch_items = 2).await.with_echo().await;
    let three = json!({"taskId": "echo", "items": [{"id": "1", "input": 1}, {"id": "2", "input": 1}, {"id": "3", "input": 1}]});
    small.post("/api/v1/tasks/batch/execute", three).await.problem("batch.too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_at_once_each_get_their_own_answer() {
    let host = Host::start().await.with_echo().await;
    let host = &host;
    let calls = (0..200).map(|n| async move {
        let reply = host.execute("echo", json!({"n": n})).await.ok();
        assert_eq!(reply["outputData"]["n"], n);
        reply["id"].as_str().unwrap().to_owned()
    });
    let ids: std::collections::BTreeSet<String> = futures::future::join_all(calls).await.into_iter().collect();
    assert_eq!(ids.len(), 200);
}
