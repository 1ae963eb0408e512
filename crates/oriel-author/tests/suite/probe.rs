//! What every kit must do, whatever the language: `tests/probe/` in each, through the sandbox.

use oriel_model::manifest::{Engine, Language};
use oriel_model::permissions::Permissions;
use serde_json::{Value, json};

use super::host::Running;
use super::support::{built, edit, is_ours, probe};

/// What languages rightly do differently.
struct Manner {
    language: Language,
    /// Of JavaScript.
    engine: Engine,
    /// Digits that survive.
    integer: &'static str,
    /// What a crash is answered with, and parts of its log line.
    crash: (&'static str, [&'static str; 2]),
    /// What asking for the time without WASI is answered with.
    clock: &'static str,
}

#[tokio::test]
async fn rust() {
    check(Manner {
        language: Language::Rust,
        engine: Engine::default(),
        integer: "18446744073709551615",
        crash: ("execution.trapped: ", ["Error nothing in a list of 0", "panic=src/lib.rs:44"]),
        clock: "execution.trapped: ",
    })
    .await;
}

#[tokio::test]
async fn python() {
    check(Manner {
        language: Language::Python,
        engine: Engine::default(),
        integer: "123456789012345678901234567890",
        crash: ("execution.failed: KeyError: 'nothing'", ["Error KeyError: 'nothing'", "in crash"]),
        clock: "execution.failed: RuntimeError: time.time() needs WASI: set `wasi = true` under [build]",
    })
    .await;
}

#[tokio::test]
async fn typescript() {
    check(Manner {
        language: Language::Javascript,
        engine: Engine::Quickjs,
        integer: "9007199254740991",
        crash: (
            "execution.failed: cannot read property 'length' of null",
            ["Error TypeError: cannot read property 'length' of null", "at crash"],
        ),
        clock: "execution.failed: Date.now() needs WASI: set `wasi = true` under [build]",
    })
    .await;
}

/// The other engine: slower to build, and 64-bit numbers are of another type there.
#[tokio::test]
async fn starlingmonkey() {
    check(Manner {
        language: Language::Javascript,
        engine: Engine::Starlingmonkey,
        integer: "9007199254740991",
        crash: ("execution.failed: ", ["Error TypeError: ", "crash@"]),
        clock: "execution.failed: Date.now() needs WASI: set `wasi = true` under [build]",
    })
    .await;
}

async fn check(manner: Manner) {
    let (_temp, dir) = probe(manner.language);
    if manner.engine == Engine::Starlingmonkey {
        edit(
            &dir.join("extension.toml"),
            "\n[permissions]",
            "engine = \"starlingmonkey\"\n\n[permissions]",
        );
    }
    let report = built(&dir);
    for name in report.imports.iter().filter(|name| !is_ours(name)) {
        // Outbound HTTP and the streams that its bodies are made of; no clock to read, no files, no randomness.
        let of_http = ["wasi:http/", "wasi:io/", "wasi:clocks/monotonic-clock@"];
        assert!(of_http.iter().any(|start| name.starts_with(start)), "{:?}", report.imports);
    }
    let running = Running::new(&report);
    json(&running, manner.integer).await;
    errors(&running).await;
    host(&running).await;
    network(&running).await;
    others(&running).await;
    later(&running).await;

    running.log();
    let answer = running.call("crash", "null").await;
    assert!(answer.starts_with(manner.crash.0), "{answer}");
    let log = running.log().join("\n");
    assert!(manner.crash.1.iter().all(|part| log.contains(part)), "{log}");
    running.log();
    let answer = running.call("now", "null").await;
    assert!(answer.starts_with(manner.clock), "{answer}");
    // A panic has no words for the caller, but for the log.
    let told = format!("{answer} {}", running.log().join(" "));
    assert!(told.contains("needs WASI: set `wasi = true` under [build]"), "{told}");
    assert_eq!(running.call("add", r#"{"numbers":[1]}"#).await, "1", "it goes on after a crash");

    // The same component with less of a grant.
    let bare = Running::granted(&report, Permissions::default());
    let url = r#"{"url":"https://api.example.com/"}"#;
    let answer = bare.call("fetch", url).await;
    assert!(answer.starts_with("execution.denied: outbound HTTP: "), "{answer}");
    let answer = bare.call("keys", "null").await;
    assert!(answer.starts_with("execution.denied: "), "{answer}");
    assert_eq!(bare.refused(), ["network api.example.com:443", "key_value"]);
    // And with fewer requests than it makes.
    let strict = Running::with(&report, |spec| spec.limits.http_requests = 0);
    let answer = strict.call("fetch", url).await;
    assert!(
        answer.starts_with("execution.limit_exceeded: outbound HTTP: ") && answer.contains("http_requests"),
        "{answer}"
    );
}

/// JSON comes out as it went in.
async fn json(running: &Running, integer: &str) {
    for text in [
        "{}",
        "[]",
        "null",
        "true",
        "-0.5",
        "1e-7",
        "9007199254740991",
        "-9007199254740991",
        integer,
        r#""""#,
        r#""Grüße, 世界 👋🏽 \u0000\n\"\\ \u2028""#,
        r#"{"ключ":{"":[[[{"a":[]}]]]}}"#,
    ] {
        let answer = running.call("echo", text).await;
        assert_eq!(plain(&answer), plain(text));
    }
    let long = format!("\"{}\"", "ü".repeat(200_000));
    assert!(running.call("echo", &long).await == long, "long texts");
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(running.call("echo", &deep).await, deep);
}

/// One form for escapes that may be written in more than one way.
fn plain(json: &str) -> String {
    json.replace(r"\u2028", "\u{2028}").replace("1e-07", "1e-7")
}

/// An answer as JSON, or as it is when it is none, for messages.
fn parsed(answer: &str) -> Value {
    serde_json::from_str(answer).unwrap_or_else(|_| Value::String(answer.to_owned()))
}

/// Each error of the kit has its code.
async fn errors(running: &Running) {
    for (case, answer) in [
        ("invalid-input", "execution.rejected: as ordered: ü"),
        ("unavailable", "execution.unavailable: as ordered: ü"),
        ("denied", "execution.denied: as ordered: ü"),
        ("limit-exceeded", "execution.limit_exceeded: as ordered: ü"),
        ("internal", "execution.failed: as ordered: ü"),
    ] {
        assert_eq!(running.call("fail", &format!("{case:?}")).await, answer);
    }
    let answer = running.call("fail", "\"deadline-exceeded\"").await;
    assert!(answer.starts_with("execution.timeout: "), "{answer}");
    assert_eq!(running.call("add", r#"{"numbers":[40,2]}"#).await, "42");
    let answer = running.call("add", r#"{"numbers":[40,"x"]}"#).await;
    assert!(answer.starts_with("execution.rejected: at `numbers"), "{answer}");
    for (program, input) in [("add", "{"), ("nonsense", "{}")] {
        let answer = running.call(program, input).await;
        assert!(answer.starts_with("execution.rejected: "), "{answer}");
    }
}

/// Context, configuration, log, keys and lifecycle.
async fn host(running: &Running) {
    let answer = running.call("surroundings", "{}").await;
    let wanted = json!({ "extension": "probe", "version": "1.2.3", "config": { "größe": 1 }, "left": true });
    assert_eq!(parsed(&answer), wanted);
    let log = running.log();
    assert_eq!(log.first().map(String::as_str), Some("Info ready"));
    assert_eq!(
        log.last().map(|line| line.replace(": ", ":")).as_deref(),
        Some("Debug seen config={\"größe\":1}")
    );
    let answer = running.call("keys", "null").await;
    let wanted = json!({ "text": "blau", "json": { "a": [1] }, "count": 44, "swapped": true, "late": false, "gone": true,
        "absent": null, "keys": ["count", "text"] });
    assert_eq!(parsed(&answer), wanted);
    let health = running.pool.health_check().await.expect("an answer");
    assert_eq!((health.healthy, health.detail.as_deref()), (true, Some("well")));
    let problems = running.pool.check_config(r#"{"threshold":0}"#).await.expect("an answer");
    let problems: Vec<_> = problems
        .iter()
        .map(|problem| (problem.path.as_str(), problem.message.as_str()))
        .collect();
    assert_eq!(problems, [("/threshold", "must not be 0")]);
    assert_eq!(running.pool.check_config("{}").await.expect("an answer"), []);
}

/// Other extensions, secrets and measurements.
async fn others(running: &Running) {
    let answer = running.call("others", "null").await;
    let place = json!({ "asked": "geo/lookup", "input": { "city": "Ulm" } });
    assert_eq!(
        parsed(&answer),
        json!({ "place": place, "closed": true, "token": true, "caller": null })
    );
    assert_eq!(
        running.measured(),
        [r#"Counter asked 2 [("kind", "city")]"#, "Histogram seconds 0.25 []"]
    );
}

/// The queue and the model.
async fn later(running: &Running) {
    let answer = running.call("later", "null").await;
    assert_eq!(
        parsed(&answer),
        json!({ "id": "jrun_1", "refused": true, "pending": 1_u64 << 40, "verdict": { "a": 42 }, "text": "forty", "finish": "length",
            "tokens": [1_u64 << 33, 2], "model": "small-2026" })
    );
    let lines = running.later();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let input = lines[0].replace(": ", ":");
    assert_eq!(input, r#"send {"n":1} 1500 k 4"#);
    let asked = lines[1].replace("\\\"type\\\": ", "\\\"type\\\":");
    let wanted = r#"Some(small) ["system: Be short.", "user: 6 × 7?"] Some(9) Some(0.5) Some("{\"type\":\"object\"}") ["!"]"#;
    assert_eq!(asked, wanted);
    assert_eq!(lines[2], r#"Some(small) ["user: hi"] None None None []"#);
}

/// Granted hosts answer, others are refused and audited.
async fn network(running: &Running) {
    let seen = |request: &str, kind: Value, body: Value| json!({ "origin": "https api.example.com", "request": request, "probe": "ü", "type": kind, "body": body });
    let answer = running.call("fetch", r#"{"url":"https://api.example.com/a?b=c#d"}"#).await;
    let wanted = seen("GET /a?b=c", Value::Null, Value::Null);
    assert_eq!(
        parsed(&answer),
        json!({ "status": 200, "type": "application/json", "body": wanted })
    );
    // Longer than one write of a stream may be.
    let body = json!({ "text": "ü".repeat(10_000) });
    let request = json!({ "url": "https://api.example.com", "body": body });
    let answer = running.call("fetch", &request.to_string()).await;
    let wanted = seen("POST /", json!("application/json"), body);
    let wanted = json!({ "status": 201, "type": "application/json", "body": wanted });
    assert!(parsed(&answer) == wanted, "{answer:.300}");
    assert!(running.refused().is_empty());
    for (url, what) in [
        ("https://evil.example/", "network evil.example:443"),
        ("https://api.example.com.evil.example/", "network api.example.com.evil.example:443"),
        ("https://api.example.com:8443/", "network api.example.com:8443"),
        ("http://169.254.169.254/latest/meta-data/", "network 169.254.169.254:80"),
    ] {
        for request in [json!({ "url": url }), json!({ "url": url, "body": [1] })] {
            let answer = running.call("fetch", &request.to_string()).await;
            assert!(answer.starts_with("execution.denied: outbound HTTP: "), "{url}: {answer}");
            assert_eq!(running.refused(), [what]);
        }
    }
}
