//! Validators, samplers and hooks around the executions of tasks.

use oriel_extensions::{BindingPatch, NewBinding};
use oriel_model::binding::{BindingKind, Terms};
use oriel_model::page::PageRequest;
use oriel_model::sample::Sample;
use oriel_model::time::{Clock, SystemClock};
use oriel_model::{Coded, ErrorCode};
use oriel_tasks::{ExecutionFilter, TaskError, TasksOptions, ValidateRequest};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::batch::{all, item, request};
use crate::execute::input;
use crate::manage::Desk;
use crate::support::package;

/// A desk with the task `t` on `echo`, and the guest `points` installed.
async fn desk() -> Desk {
    let desk = Desk::with(TasksOptions::default(), |stores| stores).await;
    let any = json!({ "type": "object" });
    let named = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "name": name, "configSchema": any })).collect() };
    let manifest = json!({
        "name": "points", "version": "1.0.0", "description": "A guest of the tests.", "publisher": "tests", "license": "Apache-2.0",
        "hostApi": "^0.1", "permissions": { "keyValue": true },
        "validators": named(&["short", "expected", "succeeded", "subject", "unsure", "trap", "excellent"]),
        "samplers": named(&["all", "none", "every", "failed", "trap"]),
        "eventHandlers": [{ "name": "store", "types": ["*"] }],
        "hooks": named(&["wrap", "count", "refuse"]), "jobs": [{ "name": "echo" }],
    });
    desk.world.install(package("points", manifest)).await;
    desk.task("t", "echo", "echo", (json!(true), json!(true))).await;
    desk.task("u", "echo", "echo", (json!(true), json!(true))).await;
    desk
}

async fn bind(desk: &Desk, kind: BindingKind, point: &str, name: &str, terms: Value) -> String {
    let new = NewBinding {
        kind,
        point: point.to_owned(),
        contribution: serde_json::from_value(json!({ "extension": "points", "name": name })).unwrap(),
        terms: serde_json::from_value::<Terms>(terms).unwrap(),
    };
    let status = desk.world.extensions.create_binding(&desk.world.owner, new).await.unwrap();
    status.binding.id.to_string()
}

/// What a call of `t` came to: its output and each judgement, or the code of the error.
async fn called(desk: &Desk, value: Value) -> Value {
    match desk.tasks.execute(&desk.world.owner, "t", input(&value)).await {
        Ok(executed) => {
            let judgements: Vec<Value> = executed
                .judgements
                .iter()
                .map(|judgement| serde_json::to_value(judgement).unwrap())
                .collect();
            let output: Value = serde_json::from_str(executed.output.get()).unwrap();
            let said = judgements.iter().map(|one| match one.get("verdict") {
                Some(verdict) => verdict["valid"].clone(),
                None => one["error"]["code"].clone(),
            });
            json!([output, said.collect::<Vec<_>>()])
        }
        Err(error) => json!(error.code().as_str()),
    }
}

/// Samples and judges until nothing waits, then answers the samples of `t`, oldest first.
async fn judged(desk: &Desk) -> Vec<Sample> {
    let stop = CancellationToken::new();
    stop.cancel();
    // Stopped before it begins, it still looks at everything that was handed over.
    desk.tasks.clone().judge_in_background(stop).await;
    let again = crate::manage::service(TasksOptions::default(), &desk.world.stores, &desk.world);
    let stop = CancellationToken::new();
    let worker = tokio::spawn(again.judge_in_background(stop.clone()));
    loop {
        let counts = desk.world.stores.work.counts(None, SystemClock.now()).await.unwrap();
        if counts.iter().all(|count| count.due + count.scheduled + count.leased == 0) {
            break;
        }
        tokio::task::yield_now().await;
    }
    stop.cancel();
    worker.await.unwrap();
    let page = desk
        .tasks
        .samples(&desk.world.owner, "t", None, PageRequest::first())
        .await
        .unwrap();
    let mut samples = page.items;
    samples.reverse();
    samples
}

#[tokio::test]
async fn inline_validators_judge_before_the_reply() {
    let desk = desk().await;
    assert_eq!(called(&desk, json!("a")).await, json!(["a", []]));
    let short = json!({ "inline": true, "config": { "most": 5 } });
    let id = bind(&desk, BindingKind::Validator, "t", "short", short).await;
    assert_eq!(called(&desk, json!("abc")).await, json!(["abc", [true]]));
    assert_eq!(called(&desk, json!("abcdef")).await, json!(["abcdef", [false]]));
    // Another task is none of its business.
    let other = desk.tasks.execute(&desk.world.owner, "u", input(&json!("abcdef"))).await.unwrap();
    assert!(other.judgements.is_empty());

    let reject = BindingPatch {
        on_invalid: Some(serde_json::from_value(json!("reject")).unwrap()),
        ..BindingPatch::default()
    };
    desk.world
        .extensions
        .update_binding(&desk.world.owner, &id, reject, None)
        .await
        .unwrap();
    assert_eq!(called(&desk, json!("abc")).await, json!(["abc", [true]]));
    let error = desk
        .tasks
        .execute(&desk.world.owner, "t", input(&json!("abcdef")))
        .await
        .unwrap_err();
    let shown = "the validator `points/short` found the output invalid: 8 bytes";
    assert_eq!((error.code(), error.to_string().as_str()), (ErrorCode::ExecutionInvalid, shown));
    // What is rejected is recorded as what it is.
    let TaskError::Failed { id, .. } = error else { panic!() };
    let record = desk.tasks.execution(&desk.world.owner, &id.to_string()).await.unwrap();
    assert_eq!(record.error.unwrap().code, "execution.invalid");
    assert!(record.output.is_none());
}

#[tokio::test]
async fn a_validator_that_fails_is_no_verdict() {
    for (terms, wanted) in [
        (json!({}), json!(["a", ["execution.unavailable"]])),
        (json!({ "onError": "open" }), json!(["a", ["execution.unavailable"]])),
        (json!({ "onError": "closed" }), json!("execution.unjudged")),
        (json!({ "onError": "retry", "attempts": 2 }), json!("execution.unjudged")),
    ] {
        let desk = desk().await;
        let mut inline = terms.clone();
        inline["inline"] = json!(true);
        bind(&desk, BindingKind::Validator, "*", "unsure", inline).await;
        assert_eq!(called(&desk, json!("a")).await, wanted, "{terms}");
    }
}

#[tokio::test]
async fn batches_are_judged_inline_too() {
    let desk = desk().await;
    let terms = json!({ "inline": true, "onInvalid": "reject", "config": { "most": 5 } });
    bind(&desk, BindingKind::Validator, "t", "short", terms).await;
    let items = vec![item(1, &json!("abc")), item(2, &json!("abcdef"))];
    let mut run = desk.tasks.batch(&desk.world.owner, request("t", items)).await.unwrap();
    let results = all(&mut run).await;
    let shown: Vec<_> = results
        .iter()
        .map(|result| match &result.result {
            Ok(_) => (true, result.judgements.len()),
            Err(fault) => (fault.code() != ErrorCode::ExecutionInvalid, result.judgements.len()),
        })
        .collect();
    assert_eq!(shown, [(true, 1), (false, 1)]);
}

#[tokio::test]
async fn without_a_sampler_everything_is_judged_afterwards() {
    let desk = desk().await;
    bind(&desk, BindingKind::Validator, "t", "succeeded", json!({})).await;
    bind(&desk, BindingKind::Validator, "t", "trap", json!({ "priority": -1 })).await;
    // The reply says nothing of it.
    assert_eq!(called(&desk, json!(1)).await, json!([1, []]));
    assert_eq!(called(&desk, json!(2)).await, json!([2, []]));
    let samples = judged(&desk).await;
    assert_eq!(samples.len(), 2);
    for sample in &samples {
        assert_eq!((sample.valid(), sample.score()), (Some(true), Some(1.0)));
        assert_eq!(sample.judgements[1].error.as_ref().unwrap().code, "execution.trapped");
        assert!(sample.sampler.is_none() && sample.version.to_string() == "1.0.0");
    }
    let one = desk
        .tasks
        .sample_of(&desk.world.owner, &samples[0].execution.to_string())
        .await
        .unwrap();
    assert_eq!(one, samples[0]);
    let summary = desk.tasks.sample_summary(&desk.world.owner, "t").await.unwrap();
    assert_eq!((summary[0].judged, summary[0].valid, summary[0].mean_score), (2, 2, Some(1.0)));
    // Another tenant sees neither the task nor the sample.
    let error = desk
        .tasks
        .sample_of(&desk.world.stranger, &one.execution.to_string())
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ExecutionNotFound);
}

#[tokio::test]
async fn samplers_pick_what_is_judged() {
    let desk = desk().await;
    bind(&desk, BindingKind::Validator, "t", "subject", json!({})).await;
    bind(&desk, BindingKind::Sampler, "t", "every", json!({ "config": { "n": 3 } })).await;
    bind(&desk, BindingKind::Sampler, "*", "trap", json!({ "priority": 5 })).await;
    for n in 1..=7 {
        called(&desk, json!(n)).await;
    }
    let samples = judged(&desk).await;
    let seen: Vec<Value> = samples
        .iter()
        .map(|sample| sample.judgements[0].verdict.as_ref().unwrap().details.clone().unwrap())
        .collect();
    assert_eq!(
        seen.iter().map(|one| one["input"].clone()).collect::<Vec<_>>(),
        [json!(3), json!(6)]
    );
    assert_eq!(seen[0]["schema"], json!(true));
    let by = samples[0].sampler.as_ref().unwrap().to_string();
    assert_eq!((by.as_str(), samples[0].reason.as_deref()), ("points/every", Some("its turn")));
}

#[tokio::test]
async fn failures_can_be_sampled() {
    let desk = desk().await;
    desk.tasks.delete(&desk.world.owner, "t", None).await.unwrap();
    desk.task("t", "hostile", "fail", (json!(true), json!(true))).await;
    bind(&desk, BindingKind::Validator, "t", "succeeded", json!({})).await;
    bind(&desk, BindingKind::Sampler, "t", "failed", json!({})).await;
    called(&desk, json!("internal")).await;
    let samples = judged(&desk).await;
    assert_eq!(samples.iter().map(Sample::valid).collect::<Vec<_>>(), [Some(false)]);
}

#[tokio::test]
async fn who_asks_for_a_judgement_hears_every_validator() {
    let desk = desk().await;
    bind(&desk, BindingKind::Validator, "t", "expected", json!({})).await;
    bind(
        &desk,
        BindingKind::Validator,
        "t",
        "short",
        json!({ "inline": true, "config": { "most": 3 } }),
    )
    .await;
    let executed = desk.tasks.execute(&desk.world.owner, "t", input(&json!("a"))).await.unwrap();
    let request = |expected: Value| ValidateRequest {
        task: "t".to_owned(),
        execution: executed.id.to_string(),
        expected: Some(expected),
        rules: oriel_model::comparison::ComparisonRules::default(),
    };
    for (expected, valid) in [(json!("a"), true), (json!("b"), false)] {
        let validation = desk
            .tasks
            .validate(&desk.world.owner, request(expected), &desk.tasks)
            .await
            .unwrap();
        let said: Vec<bool> = validation
            .findings
            .judgements
            .iter()
            .map(|one| one.verdict.as_ref().unwrap().valid)
            .collect();
        assert_eq!((said, validation.findings.valid), (vec![valid, true], valid));
    }
}

#[tokio::test]
async fn a_hook_before_the_task_changes_its_input() {
    let desk = desk().await;
    bind(
        &desk,
        BindingKind::Hook,
        "task.pre-execute",
        "wrap",
        json!({ "config": { "who": "h" } }),
    )
    .await;
    let wrapped = json!({ "by": { "who": "h" }, "payload": 1 });
    assert_eq!(called(&desk, json!(1)).await, json!([wrapped, []]));
    // The record holds what ran.
    let found = desk
        .tasks
        .executions(&desk.world.owner, &ExecutionFilter::default(), PageRequest::first())
        .await
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(found.items[0].input.get()).unwrap(), wrapped);
    // The platform's hooks fail open unless the binding says otherwise.
    let refuse = bind(&desk, BindingKind::Hook, "task.pre-execute", "refuse", json!({})).await;
    assert_eq!(called(&desk, json!(1)).await[0], wrapped);
    let closed = BindingPatch {
        on_error: Some(Some(serde_json::from_value(json!("closed")).unwrap())),
        ..BindingPatch::default()
    };
    desk.world
        .extensions
        .update_binding(&desk.world.owner, &refuse, closed, None)
        .await
        .unwrap();
    assert_eq!(called(&desk, json!(1)).await, json!("hook.handler_failed"));
}

#[tokio::test]
async fn a_hook_after_the_task_is_queued_with_it() {
    let desk = desk().await;
    bind(&desk, BindingKind::Hook, "task.post-execute", "count", json!({})).await;
    bind(&desk, BindingKind::Hook, "error", "count", json!({})).await;
    called(&desk, json!(1)).await;
    let counts = desk
        .world
        .stores
        .work
        .counts(Some(desk.world.owner.tenant), SystemClock.now())
        .await
        .unwrap();
    let due: Vec<_> = counts.iter().map(|count| (count.kind.to_string(), count.due)).collect();
    assert_eq!(due, [("observe-hook".to_owned(), 1)]);
}
