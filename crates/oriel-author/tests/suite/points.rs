//! What every kit must do for contributions other than programs: `tests/points/` in each language, through the sandbox.

use std::fmt::Display;
use std::sync::Arc;

use oriel_model::Timestamp;
use oriel_model::execution::Resources;
use oriel_model::hook::HookKind;
use oriel_model::id::ExecutionId;
use oriel_model::manifest::{Engine, Language};
use oriel_sandbox::{Ask, EventData, EventView, ExecutionView, History, HookAnswer, HookCall, JobRun, Outcome, Subject, Trigger};
use serde_json::{Value, json};

use super::host::Running;
use super::support::{built, edit, is_ours, points};

/// What languages rightly say differently.
struct Manner {
    language: Language,
    engine: Engine,
    /// What the validator that breaks is answered with.
    breaks: &'static str,
    /// What input of another type is told to be.
    misfit: Option<&'static str>,
    /// What a verdict that answers a filter is told.
    verdict_for_filter: &'static str,
}

#[tokio::test]
async fn rust() {
    check(Manner {
        language: Language::Rust,
        engine: Engine::default(),
        breaks: "execution.failed: invalid digit found in string",
        misfit: Some("execution.rejected: input: at `net`: invalid type: string \"x\", expected f64"),
        verdict_for_filter: "execution.failed: hook handler `judge` answered a verdict, and the hook `order.pre-create` is of the kind `filter`",
    })
    .await;
}

#[tokio::test]
async fn python() {
    check(Manner {
        language: Language::Python,
        engine: Engine::default(),
        breaks: "execution.failed: ValueError: invalid literal for int() with base 10: 'x'",
        misfit: Some("execution.rejected: input: at `net`: expected a number, got 'x'"),
        verdict_for_filter: "true",
    })
    .await;
}

#[tokio::test]
async fn typescript() {
    check(Manner {
        language: Language::Javascript,
        engine: Engine::Quickjs,
        breaks: "execution.failed: cannot read property 'nothing' of null",
        misfit: None,
        verdict_for_filter: "true",
    })
    .await;
}

/// The other engine, where 64-bit numbers are of another type.
#[tokio::test]
async fn starlingmonkey() {
    check(Manner {
        language: Language::Javascript,
        engine: Engine::Starlingmonkey,
        breaks: "execution.failed: ",
        misfit: None,
        verdict_for_filter: "true",
    })
    .await;
}

async fn check(manner: Manner) {
    let (_temp, dir) = points(manner.language, manner.engine);
    let report = built(&dir);
    let of_api: Vec<&str> = report
        .exports
        .iter()
        .filter_map(|name| name.strip_prefix("oriel:extension/"))
        .collect();
    assert_eq!(
        of_api,
        ["event-handler@0.1.0", "hook@0.1.0", "job@0.1.0", "sampler@0.1.0", "validator@0.1.0"]
    );
    assert!(report.imports.iter().all(|name| is_ours(name)), "{:?}", report.imports);
    let running = Running::new(&report);
    validators(&running, &manner).await;
    samplers(&running).await;
    events(&running).await;
    hooks(&running, &manner).await;
    jobs(&running).await;
    // Exactly what the manifest declares: with a table less there is an export less.
    if manner.language != Language::Rust {
        edit(&dir.join("extension.toml"), "name = \"sum\"", "name = \"product\"");
        let error = oriel_author::build(&dir, &oriel_author::BuildOptions::default()).expect_err("no such job");
        let text = error.to_string();
        assert!(
            text.contains("extension.toml declares the job `product`, and") && text.contains("has none of that name"),
            "{text}"
        );
    }
}

fn ask<'a>(name: &'a str, binding: Option<&'a Arc<str>>) -> Ask<'a> {
    Ask {
        binding,
        ..Ask::new(name, ExecutionId::new(Timestamp::from_millis(1)))
    }
}

/// An answer as text: `shown` of it, or `code: message`.
fn told<T, S: Display>(outcome: Outcome<T>, shown: impl FnOnce(T) -> S) -> String {
    match outcome.result {
        Ok(answer) => shown(answer).to_string(),
        Err(error) => format!("{}: {error}", oriel_model::Coded::code(&error)),
    }
}

/// Numbers beyond 32 bits, within those that JavaScript counts.
const LARGE: u64 = 9_007_199_254_740_991;

fn view<'a>(input: &'a str, output: Option<&'a str>) -> ExecutionView<'a> {
    ExecutionView {
        id: "exec_1",
        task: None,
        extension: "shop",
        version: "2.0.0",
        program: "total",
        input,
        output,
        failure: output.is_none().then_some(("execution.timeout", "too late")),
        started_ms: LARGE,
        resources: Resources {
            wall_us: LARGE - 1,
            guest_cpu_us: 7,
            ..Resources::default()
        },
    }
}

async fn validators(running: &Running, manner: &Manner) {
    let binding: Arc<str> = r#"{"rate":0.5}"#.into();
    let judge = async |input: &str, output: Option<&str>, binding: Option<&Arc<str>>, wanted: &str| {
        let subject = Subject {
            execution: view(input, output),
            input_schema: None,
            output_schema: None,
            expected_output: None,
        };
        let answer = told(running.pool.validate(&ask("judge", binding), &subject).await, |verdict| {
            serde_json::to_value(verdict).expect("JSON")
        });
        assert_eq!(answer, wanted);
    };
    let order = r#"{"net":100}"#;
    let right = json!({ "valid": true, "score": 1.0, "message": "150 ü" }).to_string();
    judge(order, Some(r#"{"total":150}"#), Some(&binding), &right).await;
    let wrong = json!({ "valid": false, "score": 0.25, "message": "100 ü" }).to_string();
    judge(order, Some(r#"{"total":150}"#), None, &wrong).await;
    let none = json!({ "valid": false, "message": "nothing came out" }).to_string();
    judge(order, None, None, &none).await;
    if let Some(misfit) = manner.misfit {
        let subject = Subject {
            execution: view(r#"{"net":"x"}"#, None),
            input_schema: None,
            output_schema: None,
            expected_output: None,
        };
        let answer = told(running.pool.validate(&ask("judge", None), &subject).await, |verdict| verdict.valid);
        assert!(answer.starts_with(misfit), "{answer}");
    }

    let whole = Subject {
        execution: ExecutionView {
            task: Some("task_1"),
            ..view(order, Some("[null]"))
        },
        input_schema: Some("true"),
        output_schema: Some(r#"{"type":"array"}"#),
        expected_output: Some("[]"),
    };
    let details = json!({ "id": "exec_1", "task": "task_1", "by": ["shop", "2.0.0", "total"], "input": { "net": 100 }, "output": [null],
        "failure": null, "inputSchema": true, "outputSchema": { "type": "array" }, "expected": [] });
    let verdict = running
        .pool
        .validate(&ask("subject", None), &whole)
        .await
        .result
        .expect("a verdict");
    assert_eq!(verdict.details, Some(details));
    let least = Subject {
        execution: view(order, None),
        input_schema: None,
        output_schema: None,
        expected_output: None,
    };
    let verdict = running
        .pool
        .validate(&ask("subject", None), &least)
        .await
        .result
        .expect("a verdict");
    let details = verdict.details.expect("details");
    assert_eq!(
        (&details["task"], &details["output"], &details["failure"]),
        (&Value::Null, &Value::Null, &json!("execution.timeout"))
    );
    for (name, wanted) in [
        ("breaks", manner.breaks),
        ("nobody", "execution.rejected: this extension has no validator `nobody`"),
    ] {
        let answer = told(running.pool.validate(&ask(name, None), &least).await, |verdict| verdict.valid);
        assert!(answer.starts_with(wanted), "{answer}");
    }
}

async fn samplers(running: &Running) {
    let binding: Arc<str> = r#"{"n":3}"#.into();
    let sample = async |name: &str, history: History, wanted: Value| {
        let asked = ask(name, Some(&binding));
        let view = view("{}", None);
        let answer = told(running.pool.sample(&asked, (&view, history)).await, |choice| {
            serde_json::to_value(choice).expect("JSON")
        });
        assert_eq!(answer, wanted.to_string());
    };
    let since = |since_last| History {
        since_last,
        ..History::default()
    };
    sample("every", since(2), json!({ "sample": true, "reason": "its turn" })).await;
    sample("every", since(1), json!({ "sample": false })).await;
    let times = |last: &str| format!("{LARGE} {} 7 {last} {LARGE} 3", LARGE - 1);
    let history = History {
        last_sample_ms: Some(LARGE),
        seen: LARGE,
        sampled: 3,
        since_last: 0,
    };
    sample("times", history, json!({ "sample": true, "reason": times(&LARGE.to_string()) })).await;
    let never = History {
        last_sample_ms: None,
        ..history
    };
    sample("times", never, json!({ "sample": true, "reason": times("never") })).await;
}

async fn events(running: &Running) {
    let attributes = [("region".to_owned(), "eu".to_owned())];
    let bare = EventView {
        id: "1",
        source: "/shop",
        kind: "order.created",
        subject: None,
        time_ms: None,
        datacontenttype: None,
        dataschema: None,
        attributes: &[],
        data: None,
    };
    let full = EventView {
        subject: Some("o7"),
        time_ms: Some(LARGE),
        attributes: &attributes,
        data: Some(EventData::Json(r#"{"net":12.5}"#)),
        ..bare
    };
    let with = |data| EventView { data: Some(data), ..bare };
    for (event, stored) in [
        (bare, "/shop order.created nobody 0 nowhere nothing".to_owned()),
        (full, format!("/shop order.created o7 {LARGE} eu 12.5")),
        (
            with(EventData::Text("grün")),
            "/shop order.created nobody 0 nowhere grün".to_owned(),
        ),
        (
            with(EventData::Binary(&[0, 255])),
            "/shop order.created nobody 0 nowhere 2 bytes".to_owned(),
        ),
    ] {
        running.pool.handle(&ask("store", None), &event).await.result.expect("it is taken");
        assert_eq!(running.stored("1").as_deref(), Some(&*stored));
    }
    let answer = told(running.pool.handle(&ask("down", None), &bare).await, |()| "taken");
    assert_eq!(answer, "execution.unavailable: try again");
}

async fn hooks(running: &Running, manner: &Manner) {
    let binding: Arc<str> = r#"{"rate":0.5}"#.into();
    let fire = async |name: &str, kind: HookKind, payload: &str, dry_run: bool| {
        let call = HookCall {
            hook: "order.pre-create",
            kind,
            payload,
        };
        let asked = Ask {
            dry_run,
            ..ask(name, Some(&binding))
        };
        told(running.pool.fire(&asked, &call).await, |answer| match answer {
            HookAnswer::Nothing => "nothing".to_owned(),
            HookAnswer::Verdict(verdict) => format!("verdict {}", verdict.valid),
            HookAnswer::Payload(text) | HookAnswer::Decision(text) | HookAnswer::Item(text) => {
                let value: Value = serde_json::from_str(&text).expect("JSON");
                value.to_string()
            }
        })
    };
    let order = r#"{"net":100.5}"#;
    let answer = fire("add", HookKind::Filter, order, false).await;
    assert_eq!(answer, json!({ "net": 100.5, "gross": 150.75 }).to_string());
    assert_eq!(fire("judge", HookKind::Validate, order, false).await, "verdict true");
    assert_eq!(fire("judge", HookKind::Validate, r#"{"net":-1}"#, false).await, "verdict false");
    assert_eq!(fire("judge", HookKind::Filter, order, false).await, manner.verdict_for_filter);
    for (kind, name) in [
        (HookKind::Filter, "filter"),
        (HookKind::Decide, "decide"),
        (HookKind::Collect, "collect"),
    ] {
        let wanted = json!(["order.pre-create", name, { "ü": [] }, true]).to_string();
        assert_eq!(fire("told", kind, r#"{"ü":[]}"#, true).await, wanted);
    }
    assert_eq!(fire("told", HookKind::Observe, "1", false).await, "nothing");
    for kind in [
        HookKind::Filter,
        HookKind::Validate,
        HookKind::Decide,
        HookKind::Collect,
        HookKind::Observe,
    ] {
        assert_eq!(fire("nothing", kind, "null", false).await, "nothing");
    }
    assert_eq!(
        fire("nobody", HookKind::Observe, "1", false).await,
        "execution.rejected: this extension has no hook handler `nobody`"
    );
}

async fn jobs(running: &Running) {
    let run = async |name: &str, trigger, input: &str, attempt| {
        let run = JobRun { trigger, input, attempt };
        told(running.pool.run(&ask(name, None), &run).await, |output| output)
    };
    for (trigger, wanted) in [
        (Trigger::Manual, r#"["manual",null,1]"#),
        (Trigger::Schedule("nightly"), r#"["schedule","nightly",1]"#),
        (Trigger::Event("evt_1"), r#"["event","evt_1",1]"#),
        (Trigger::Queue, r#"["queue",null,1]"#),
    ] {
        assert_eq!(run("told", trigger, "{}", 1).await, wanted);
    }
    assert_eq!(run("told", Trigger::Queue, "{}", 3).await, r#"["queue",null,3]"#);
    assert!(run("sum", Trigger::Manual, "[1,2.5]", 1).await.starts_with("3.5"));
    let answer = run("sum", Trigger::Manual, "{", 1).await;
    assert!(answer.starts_with("execution.rejected: "), "{answer}");
}
