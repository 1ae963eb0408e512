//! Validators, samplers, event handlers, hook handlers and jobs of a real guest.

use std::sync::Arc;

use oriel_model::Coded;
use oriel_model::execution::Resources;
use oriel_model::hook::HookKind;
use oriel_model::permissions::Permissions;
use oriel_sandbox::*;
use serde_json::{Value, json};

use super::support::*;

fn points() -> (Pool, Arc<Traces>) {
    let granted = |spec: &mut PoolSpec| {
        spec.grant = Permissions {
            key_value: true,
            ..Permissions::default()
        };
    };
    Setup::guest("points").with(granted).pool()
}

fn view(output: Option<&'static str>) -> ExecutionView<'static> {
    ExecutionView {
        id: "exec_1",
        task: Some("task_1"),
        extension: "notes",
        version: "1.2.0",
        program: "classify",
        input: r#"{"a":1}"#,
        output,
        failure: output.is_none().then_some(("execution.timeout", "too late")),
        started_ms: 1_000,
        resources: Resources::default(),
    }
}

fn subject(output: Option<&'static str>) -> Subject<'static> {
    Subject {
        execution: view(output),
        input_schema: None,
        output_schema: Some(r#"{"type":"object"}"#),
        expected_output: Some(r#"{"b":2}"#),
    }
}

fn ask(name: &str) -> Ask<'_> {
    Ask::new(name, execution())
}

/// What was answered as JSON, or `code: message`.
fn told<T>(outcome: Outcome<T>, shown: impl FnOnce(T) -> Value) -> Value {
    match outcome.result {
        Ok(answer) => shown(answer),
        Err(error) => json!(format!("{}: {error}", error.code())),
    }
}

#[tokio::test]
async fn validators_judge() {
    let (pool, _) = points();
    let binding: Arc<str> = r#"{"most":5}"#.into();
    let check = async |name: &str, output: Option<&'static str>, wanted: Value| {
        let asked = Ask {
            binding: Some(&binding),
            ..ask(name)
        };
        let outcome = pool.validate(&asked, &subject(output)).await;
        assert_eq!(told(outcome, |verdict| serde_json::to_value(verdict).unwrap()), wanted, "{name}");
    };
    check("short", Some("12345"), json!({ "valid": true, "score": 1.0, "message": "5 bytes" })).await;
    check(
        "short",
        Some("1234567890"),
        json!({ "valid": false, "score": 0.5, "message": "10 bytes" }),
    )
    .await;
    check("expected", Some(r#"{"b":2}"#), json!({ "valid": true })).await;
    check("expected", Some(r#"{"b":3}"#), json!({ "valid": false })).await;
    check("succeeded", None, json!({ "valid": false })).await;
    let seen = json!({
        "id": "exec_1", "task": "task_1", "program": "notes/classify@1.2.0", "input": { "a": 1 }, "output": { "b": 2 },
        "failure": "none", "schema": { "type": "object" }, "context": "specimen",
    });
    check("subject", Some(r#"{"b":2}"#), json!({ "valid": true, "details": seen })).await;
    check(
        "excellent",
        None,
        json!("execution.output_invalid: the verdict's score is 2; it must be from 0 to 1"),
    )
    .await;
    let garbled = "execution.output_invalid: the verdict's details are not JSON: EOF while parsing an object at line 1 column 1";
    check("garbled", None, json!(garbled)).await;
    check("unsure", None, json!("execution.unavailable: the oracle sleeps")).await;
    check("nobody", None, json!("execution.rejected: there is no contribution `nobody`")).await;
    let trapped = pool.validate(&ask("trap"), &subject(None)).await.result.unwrap_err();
    assert_eq!(trapped.code().as_str(), "execution.trapped");
    // After a trap comes a new instance, and what one binding configured is not left to the next call.
    let verdict = pool.validate(&ask("short"), &subject(Some("1"))).await.result.unwrap();
    assert!(!verdict.valid, "{verdict:?}");
}

#[tokio::test]
async fn samplers_choose() {
    let (pool, _) = points();
    let third: Arc<str> = r#"{"n":3}"#.into();
    let check = async |name: &str, output: Option<&'static str>, since_last: u64, wanted: Value| {
        let asked = Ask {
            binding: Some(&third),
            ..ask(name)
        };
        let history = History {
            since_last,
            ..History::default()
        };
        let outcome = pool.sample(&asked, (&view(output), history)).await;
        assert_eq!(told(outcome, |choice| serde_json::to_value(choice).unwrap()), wanted, "{name}");
    };
    check("all", Some("1"), 0, json!({ "sample": true, "reason": "all" })).await;
    check("none", Some("1"), 0, json!({ "sample": false })).await;
    check("every", Some("1"), 1, json!({ "sample": false })).await;
    check("every", Some("1"), 2, json!({ "sample": true, "reason": "its turn" })).await;
    check("failed", None, 0, json!({ "sample": true, "reason": "failed" })).await;
    assert!(pool.sample(&ask("trap"), (&view(None), History::default())).await.result.is_err());
}

#[tokio::test]
async fn event_handlers_take_events() {
    let (pool, traces) = points();
    let event = |data| EventView {
        id: "1",
        source: "/orders",
        kind: "order.created",
        subject: None,
        time_ms: Some(1),
        datacontenttype: None,
        dataschema: None,
        attributes: &[],
        data,
    };
    for (data, stored) in [
        (Some(EventData::Json(r#"{"a":1}"#)), &br#"{"a":1}"#[..]),
        (Some(EventData::Text("text")), b"text"),
        (Some(EventData::Binary(&[0, 255])), &[0, 255]),
        (None, b""),
    ] {
        pool.handle(&ask("store"), &event(data)).await.result.unwrap();
        assert_eq!(traces.values.lock().unwrap()["1"].value, stored);
    }
    let shown = told(pool.handle(&ask("reject"), &event(None)).await, |()| Value::Null);
    assert_eq!(shown, json!("execution.rejected: `order.created` is not for me"));
    let shown = told(pool.handle(&ask("down"), &event(None)).await, |()| Value::Null);
    assert_eq!(shown, json!("execution.unavailable: try again"));
}

#[tokio::test]
async fn hook_handlers_answer_what_their_kind_allows() {
    let (pool, _) = points();
    let binding: Arc<str> = r#"{"who":"a"}"#.into();
    let check = async |name: &str, kind: HookKind, wanted: &str| {
        let asked = Ask {
            binding: Some(&binding),
            ..ask(name)
        };
        let call = HookCall {
            hook: "order.pre-create",
            kind,
            payload: r#"{"n":1}"#,
        };
        let outcome = pool.fire(&asked, &call).await;
        let shown = match outcome.result {
            Ok(answer) => format!("{answer:?}"),
            Err(error) => format!("{}: {error}", error.code()),
        };
        assert!(shown.contains(wanted), "{name} {kind}: {shown}");
    };
    let wrapped = format!("{:?}", r#"{"by":{"who":"a"},"payload":{"n":1}}"#);
    check("wrap", HookKind::Filter, &format!("Payload({wrapped})")).await;
    for kind in [
        HookKind::Filter,
        HookKind::Validate,
        HookKind::Decide,
        HookKind::Collect,
        HookKind::Observe,
    ] {
        check("pass", kind, "Nothing").await;
    }
    check("yes", HookKind::Validate, "valid: true").await;
    check("no", HookKind::Validate, "valid: false").await;
    check("decide", HookKind::Decide, "Decision(").await;
    check("item", HookKind::Collect, "Item(").await;
    check("number", HookKind::Filter, "Payload(\"7\")").await;
    check("garbled", HookKind::Filter, "Payload(\"{\")").await;
    check("refuse", HookKind::Filter, "execution.rejected: not with me").await;
    check("trap", HookKind::Filter, "execution.trapped").await;
    for (name, kind, what) in [
        ("wrap", HookKind::Validate, "a payload"),
        ("yes", HookKind::Filter, "a verdict"),
        ("decide", HookKind::Collect, "a decision"),
        ("item", HookKind::Observe, "an item"),
    ] {
        let wanted = format!("execution.output_invalid: {what} is no answer to a hook of kind `{kind}`");
        check(name, kind, &wanted).await;
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let (pool, traces) = points();
    let call = HookCall {
        hook: "h",
        kind: HookKind::Observe,
        payload: "1",
    };
    for name in ["count", "flaky"] {
        let asked = Ask {
            dry_run: true,
            ..ask(name)
        };
        let error = pool.fire(&asked, &call).await.result.unwrap_err();
        assert_eq!(error.to_string(), "this is a dry run: nothing may be changed or sent");
        assert_eq!(error.code().as_str(), "execution.denied");
    }
    assert!(traces.values.lock().unwrap().is_empty());
    // A refusal of this kind is no breach of the grant, and the next call is none of a dry run's.
    assert!(traces.refused().is_empty());
    pool.fire(&ask("count"), &call).await.result.unwrap();
    assert_eq!(traces.values.lock().unwrap()["calls"].value, b"1");
}

#[tokio::test]
async fn limits_hold_for_every_kind() {
    let tight = |spec: &mut PoolSpec| {
        spec.limits.input = bytes(16);
        spec.limits.output = bytes(16);
        spec.limits.cpu = ms(50);
    };
    let (pool, _) = Setup::guest("points").with(tight).pool();
    let call = |payload| HookCall {
        hook: "h",
        kind: HookKind::Filter,
        payload,
    };
    let code = async |name, payload| pool.fire(&ask(name), &call(payload)).await.result.unwrap_err().code().as_str();
    assert_eq!(code("pass", "\"0123456789abcdef\"").await, "execution.input_too_large");
    assert_eq!(code("wrap", "\"0123456789\"").await, "execution.output_too_large");
    assert_eq!(code("slow", "1").await, "execution.cpu_exceeded");
    let error = pool.validate(&ask("subject"), &subject(Some("12345"))).await.result.unwrap_err();
    assert_eq!(error.code().as_str(), "execution.input_too_large");
    // No `key-value` was granted.
    assert_eq!(code("count", "1").await, "execution.denied");
}

#[tokio::test]
async fn jobs_run() {
    let (pool, _) = points();
    let check = async |name: &str, trigger: Trigger<'_>, wanted: &str| {
        let run = JobRun {
            trigger,
            input: r#"{"n":1}"#,
            attempt: 2,
        };
        assert_eq!(shown(pool.run(&ask(name), &run).await), wanted);
    };
    check("echo", Trigger::Manual, r#"{"n":1}"#).await;
    check("told", Trigger::Manual, r#"{"trigger":"manual","attempt":2}"#).await;
    check(
        "told",
        Trigger::Schedule("nightly"),
        r#"{"trigger":"schedule nightly","attempt":2}"#,
    )
    .await;
    check("told", Trigger::Event("7"), r#"{"trigger":"event 7","attempt":2}"#).await;
    check("told", Trigger::Queue, r#"{"trigger":"queue","attempt":2}"#).await;
    check("down", Trigger::Manual, "execution.unavailable: try again").await;
}

#[tokio::test]
async fn a_component_without_the_export_says_so() {
    let (pool, _) = Setup::guest("echo").pool();
    let error = pool.validate(&ask("short"), &subject(None)).await.result.unwrap_err();
    assert_eq!(error.to_string(), "the component does not export oriel:extension/validator");
}
