//! Extensions at work that take more than their share: time, memory, log, measurements, words; and handlers that lie.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::packages::{hostile, maker, mallory, sender};
use crate::world::{World, answer};

/// What the sandbox does by itself, with no circuit breaker to stop calling the evil one.
const UNGUARDED: [(&str, &str); 2] = [("ORIEL_HEALTH_CRASHES", "0"), ("ORIEL_HEALTH_ERROR_RATE", "100")];

#[tokio::test(flavor = "multi_thread")]
async fn h34_looking_for_a_machine_around_the_sandbox() {
    let world = World::start().await;
    let programs = ["look-around", "wall-clock", "stdio", "exit", "fetch"];
    world.evil.install(hostile("spy", &programs, "timeout = \"10s\"")).await;
    let told = world.evil.told("spy", "look-around", json!(1)).await;
    assert_eq!(told, "env 0 args 0 files false sockets false names false");
    world.evil.call("spy", "exit", json!(1)).await.refused("execution.trapped");
    let told = world
        .evil
        .told("spy", "fetch", json!(format!("{}/api/v1/health", world.base)))
        .await;
    assert!(told.as_str().unwrap().contains("HttpRequestDenied"), "{told}");
    world.evil.audited("permission.refused", "network 127.0.0.1").await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h35_a_guest_that_takes_all_that_there_is() {
    let world = World::start_with(&UNGUARDED).await;
    let evils = [
        ("loop", json!(1), "execution."),
        ("allocate", json!(1), "execution."),
        ("recurse", json!(1), "execution.trapped"),
        ("sleep", json!(600_000), "execution.timeout"),
        ("wasi-calls", json!(1), "execution."),
        ("host-calls", json!(1_000_000_000), "execution."),
        ("huge", json!(5_000_000), "execution."),
    ];
    let programs: Vec<&str> = evils.iter().map(|(name, ..)| *name).chain(["remember", "leak"]).collect();
    let limits = "timeout = \"300ms\"\nmemory = \"16MiB\"\noutput = \"1MiB\"\ninstances = 4\nqueue = 8\n";
    world.evil.install(hostile("greedy", &programs, limits)).await;
    world.acme.install(mallory("notes")).await;
    let attack = {
        let (evil, evils) = (world.evil.clone(), evils.clone());
        tokio::spawn(async move {
            let mut told = Vec::new();
            for _ in 0..3 {
                let calls = evils.iter().map(|(program, input, code)| {
                    let evil = &evil;
                    async move { (*program, *code, evil.call("greedy", program, input.clone()).await) }
                });
                told.extend(join_all(calls).await);
            }
            told
        })
    };
    // The neighbour is served all the while.
    for at in 0..100 {
        assert_eq!(world.acme.told("notes", "echo", json!({ "at": at })).await, json!({ "at": at }));
    }
    for (program, code, told) in attack.await.unwrap() {
        let got = told.code().unwrap_or_default();
        assert!(got.starts_with(code) || got == "extension.overloaded", "{program}: {told:?}");
        assert!(
            got == "extension.overloaded" || told.json()["blame"] != "host",
            "{program}: {told:?}"
        );
    }
    // Memory that is leaked from call to call ends with the instance, not with the machine.
    for _ in 0..20 {
        world.evil.call("greedy", "leak", json!(4 << 20)).await;
    }
    world.evil.call("greedy", "remember", json!(1)).await.ok();
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h36_a_budget_by_many_small_calls_and_by_waiting() {
    let world = World::start().await;
    let evil = &world.evil;
    evil.install(mallory("small")).await;
    evil.install(hostile("waiter", &["compute-and-sleep", "echo"], "timeout = \"400ms\""))
        .await;
    evil.task("burn", "small", "burn").await;
    // So little each that no limit of a call is near; together they are seen.
    let budget = json!({ "cpu": { "limit": "200ms", "window": "1h", "action": "throttle" } });
    evil.put("/extensions/small/budgets", budget.clone()).await.ok();
    let begun = Instant::now();
    let mut calls = 0;
    let refused = loop {
        let items: Vec<Value> = (0..50)
            .map(|at| json!({ "id": at.to_string(), "input": { "turns": 200_000 } }))
            .collect();
        let told = evil
            .post(
                "/tasks/batch/execute",
                json!({ "taskId": "burn", "items": items, "maxConcurrency": 4 }),
            )
            .await
            .ok();
        calls += told["successCount"].as_u64().unwrap();
        if told["failureCount"].as_u64().unwrap() > 0 {
            break told;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{calls} calls and no end");
    };
    assert!(refused.to_string().contains("extension.budget_exceeded"), "{refused}");
    evil.call("small", "burn", json!({ "turns": 1 }))
        .await
        .refused("extension.budget_exceeded");
    // Waiting in a host call does not make the time before it uncounted, nor is a wait without end one.
    evil.put("/extensions/waiter/budgets", budget).await.ok();
    for _ in 0..60 {
        let told = evil.call("waiter", "compute-and-sleep", json!(20_000_000)).await;
        if told.code().as_deref() == Some("extension.budget_exceeded") || told.code().as_deref() == Some("extension.tripped") {
            world.stands().await;
            return;
        }
        assert!(
            matches!(told.code().as_deref(), Some("execution.timeout" | "execution.cpu_exceeded")),
            "{told:?}"
        );
    }
    panic!("time before a wait is not counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn h37_a_log_that_is_flooded_or_forged() {
    let world = World::start().await;
    for actor in [&world.acme, &world.evil] {
        actor.install(mallory("notes").with("[limits]\nlog = \"16KiB\"\n")).await;
    }
    world.acme.told("notes", "log", json!({ "message": "the victim's line" })).await;
    world
        .evil
        .told("notes", "log", json!({ "message": "x".repeat(1000), "times": 5000 }))
        .await;
    let lines = world.evil.lines("notes", 2).await;
    let bytes: usize = lines.iter().map(|line| line["message"].as_str().unwrap().len()).sum();
    assert!(bytes < 20_000, "{bytes} bytes of {} lines", lines.len());
    assert!(
        lines
            .iter()
            .any(|line| line["message"].as_str().unwrap().contains("lines were dropped")),
        "{lines:?}"
    );
    // A line that would be another one, of another level, of another extension, or a command of the terminal.
    let forged = "done\n2026-11-21T00:00:00Z ERROR oriel_server: forged\r\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}";
    world
        .evil
        .told(
            "notes",
            "log",
            json!({ "message": forged, "field": "level\n\u{1b}[31m", "value": "error\u{1b}[0m\n" }),
        )
        .await;
    let lines = world.evil.lines("notes", lines.len() + 1).await;
    let last = lines
        .iter()
        .find(|line| line["message"].as_str().unwrap().starts_with("done"))
        .unwrap();
    assert_eq!((&last["level"], &last["message"]), (&json!("info"), &json!(forged)));
    for args in [&["logs", "notes"][..], &["logs", "notes", "--json"]] {
        let shown = world.cli(&world.evil, args);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("done"), "{shown}");
        assert!(
            !shown.contains('\u{1b}') && !shown.contains('\u{9b}') && !shown.contains('\u{7}'),
            "{shown:?}"
        );
    }
    // The same by the words of an error, which the command line prints too.
    world.evil.task("fails", "notes", "fail").await;
    let told = world.cli(
        &world.evil,
        &["call", "notes", "refuse", "--input", &json!({ "message": forged }).to_string()],
    );
    let shown = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(!shown.contains("\u{1b}[2J") && !shown.contains("\u{1b}]0"), "{shown:?}");
    // The server's own log says nothing at the level that was forged, and stays one JSON document a line.
    for line in world.log().lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(!(line["level"] == "ERROR" && line.to_string().contains("forged")), "{line}");
    }
    let lines = world.acme.lines("notes", 1).await;
    assert!(!format!("{lines:?}").contains("forged") && format!("{lines:?}").contains("the victim's line"));
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h38_measurements_that_never_end_or_pass_for_others() {
    let world = World::start().await;
    world
        .evil
        .install(sender("meter", "").with("[limits]\ntimeout = \"60s\"\ncpu = \"60s\"\n"))
        .await;
    let told = json!({ "name": "many", "value": 1.0, "varied": true, "times": 20_000 });
    world.evil.call("meter", "count", told).await;
    for labels in [
        json!({ "tenant": "acme" }),
        json!({ "extension": "notes" }),
        json!({ "le": "1" }),
        json!({ "a": "x\"} 1\noriel_ready 0\nforged{b=\"" }),
        json!({ "UPPER": "x" }),
        json!({ "a\nb": "x" }),
        json!({ "a": "x".repeat(10_000) }),
    ] {
        world
            .evil
            .call("meter", "count", json!({ "name": "tries", "value": 1.0, "labels": labels }))
            .await
            .ok();
    }
    for name in ["oriel_ready", "x\ny", "", "UPPER", "{}", &"n".repeat(1000)] {
        world.evil.call("meter", "count", json!({ "name": name, "value": 1.0 })).await.ok();
    }
    for value in [-1.0, 1e308] {
        world
            .evil
            .call("meter", "count", json!({ "name": "huge", "value": value }))
            .await
            .ok();
    }
    let own = answer(world.evil.at(Method::GET, "/metrics")).await.text;
    let series = own.lines().filter(|line| line.starts_with("oriel_guest_counter_total{")).count();
    assert!((1..=1000).contains(&series), "{series} series");
    assert!(
        own.contains("oriel_guest_measurements_dropped_total{tenant=\"evil\",extension=\"meter\"}"),
        "{own}"
    );
    assert!(
        !own.lines()
            .any(|line| line.starts_with("oriel_ready 0") || line.starts_with("forged")),
        "{own}"
    );
    for line in own.lines().filter(|line| line.starts_with("oriel_guest")) {
        assert!(
            line.contains("tenant=\"evil\",extension=\"meter\"") && !line.contains("tenant=\"acme\""),
            "{line}"
        );
    }
    // Nobody else sees them, and the public sees none.
    let theirs = answer(world.acme.at(Method::GET, "/metrics")).await.text;
    let public = answer(world.acme.unnamed(Method::GET, "/metrics")).await.text;
    assert!(!theirs.contains("meter") && !public.contains("meter"));
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h39_answers_that_are_none() {
    let world = World::start_with(&UNGUARDED).await;
    let evil = &world.evil;
    evil.install(mallory("liar")).await;
    evil.task("raw", "liar", "raw").await;
    evil.task("refuse", "liar", "refuse").await;
    for (input, code) in [
        (json!({ "text": "{not json" }), "execution.output_invalid"),
        (json!({ "text": "" }), "execution.output_invalid"),
        (json!({ "text": "1 2" }), "execution.output_invalid"),
        (json!({ "text": "NaN" }), "execution.output_invalid"),
        (
            json!({ "text": "1", "open": "[", "close": "]", "times": 100_000 }),
            "execution.output_invalid",
        ),
        (
            json!({ "text": "1", "open": "{\"a\":", "close": "}", "times": 100_000 }),
            "execution.output_invalid",
        ),
        // Would end the reply and begin one of its own, if it were put there as it is.
        (
            json!({ "text": "1},\"success\":true,\"outputData\":{\"forged\":true" }),
            "execution.output_invalid",
        ),
    ] {
        let told = evil.execute("raw", input.clone()).await;
        told.refused(code);
        let items = json!([{ "id": "1", "input": input }, { "id": "2", "input": { "text": "7" } }]);
        let batch = evil
            .post("/tasks/batch/execute", json!({ "taskId": "raw", "items": items }))
            .await
            .ok();
        assert_eq!(
            (&batch["successCount"], &batch["results"][1]["outputData"]),
            (&json!(1), &json!(7)),
            "{batch}"
        );
        assert!(!batch.to_string().contains("\"forged\":true}"), "{batch}");
    }
    // Words without end stay words of an end.
    let told = evil.execute("refuse", json!({ "message": "x".repeat(900_000) })).await;
    told.refused("execution.rejected");
    assert!(told.text.len() < 100_000, "{} bytes", told.text.len());
    // Words of the platform's own do not become its code, nor HTML a page.
    let forged = "access.forbidden</script><script>alert(1)</script>\r\nSet-Cookie: a=b";
    let told = evil.execute("refuse", json!({ "message": forged })).await;
    told.refused("execution.rejected");
    assert!(told.header("content-type").starts_with("application/problem+json") && told.header("x-content-type-options") == "nosniff");
    assert!(told.header("set-cookie").is_empty());
    // And the records can still be read.
    let page = evil.get("/executions?limit=1000").await.ok();
    assert!(page["items"].as_array().unwrap().len() >= 9, "{page}");
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h40_handlers_that_change_what_they_may_not() {
    let world = World::start().await;
    let evil = &world.evil;
    let points = |name: &str| {
        let hooks = ["wrap", "number", "garbled", "yes", "decide", "count", "trap"];
        let tables: String = hooks.iter().map(|name| format!("[[hooks]]\nname = \"{name}\"\n")).collect();
        maker("points", name)
            .with(&tables)
            .with("[[validators]]\nname = \"succeeded\"\n[[samplers]]\nname = \"all\"\n[[jobs]]\nname = \"echo\"\n")
            .with("[[event_handlers]]\nname = \"store\"\ntypes = [\"*\"]\n[permissions]\nkey_value = true\n")
    };
    evil.install(points("handlers")).await;
    world.acme.install(points("handlers")).await;
    let schema =
        json!({ "type": "object", "required": ["total"], "properties": { "total": { "type": "integer" } }, "additionalProperties": false });
    evil.put("/hooks/order", json!({ "kind": "filter", "inputSchema": schema }))
        .await
        .ok();
    let payload = json!({ "payload": { "total": 100 } });
    for name in ["wrap", "number", "garbled", "yes", "decide", "trap"] {
        let bound =
            json!({ "kind": "hook", "point": "order", "contribution": { "extension": "handlers", "name": name }, "onError": "closed" });
        let bound = evil.post("/bindings", bound).await.ok();
        // Another type, another kind's answer, no JSON at all: the payload that the product gets is never one that does not fit.
        let told = evil.post("/hooks/order/fire", payload.clone()).await;
        let problem = told.refused("hook.handler_failed");
        assert!(problem["errors"].is_array(), "{problem}");
        let id = bound["id"].as_str().unwrap();
        evil.patch(&format!("/bindings/{id}"), json!({ "onError": "open" })).await.ok();
        let told = evil.post("/hooks/order/fire", payload.clone()).await.ok();
        assert_eq!(told["payload"], payload["payload"], "{name}: {told}");
        evil.delete(&format!("/bindings/{id}")).await.ok();
    }
    // A rehearsal writes nothing, whatever the handler tries.
    let bound =
        json!({ "kind": "hook", "point": "order", "contribution": { "extension": "handlers", "name": "count" }, "onError": "open" });
    evil.post("/bindings", bound).await.ok();
    let dry = json!({ "payload": { "total": 1 }, "dryRun": true });
    let told = evil.post("/hooks/order/fire", dry).await.ok();
    assert!(told.to_string().contains("denied"), "{told}");
    // Only the platform fires its own, and nobody declares them anew.
    evil.post("/hooks/task.pre-execute/fire", json!({ "payload": {} }))
        .await
        .refused("hook.reserved");
    evil.put("/hooks/task.pre-execute", json!({ "kind": "filter" }))
        .await
        .refused("hook.reserved");
    // What is bound to everything is bound to everything of its own tenant.
    for (point, kind, name) in [
        ("*", "validator", "succeeded"),
        ("*", "sampler", "all"),
        ("task.pre-execute", "hook", "wrap"),
    ] {
        let bound = json!({ "kind": kind, "point": point, "contribution": { "extension": "handlers", "name": name } });
        evil.post("/bindings", bound).await.ok();
    }
    world.acme.install(mallory("notes")).await;
    world.acme.task("echo", "notes", "echo").await;
    let told = world.acme.execute("echo", json!({ "a": 1 })).await.ok();
    assert_eq!(told["outputData"], json!({ "a": 1 }), "{told}");
    assert_eq!(world.acme.get("/tasks/echo/samples").await.ok()["items"], json!([]));
    world.stands().await;
}
