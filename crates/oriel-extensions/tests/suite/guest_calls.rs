//! One extension calls another: through real dispatch, with real guests.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use oriel_access::Principal;
use oriel_extensions::{Consent, UsageGroups};
use oriel_model::id::ExecutionId;
use oriel_model::page::PageRequest;
use oriel_model::time::{Clock as _, SystemClock};
use oriel_sandbox::Call;
use serde_json::{Value, json};

use crate::support::{World, echo, kv, manifest, package};

/// The programs of the guest `caller`.
const PROGRAMS: [&str; 9] = ["call", "try", "fan", "who", "spin", "sleep", "fail", "trap", "garbage"];

/// The guest `caller` under a name, with leave to call these; `change` is put over its manifest.
fn caller(name: &str, call: &[&str], change: Value) -> bytes::Bytes {
    let mut manifest = manifest(name, "1.0.0", &PROGRAMS);
    manifest["permissions"] = json!({
        "call": if call.is_empty() { vec!["nobody/nothing"] } else { call.to_vec() },
        "network": ["a.example"],
        "secrets": { "token": ["a.example"] },
    });
    for (name, value) in change.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    package("caller", manifest)
}

/// Limits with time enough for a busy machine.
fn patient() -> Value {
    json!({ "limits": { "timeout": "60s", "cpu": "60s", "startTimeout": "60s" } })
}

async fn call_as(world: &World, principal: &Principal, extension: &str, program: &str, input: &Value, timeout: Option<Duration>) -> String {
    let name = extension.parse().unwrap();
    let handle = world.extensions.handle(principal.tenant, &principal.tenant_name, &name);
    let active = handle.active().await.unwrap();
    let text = input.to_string();
    let call = Call {
        program,
        input: &text,
        execution: ExecutionId::new(SystemClock.now()),
        task: None,
        principal: None,
        user: None,
        traceparent: None,
        timeout,
    };
    match active.pool().call(call).await.result {
        Ok(output) => output,
        Err(error) => json!({ "failed": error.to_string() }).to_string(),
    }
}

async fn call(world: &World, extension: &str, program: &str, input: Value) -> Value {
    serde_json::from_str(&call_as(world, &world.owner, extension, program, &input, None).await).unwrap()
}

/// What `extension` is told when it calls `to`.
async fn tried(world: &World, extension: &str, to: &str, input: Value) -> String {
    let answer = call(world, extension, "try", json!({ "to": to, "input": input })).await;
    answer["error"].as_str().map_or_else(|| answer["answer"].to_string(), str::to_owned)
}

/// Nothing here may hang.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(Duration::from_secs(120), future).await;
    result.unwrap_or_else(|_| panic!("{what}: it hangs"))
}

#[tokio::test]
async fn another_extension_answers_with_its_own_grant_and_store() {
    let world = World::new().await;
    world.install(kv("1.0.0")).await;
    world.install(echo("1.0.0")).await;
    world.install(caller("shop", &["kv/*", "echo/echo", "middle/*"], patient())).await;
    world.install(caller("middle", &["echo/upper"], patient())).await;
    assert_eq!(
        tried(&world, "shop", "echo/echo", json!({ "a": [1, "ü"] })).await,
        r#"{"a":[1,"ü"]}"#
    );
    // `shop` has no store of its own, and `kv` uses its own.
    assert_eq!(tried(&world, "shop", "kv/set", json!("x=1")).await, "1");
    assert_eq!(tried(&world, "shop", "kv/get", json!("x")).await, r#""1@1""#);
    assert_eq!(call(&world, "kv", "get", json!("x")).await, json!("1@1"));
    // A deputy is not confused: `middle` may not reach `kv`, whoever asks it to.
    let through = json!({ "to": "kv/get", "input": "x" });
    let answer = tried(&world, "shop", "middle/try", through).await;
    assert_eq!(answer, r#"{"error":"denied: the grant does not cover call kv/get"}"#);
    // Nor may `shop` reach through `middle`'s eyes what only `middle` may.
    assert_eq!(
        tried(&world, "shop", "echo/upper", json!("x")).await,
        "denied: the grant does not cover call echo/upper"
    );
    let seen: Value = serde_json::from_str(&tried(&world, "shop", "middle/who", Value::Null).await).unwrap();
    assert_eq!(
        seen["caller"],
        json!({ "extension": "shop", "version": "1.0.0", "principal": null })
    );
    world.extensions.flush().await;
    let entries = world.stores.audit.scan(world.owner.tenant, 1, 1_000).await.unwrap();
    let refused = entries.iter().filter(|entry| entry.action == "permission.refused");
    let refused: Vec<_> = refused
        .map(|entry| (entry.subject.clone(), entry.details["what"].clone()))
        .collect();
    assert_eq!(
        refused,
        [
            ("middle".to_owned(), json!("call kv/get")),
            ("shop".to_owned(), json!("call echo/upper"))
        ]
    );
}

#[tokio::test]
async fn who_is_not_there_does_not_answer() {
    let world = World::new().await;
    let anybody = ["echo/*", "kv/*", "gone/*", "hidden/*", "waiting/*", "strict/*", "other/*"];
    world.install(caller("shop", &anybody, patient())).await;
    world.install(echo("1.0.0")).await;
    let hidden = package("echo", manifest("hidden", "1.0.0", &["echo"]));
    world.extensions.install(&world.stranger, hidden, Consent::All, true).await.unwrap();
    world
        .extensions
        .install(&world.owner, kv("1.0.0"), Consent::Withheld, true)
        .await
        .unwrap();
    assert_eq!(
        tried(&world, "shop", "gone/x", json!(1)).await,
        "unavailable: there is no extension `gone` in this tenant"
    );
    assert_eq!(
        tried(&world, "shop", "hidden/echo", json!(1)).await,
        "unavailable: there is no extension `hidden` in this tenant",
        "another tenant's is as if it were not there"
    );
    assert_eq!(
        tried(&world, "shop", "kv/get", json!(1)).await,
        "unavailable: kv/get does not answer calls now (extension.consent_required)"
    );
    let missing = tried(&world, "shop", "echo/nothing", json!(1)).await;
    assert!(
        missing.starts_with("invalid-input: the extension `echo` has no program `nothing`"),
        "{missing}"
    );
    world.extensions.set_enabled(&world.owner, "echo", false, None).await.unwrap();
    assert_eq!(
        tried(&world, "shop", "echo/echo", json!(1)).await,
        "unavailable: the extension `echo` is disabled"
    );
    world.extensions.set_enabled(&world.owner, "echo", true, None).await.unwrap();
    assert_eq!(tried(&world, "shop", "echo/echo", json!(1)).await, "1");
    world.extensions.uninstall(&world.owner, "echo", None).await.unwrap();
    assert_eq!(
        tried(&world, "shop", "echo/echo", json!(1)).await,
        "unavailable: there is no extension `echo` in this tenant"
    );
    // Nobody remembers names that were only called.
    assert_eq!(
        world.extensions.list(&world.owner, PageRequest::first()).await.unwrap().items.len(),
        2
    );
}

#[tokio::test]
async fn errors_and_documents_that_do_not_fit_are_told_apart() {
    let world = World::new().await;
    world.install(caller("shop", &["geo/*", "strict/*", "tight/*"], patient())).await;
    world.install(caller("geo", &[], patient())).await;
    let mut strict = manifest("strict", "1.0.0", &["echo"]);
    strict["programs"] = json!([{
        "name": "echo",
        "inputSchema": { "type": "object", "required": ["city"], "properties": { "city": { "type": "string" } } },
        "outputSchema": { "type": "object", "required": ["found"] },
    }]);
    world.install(package("echo", strict)).await;
    let mut tight = manifest("tight", "1.0.0", &["echo"]);
    tight["limits"] = json!({ "input": 100 });
    world.install(package("echo", tight)).await;
    let check = async |to: &str, input: Value, wanted: &str| {
        let answer = tried(&world, "shop", to, input).await;
        assert!(answer.starts_with(wanted), "{to}: {answer}");
    };
    for (kind, message) in [
        ("invalid-input", "invalid-input: geo/fail: words"),
        ("unavailable", "unavailable: geo/fail: words"),
        ("denied", "denied: geo/fail: words"),
        ("limit-exceeded", "limit-exceeded: geo/fail: words"),
        ("internal", "internal: geo/fail: words"),
    ] {
        check("geo/fail", json!(kind), message).await;
    }
    check("geo/trap", json!(1), "internal: geo/trap failed (execution.trapped)").await;
    check("geo/garbage", json!(1), "internal: the output of geo/garbage is not JSON").await;
    check(
        "strict/echo",
        json!({ "city": 1 }),
        "invalid-input: the input of strict/echo does not fit its schema: /city",
    )
    .await;
    check(
        "strict/echo",
        json!({ "city": "Ulm" }),
        "internal: the output of strict/echo does not fit its schema: the whole",
    )
    .await;
    check("strict/echo", json!({ "city": "Ulm", "found": 1 }), r#"{"city":"Ulm","found":1}"#).await;
    check(
        "tight/echo",
        json!("x".repeat(200)),
        "limit-exceeded: tight/echo: the input has 202 bytes",
    )
    .await;
    for text in ["", "{", "not json", "1 2", "\"a"] {
        let answer = call(&world, "shop", "try", json!({ "to": "geo/who", "text": text })).await;
        let error = answer["error"].as_str().unwrap();
        assert!(
            error.starts_with("invalid-input: the input of geo/who is not JSON"),
            "{text}: {error}"
        );
    }
}

#[tokio::test]
async fn who_keeps_crashing_is_left_alone_and_pays_for_its_own_time() {
    let world = World::new().await;
    world.install(caller("shop", &["geo/*"], patient())).await;
    world.install(caller("geo", &[], patient())).await;
    tried(&world, "shop", "geo/spin", json!(200)).await;
    let mut told = String::new();
    for _ in 0..20 {
        told = tried(&world, "shop", "geo/trap", json!(1)).await;
        if told.starts_with("unavailable") {
            break;
        }
        assert_eq!(told, "internal: geo/trap failed (execution.trapped)");
    }
    assert_eq!(told, "unavailable: geo/trap does not answer calls now (extension.tripped)");
    // The one that called is as well as before.
    assert!(call(&world, "shop", "who", json!(null)).await["execution"].is_string());

    let day = Duration::from_secs(86_400);
    let now = SystemClock.now();
    let groups = UsageGroups {
        extension: false,
        contribution: true,
        hour: false,
        day: false,
    };
    let rows = world
        .extensions
        .usage(&world.owner, now.minus(day), now.plus(day), groups)
        .await
        .unwrap();
    let used = |extension: &str, program: &str| {
        let row = rows.iter().find(|row| {
            let name = row.contribution.as_ref().map(|(_, name)| name.as_str());
            row.extension.as_ref().is_some_and(|name| name.as_str() == extension) && name == Some(program)
        });
        row.unwrap_or_else(|| panic!("nothing of {extension}/{program}: {rows:?}")).used
    };
    let (geo, shop) = (used("geo", "spin"), used("shop", "try"));
    assert_eq!(geo.calls, 1);
    assert!(geo.cpu_us >= 100_000, "{geo:?}");
    assert!(shop.cpu_us < geo.cpu_us && shop.wall_us >= geo.cpu_us, "{shop:?} {geo:?}");
}

#[tokio::test]
async fn a_chain_has_an_end() {
    let world = World::new().await;
    for number in 0..10 {
        let next = format!("e{}/*", (number + 1) % 10);
        world.install(caller(&format!("e{number}"), &[&next], patient())).await;
    }
    // e0 calls e1 calls e2 …: `depth` calls in all.
    let chain = |depth: usize| {
        (1..=depth).rev().fold(
            Value::Null,
            |input, number| json!({ "to": format!("e{number}/{}", if number == depth { "who" } else { "call" }), "input": input }),
        )
    };
    let answer = within("eight", call(&world, "e0", "try", chain(8))).await;
    assert_eq!(answer["answer"]["caller"]["extension"], "e7", "{answer}");
    let answer = within("nine", call(&world, "e0", "try", chain(9))).await;
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("at most 8 calls may wait for one another: e0 → e1"), "{error}");
    // A ring is shorter.
    let world = World::new().await;
    world.install(caller("a", &["b/*"], patient())).await;
    world.install(caller("b", &["a/*"], patient())).await;
    let answer = call(
        &world,
        "a",
        "try",
        json!({ "to": "b/try", "input": { "to": "a/who", "input": null } }),
    )
    .await;
    assert_eq!(answer["answer"]["error"], "denied: a cycle of calls: a → b → a");
}

#[tokio::test]
async fn calls_count_for_who_began_them() {
    let world = World::new().await;
    let mut few = patient();
    few["limits"]["hostCalls"] = json!(50);
    world.install(caller("shop", &["middle/*"], few)).await;
    world.install(caller("middle", &["echo/*"], patient())).await;
    world.install(echo("1.0.0")).await;
    let many = json!({ "to": "echo/echo", "input": 1, "times": 200 });
    let answer = tried(&world, "shop", "middle/fan", many.clone()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["good"], 49, "{answer}");
    assert!(
        answer["error"].as_str().unwrap().starts_with("limit-exceeded: host_calls: "),
        "{answer}"
    );
    // By itself `middle` may do more.
    assert_eq!(call(&world, "middle", "fan", many).await["good"], 200);
}

#[tokio::test]
async fn those_who_wait_for_each_other_do_not_wait_for_ever() {
    let world = Arc::new(World::new().await);
    let one = json!({ "limits": { "instances": 1, "timeout": "2s", "startTimeout": "60s" } });
    world.install(caller("a", &["b/*", "c/*"], one.clone())).await;
    world.install(caller("b", &["a/*", "c/*"], one.clone())).await;
    world.install(caller("c", &[], one)).await;
    // A chain through pools of one instance each.
    let through = json!({ "to": "b/try", "input": { "to": "c/who", "input": null } });
    let answer = within("a chain", call(&world, "a", "try", through)).await;
    assert_eq!(answer["answer"]["answer"]["caller"]["extension"], "b", "{answer}");
    // Cross traffic: each request holds the one instance of its own side and wants the other's.
    let crossing = (0..12).map(|number| {
        let world = world.clone();
        tokio::spawn(async move {
            let (from, to) = if number % 2 == 0 { ("a", "b/sleep") } else { ("b", "a/sleep") };
            let input = json!({ "to": to, "input": 20 });
            call_as(&world, &world.owner, from, "try", &input, Some(Duration::from_secs(2))).await
        })
    });
    let crossing: Vec<_> = crossing.collect();
    for request in crossing {
        let answer = within("cross traffic", request).await.unwrap();
        let told = [
            r#"{"answer":null}"#,
            "deadline-exceeded",
            "did not end within",
            "no instance became free",
            "unavailable",
        ];
        assert!(told.iter().any(|told| answer.contains(told)), "{answer}");
    }
    // And afterwards both are as well as ever.
    for (from, to) in [("a", "b/who"), ("b", "a/who"), ("a", "c/who")] {
        let answer = within("afterwards", call(&world, from, "try", json!({ "to": to, "input": null }))).await;
        assert!(answer["answer"].is_object(), "{from} → {to}: {answer}");
    }
}
