//! Validators and samplers at a task of a real server.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use oriel_package::{Package, pack};
use serde_json::{Value, json};

use crate::api::PATIENCE;
use crate::desk::{Answer, Desk};

/// A server with a task that answers what it is asked.
async fn desk() -> Desk {
    let desk = Desk::start();
    let manifest = "name = \"echo\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
                    host_api = \"^0.1\"\n[[programs]]\nname = \"echo\"\n[[programs]]\nname = \"upper\"\n";
    let package = Package {
        manifest: oriel_model::manifest::parse(manifest, &|path| Err(format!("no file {path}"))).unwrap(),
        component: Some(oriel_test_guests::component("echo")),
        readme: None,
        assets: Vec::new(),
        sbom: None,
    };
    desk.upload(pack(&package).unwrap().bytes).await.ok();
    desk.post(
        "/tasks",
        json!({ "name": "echo", "program": { "extension": "echo", "name": "echo" } }),
    )
    .await
    .ok();
    desk
}

async fn execute(desk: &Desk, input: Value) -> Answer {
    desk.post("/tasks/execute", json!({ "taskId": "echo", "input": input })).await
}

async fn inline(desk: &Desk, contribution: &str, config: Value) {
    let (extension, name) = contribution.split_once('/').unwrap();
    let body = json!({
        "kind": "validator", "point": "echo", "contribution": { "extension": extension, "name": name },
        "config": config, "inline": true, "onInvalid": "reject", "onError": "closed",
    });
    desk.post("/bindings", body).await.ok();
}

#[tokio::test]
async fn validators_judge_before_the_reply() {
    let desk = desk().await;
    for name in ["json-schema-validator", "range-validator", "pii-validator"] {
        desk.install(name, &[]).await;
    }
    let schemas = json!({ "schemas": { "order": { "type": "object", "required": ["total"], "properties": { "total": { "$ref": "oriel:money" } } }, "money": { "type": "number" } } });
    desk.configure("json-schema-validator", schemas).await;
    let broken = json!({ "schemas": { "order": { "$ref": "oriel:missing" } } });
    desk.try_to_configure("json-schema-validator", broken)
        .await
        .problem("extension.config_invalid");
    inline(&desk, "json-schema-validator/schema", json!({ "use": "order" })).await;
    inline(
        &desk,
        "range-validator/ranges",
        json!({ "rules": [{ "at": "/total", "minimum": 0, "below": 1000 }] }),
    )
    .await;
    inline(&desk, "pii-validator/pii", json!({})).await;
    execute(&desk, json!({ "total": 5, "note": "for Ada" })).await.ok();
    for (input, words) in [
        (json!({ "total": "5" }), "value is not of type"),
        (json!({ "total": 1000 }), "/total is not below 1000"),
        (json!({ "total": 1, "note": "ada@example.org" }), "personal data: 1 × email"),
    ] {
        let problem = execute(&desk, input).await.problem("execution.invalid").to_string();
        assert!(problem.contains(words) && !problem.contains("ada@example.org"), "{problem}");
    }
    // The filter of the same extension blacks out what comes in.
    desk.bind("hook", "task.pre-execute", "pii-validator/redact", json!({ "find": ["email"] }))
        .await;
    let output = execute(&desk, json!({ "total": 1, "note": "ada@example.org" })).await.ok();
    assert_eq!(output["outputData"]["note"], "[EMAIL]", "{output}");
}

/// Executes so often and waits until the samplers have seen it all; answers the executions that were picked.
async fn picked(desk: &Desk, count: usize, input: impl Fn(usize) -> Value, until: impl Fn(usize) -> bool) -> BTreeSet<String> {
    for number in 0..count {
        execute(desk, input(number)).await.ok();
    }
    let begun = Instant::now();
    loop {
        let samples = desk.get("/tasks/echo/samples?limit=1000").await.ok();
        let ids: BTreeSet<String> = samples["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|sample| sample["execution"].as_str().unwrap_or_default().to_owned())
            .collect();
        if until(ids.len()) {
            // Were there more to come, they would come now.
            tokio::time::sleep(Duration::from_millis(500)).await;
            return ids;
        }
        assert!(begun.elapsed() < PATIENCE, "{samples}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn sampled(sampler: &str, config: Value) -> Desk {
    let desk = desk().await;
    let (extension, _) = sampler.split_once('/').unwrap();
    desk.install(extension, &[]).await;
    desk.install("range-validator", &[]).await;
    desk.bind("sampler", "echo", sampler, config).await;
    let rules = json!({ "rules": [{ "at": "", "type": "object" }] });
    desk.bind("validator", "echo", "range-validator/ranges", rules).await;
    desk
}

#[tokio::test]
async fn the_reservoir_keeps_a_sample_of_its_size() {
    let desk = sampled("reservoir-sampler/reservoir", json!({ "size": 10, "window": "30d" })).await;
    let picked = picked(&desk, 200, |number| json!({ "n": number }), |count| count >= 10).await;
    // 10 that stay, and about 10 × ln 20 = 30 that were in it for a while.
    assert!((10..=90).contains(&picked.len()), "{}", picked.len());
    let task = desk.get("/tasks/echo").await.ok()["id"].as_str().unwrap().to_owned();
    let call = json!({ "input": { "task": task } });
    let begun = Instant::now();
    loop {
        let shown = desk
            .post("/extensions/reservoir-sampler/programs/show/call", call.clone())
            .await
            .ok();
        let kept = shown["outputData"]["windows"][0]["executions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if kept.len() == 10 {
            let samples = desk.get("/tasks/echo/samples?limit=1000").await.ok().to_string();
            if kept.iter().all(|id| samples.contains(id.as_str().unwrap())) {
                break;
            }
        }
        assert!(begun.elapsed() < PATIENCE, "{shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_time_sampler_picks_once_an_interval() {
    let desk = sampled("time-sampler/interval", json!({ "every": "1h", "scope": "tenant" })).await;
    let picked = picked(&desk, 50, |number| json!({ "n": number }), |count| count >= 1).await;
    assert_eq!(picked.len(), 1, "{picked:?}");
}

#[tokio::test]
async fn the_adaptive_sampler_picks_what_is_new_and_no_flood() {
    let desk = sampled("adaptive-sampler/adaptive", json!({ "per_minute": 3 })).await;
    let input = |number: usize| {
        if number == 59 {
            json!({ "other": [true] })
        } else {
            json!({ "n": number })
        }
    };
    let picked = picked(&desk, 60, input, |count| count >= 2).await;
    // Two shapes, and at most twice the rate by chance.
    assert!((2..=10).contains(&picked.len()), "{picked:?}");
}
