//! Canaries, validation and recommendations over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Host, Reply, echo, package};

/// `echo` as a release that fails on every fifth number.
fn flaky(version: &str) -> Vec<u8> {
    let head = format!(
        "name = \"echo\"\nversion = \"{version}\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
         host_api = \"^0.1\"\n"
    );
    package(
        "flaky",
        &format!("{head}\n[[programs]]\nname = \"echo\"\n\n[[programs]]\nname = \"upper\"\n"),
    )
}

impl Host {
    async fn start_canary(&self, query: &str, package: Vec<u8>) -> Reply {
        let request = self
            .request(Method::PUT, &format!("/api/v1/extensions/echo/canary{query}"))
            .header("content-type", "application/vnd.oriel.package");
        self.send(request.body(package)).await
    }

    async fn patch_canary(&self, body: Value) -> Reply {
        self.send(self.request(Method::PATCH, "/api/v1/extensions/echo/canary").json(&body))
            .await
    }
}

#[tokio::test]
async fn a_canary_is_started_compared_moved_and_taken_away() {
    let host = Host::start().await.with_echo().await;
    let nothing = host.get("/api/v1/extensions/echo/canary").await.ok();
    assert_eq!(nothing, json!({"state": "none"}));
    host.delete("/api/v1/extensions/echo/canary").await.problem("extension.no_canary");
    host.patch_canary(json!({"share": 0.5})).await.problem("extension.no_canary");
    for query in ["?share=0", "?share=2", "?alpha=0", "?promoteAfter=1", "?nothing=1", "?auto=maybe"] {
        host.start_canary(query, flaky("1.1.0")).await.problem("request.invalid");
    }

    let started = host.start_canary("?share=0.5&auto=false&promoteAfter=400", flaky("1.1.0")).await;
    let body = started.ok();
    assert_eq!(body["state"], "running");
    assert_eq!(body["canary"]["policy"]["promoteAfter"], 400);
    assert_eq!(body["canary"]["comparison"]["running"]["version"], "1.0.0");
    host.upload("/api/v1/extensions/echo/upgrade", echo("2.0.0"))
        .await
        .problem("extension.canary_running");

    let mut versions = std::collections::BTreeSet::new();
    for n in 0..300 {
        let reply = host
            .post(
                "/api/v1/tasks/execute",
                json!({"taskId": "echo", "input": {"n": (n * 7_919) % 1_000}}),
            )
            .await;
        if reply.status == 200 {
            versions.insert(reply.ok()["version"].as_str().unwrap().to_owned());
        } else {
            reply.problem("execution.failed");
        }
    }
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["1.0.0", "1.1.0"]);
    let keyed = json!({"taskId": "echo", "input": 1, "canaryKey": "customer-7"});
    let first = host.post("/api/v1/tasks/execute", keyed.clone()).await.ok()["version"].clone();
    for _ in 0..10 {
        assert_eq!(host.post("/api/v1/tasks/execute", keyed.clone()).await.ok()["version"], first);
    }
    let long = json!({"taskId": "echo", "input": 1, "canaryKey": "x".repeat(300)});
    host.post("/api/v1/tasks/execute", long).await.problem("request.invalid");

    let shown = host.get("/api/v1/extensions/echo/canary").await.ok();
    let comparison = &shown["canary"]["comparison"];
    assert_eq!(comparison["advice"], "rollback", "{comparison:#}");
    assert_eq!(
        comparison["running"]["calls"].as_u64().unwrap() + comparison["canary"]["calls"].as_u64().unwrap(),
        311
    );
    let advised = host.get("/api/v1/tasks/echo/recommendations").await.ok();
    assert_eq!(advised["recommendations"][0]["kind"], "rollback");

    let stale = host
        .request(Method::PATCH, "/api/v1/extensions/echo/canary")
        .header("if-match", "\"99\"");
    host.send(stale.json(&json!({"share": 0.1})))
        .await
        .problem("request.precondition_failed");
    assert_eq!(host.patch_canary(json!({"share": 0.1})).await.ok()["canary"]["share"], 0.1);
    host.patch_canary(json!({"alpha": 0.5})).await.problem("request.invalid");

    let gone = host.delete("/api/v1/extensions/echo/canary").await.ok();
    assert_eq!(gone["version"], "1.0.0");
    let last = host.get("/api/v1/extensions/echo/canary").await.ok();
    assert_eq!(
        (&last["state"], &last["last"]["end"], &last["last"]["automatic"]),
        (&json!("none"), &json!("rolled-back"), &json!(false))
    );
    host.start_canary("?auto=false", flaky("1.1.0")).await.ok();
    let promoted = host.post("/api/v1/extensions/echo/canary/promote", json!({})).await.ok();
    assert_eq!(promoted["version"], "1.1.0");
    let metrics = host.get("/metrics").await.text;
    assert!(
        metrics.contains("oriel_canary_decisions_total{decision=\"promoted\"} "),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_worse_canary_goes_by_itself_and_is_remembered_after_a_restart() {
    let mut host = Host::start().await.with_echo().await;
    host.start_canary("?share=0.5", flaky("1.1.0")).await.ok();
    let mut calls = 0;
    loop {
        let state = host.get("/api/v1/extensions/echo/canary").await.ok();
        if state["state"] == "none" {
            assert_eq!(
                (&state["last"]["end"], &state["last"]["automatic"]),
                (&json!("rolled-back"), &json!(true))
            );
            break;
        }
        assert!(calls < 500, "not rolled back after {calls} calls: {state:#}");
        for _ in 0..10 {
            host.execute("echo", json!({"n": (calls * 7_919) % 1_000})).await;
            calls += 1;
        }
    }
    let audit = host.get("/api/v1/audit").await.ok();
    let actions: Vec<_> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert!(actions.contains(&&json!("extension.canary_rollback")), "{actions:?}");
    host.start_canary("?share=0.5&auto=false", flaky("1.2.0")).await.ok();
    for n in 0..40 {
        host.execute("echo", json!({"n": n})).await;
    }
    host.stop().await;
    let again = Host::start_in(host.data.clone(), |_| {}).await;
    let shown = again.get("/api/v1/extensions/echo/canary").await.ok();
    let comparison = &shown["canary"]["comparison"];
    let seen = comparison["running"]["calls"].as_u64().unwrap() + comparison["canary"]["calls"].as_u64().unwrap();
    assert_eq!(seen, 40, "{comparison:#}");
}

#[tokio::test]
async fn who_may_not_and_who_is_elsewhere_see_no_canary() {
    let host = Host::start().await.with_echo().await;
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    viewer.start_canary("", flaky("1.1.0")).await.problem("access.forbidden");
    viewer.get("/api/v1/extensions/echo/canary").await.ok();
    let other = host.other_tenant("elsewhere").await;
    other.get("/api/v1/extensions/echo/canary").await.problem("extension.not_found");
    other.start_canary("", flaky("1.1.0")).await.problem("extension.not_found");
    other.get("/api/v1/tasks/echo/recommendations").await.problem("task.not_found");
}

#[tokio::test]
async fn outputs_are_validated() {
    let host = Host::start().await.with_echo().await;
    let executed = host.execute("echo", json!({"late": true, "by": 3.02})).await.ok();
    let body = |expected: Value, comparison: Value| json!({"taskId": "echo", "executionId": executed["id"], "expectedOutput": expected, "comparison": comparison});
    let near = body(json!({"late": true, "by": 3}), json!({"absoluteTolerance": 0.05}));
    let judged = host.post("/api/v1/validation/validate", near).await.ok();
    assert_eq!(
        (&judged["valid"], &judged["score"], &judged["version"]),
        (&json!(true), &json!(1.0), &json!("1.0.0"))
    );
    let exact = body(json!({"late": true, "by": 3}), json!({}));
    let judged = host.post("/api/v1/validation/validate", exact).await.ok();
    assert_eq!(
        (&judged["valid"], &judged["differences"][0]["path"]),
        (&json!(false), &json!("/by"))
    );
    host.post("/api/v1/validation/validate", body(json!(1), json!({"ignore": ["by"]})))
        .await
        .problem("request.invalid");
    let nobody = json!({"taskId": "echo", "executionId": "exec_01jd3yq8m3v5n4x2c7b9k0r6ts"});
    host.post("/api/v1/validation/validate", nobody)
        .await
        .problem("execution.not_found");

    let items = json!([
        {"id": "a", "input": 1, "output": [3, 1, 2], "expectedOutput": [1, 2, 3]},
        {"id": "b", "input": 2, "output": null, "expectedOutput": null},
        {"id": "c", "input": 3, "output": 7, "expectedOutput": null},
        {"id": "d", "output": 7},
    ]);
    let batch = json!({"taskId": "echo", "items": items, "comparison": {"unordered": [""]}});
    let done = host.post("/api/v1/validation/batch", batch).await.ok();
    assert_eq!(
        (&done["totalItems"], &done["validCount"], &done["invalidCount"]),
        (&json!(4), &json!(3), &json!(1))
    );
    assert_eq!(done["accuracyRate"], 0.75);
    assert_eq!(done["results"][2]["id"], "c");
    host.post("/api/v1/validation/batch", json!({"taskId": "echo", "items": []}))
        .await
        .problem("request.invalid");
}
