//! Bindings, conflicts and the registry of contributions over HTTP, and what the configuration file declares.

use std::collections::BTreeMap;
use std::path::Path;

use oriel_server::Server;
use oriel_server::config::Config;
use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Host, Reply, package};

const MANIFEST: &str = r#"
name = "points"
version = "1.0.0"
description = "For tests."
publisher = "tests"
license = "Apache-2.0"
host_api = "^0.1"
tags = ["judging"]

[[validators]]
name = "short"
description = "Judges length"
[[samplers]]
name = "all"
[[event_handlers]]
name = "store"
types = ["order.*"]
[[jobs]]
name = "echo"
[[hooks]]
name = "pass"
config_schema = { type = "object", properties = { most = { type = "integer" } }, additionalProperties = false }
[[hooks]]
name = "decide"

[permissions]
key_value = true
"#;

async fn host() -> Host {
    let host = Host::start().await;
    host.upload("/api/v1/extensions?grant=true", package("points", MANIFEST)).await.ok();
    for (name, kind) in [("order.create", "filter"), ("order.route", "decide")] {
        put(&host, &format!("/api/v1/hooks/{name}"), json!({ "kind": kind })).await.ok();
    }
    host
}

async fn put(host: &Host, path: &str, body: Value) -> Reply {
    host.send(host.request(Method::PUT, path).json(&body)).await
}

async fn patch(host: &Host, id: &str, body: Value, tag: Option<&str>) -> Reply {
    let mut request = host.request(Method::PATCH, &format!("/api/v1/bindings/{id}")).json(&body);
    if let Some(tag) = tag {
        request = request.header("if-match", tag);
    }
    host.send(request).await
}

fn binding(kind: &str, point: &str, name: &str) -> Value {
    json!({"kind": kind, "point": point, "contribution": {"extension": "points", "name": name}})
}

fn merged(mut value: Value, more: &Value) -> Value {
    for (name, field) in more.as_object().unwrap() {
        value[name] = field.clone();
    }
    value
}

#[tokio::test]
async fn a_binding_lives_over_http() {
    let host = host().await;
    let body = merged(
        binding("hook", "order.create", "pass"),
        &json!({"priority": 3, "config": {"most": 2}, "timeoutMs": 250.0, "onError": "retry", "attempts": 4}),
    );
    let made = host.post("/api/v1/bindings", body.clone()).await;
    assert_eq!((made.status.as_u16(), made.header("etag")), (201, "\"1\""));
    let shown = made.ok();
    let id = shown["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/api/v1/bindings/{id}"));
    assert_eq!(
        (&shown["status"], &shown["enabled"], &shown["origin"]),
        (&json!("active"), &json!(true), &json!("api"))
    );
    assert_eq!(
        (&shown["timeoutMs"], &shown["onError"], &shown["attempts"]),
        (&json!(250), &json!("retry"), &json!(4))
    );
    let read = host.get(&format!("/api/v1/bindings/{id}")).await;
    assert_eq!((read.ok(), read.header("etag")), (shown, "\"1\""));
    let exists = host.post("/api/v1/bindings", body).await.problem("binding.exists");
    assert!(exists["detail"].as_str().unwrap().contains(&id), "{exists}");

    // Two administrators: the one who read an older revision is told.
    let changed = patch(
        &host,
        &id,
        json!({"timeoutMs": null, "onError": null, "enabled": false}),
        Some("\"1\""),
    )
    .await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let body = changed.ok();
    assert!(body.get("timeoutMs").is_none() && body.get("onError").is_none(), "{body}");
    assert_eq!((&body["status"], &body["reason"]["code"]), (&json!("inactive"), &json!("off")));
    patch(&host, &id, json!({"priority": 1}), Some("\"1\""))
        .await
        .problem("request.precondition_failed");
    patch(&host, &id, json!({"enabled": true, "config": {}}), None).await.ok();

    // It takes part in a fire, and no longer when it is gone.
    let fire = async || {
        let fired = host
            .post("/api/v1/hooks/order.create/fire", json!({"payload": {"a": 1}}))
            .await
            .ok();
        fired["handlers"].as_array().unwrap().len()
    };
    assert_eq!(fire().await, 1);
    host.post("/api/v1/extensions/points/disable", json!({})).await.ok();
    assert_eq!(fire().await, 0, "an extension that is switched off is passed over");
    let off = host.get(&format!("/api/v1/bindings/{id}")).await.ok();
    assert_eq!(off["reason"]["code"], "extension-disabled");
    host.post("/api/v1/extensions/points/enable", json!({})).await.ok();
    assert_eq!(fire().await, 1);
    let path = format!("/api/v1/bindings/{id}");
    let stale = host.request(Method::DELETE, &path).header("if-match", "\"1\"");
    host.send(stale).await.problem("request.precondition_failed");
    assert_eq!(host.delete(&path).await.status, 204);
    assert_eq!(fire().await, 0);
    host.get(&path).await.problem("binding.not_found");
    host.delete(&path).await.problem("binding.not_found");
}

#[tokio::test]
async fn bad_bindings_are_refused_with_codes() {
    let host = host().await;
    let hooked = || binding("hook", "order.create", "pass");
    for (body, code) in [
        (json!({}), "request.invalid"),
        (merged(hooked(), &json!({"unknown": 1})), "request.invalid"),
        (merged(hooked(), &json!({"kind": "program"})), "request.invalid"),
        (merged(hooked(), &json!({"priority": 1u64 << 40})), "request.invalid"),
        (merged(hooked(), &json!({"timeoutMs": -1})), "request.invalid"),
        (merged(hooked(), &json!({"config": []})), "request.invalid"),
        (merged(hooked(), &json!({"attempts": 300})), "binding.invalid"),
        (merged(hooked(), &json!({"timeoutMs": 3_600_000})), "binding.invalid"),
        (binding("hook", "../etc", "pass"), "binding.invalid"),
        (binding("hook", "order.nope", "pass"), "hook.not_found"),
        (binding("hook", "order.create", "nope"), "extension.contribution_not_found"),
        (
            json!({"kind": "hook", "point": "order.create", "contribution": {"extension": "nobody", "name": "pass"}}),
            "extension.not_found",
        ),
        (binding("event-handler", "user.*", "store"), "binding.invalid"),
    ] {
        host.post("/api/v1/bindings", body).await.problem(code);
    }
    let problem = host
        .post("/api/v1/bindings", merged(hooked(), &json!({"config": {"most": "x"}})))
        .await
        .problem("binding.config_invalid");
    assert_eq!(problem["errors"][0]["path"], "/most", "{problem}");
    for path in ["?kind=program", "?limit=0", "?unknown=1"] {
        host.get(&format!("/api/v1/bindings{path}")).await.problem("request.invalid");
    }
    host.get("/api/v1/bindings?cursor=AAAA").await.problem("request.cursor");
}

#[tokio::test]
async fn lists_filter_and_conflicts_are_told() {
    let host = host().await;
    for (kind, point, name) in [
        ("validator", "*", "short"),
        ("validator", "t", "short"),
        ("hook", "order.route", "pass"),
        ("hook", "order.route", "decide"),
        ("hook", "deploy", "pass"),
    ] {
        host.post("/api/v1/bindings", binding(kind, point, name)).await.ok();
    }
    let count = async |query: &str| {
        let page = host.get(&format!("/api/v1/bindings{query}")).await.ok();
        page["items"].as_array().unwrap().len()
    };
    for (query, expected) in [
        ("", 5),
        ("?kind=hook", 3),
        ("?kind=hook&point=order.route", 2),
        ("?point=*", 1),
        ("?extension=points", 5),
        ("?extension=nobody", 0),
        ("?limit=2", 2),
    ] {
        assert_eq!(count(query).await, expected, "{query}");
    }
    let conflicts = host.get("/api/v1/conflicts").await.ok();
    let items = conflicts["items"].as_array().unwrap();
    let kinds: Vec<&str> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["exclusive", "overlap"]);
    let way = items[0]["resolutions"].as_array().unwrap().iter();
    assert!(way.clone().any(|way| way["way"] == "change-priority"), "{conflicts:#}");
    assert_eq!(items[0]["parties"][0]["first"], true);
}

#[tokio::test]
async fn contributions_are_found_and_described() {
    let host = host().await;
    host.post("/api/v1/bindings", binding("hook", "order.create", "pass")).await.ok();
    let names = async |query: &str| {
        let page = host.get(&format!("/api/v1/contributions{query}")).await.ok();
        let items = page["items"].as_array().unwrap().iter();
        let names: Vec<String> = items.map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        names
    };
    assert_eq!(names("?kind=hook").await, ["decide", "pass"]);
    assert_eq!(names("?q=JUDGES").await, ["short"]);
    assert_eq!(names("?q=judging&kind=sampler&extension=points").await, ["all"]);
    assert_eq!(names("?extension=nobody").await, [""; 0]);
    let one = host.get("/api/v1/contributions/points/hook/pass").await.ok();
    assert_eq!(
        (&one["bindings"][0]["point"], &one["version"]),
        (&json!("order.create"), &json!("1.0.0"))
    );
    assert!(one["configSchema"].is_object(), "{one}");
    for (path, code) in [
        ("points/hook/nope", "extension.contribution_not_found"),
        ("points/nope/pass", "extension.contribution_not_found"),
        ("nobody/hook/pass", "extension.not_found"),
    ] {
        host.get(&format!("/api/v1/contributions/{path}")).await.problem(code);
    }
    host.get("/api/v1/contributions?kind=nope").await.problem("request.invalid");

    // A change at run time is seen at once.
    let next = MANIFEST.replace("1.0.0", "1.1.0").replace("name = \"decide\"", "name = \"wrap\"");
    host.upload("/api/v1/extensions/points/upgrade", package("points", &next))
        .await
        .ok();
    assert_eq!(names("?kind=hook").await, ["pass", "wrap"]);
}

#[tokio::test]
async fn others_see_and_change_nothing() {
    let host = host().await;
    let made = host.post("/api/v1/bindings", binding("hook", "order.create", "pass")).await.ok();
    let path = format!("/api/v1/bindings/{}", made["id"].as_str().unwrap());
    let stranger = host.other_tenant("stranger").await;
    stranger.get(&path).await.problem("binding.not_found");
    stranger.delete(&path).await.problem("binding.not_found");
    for list in ["/api/v1/bindings", "/api/v1/contributions", "/api/v1/conflicts"] {
        assert_eq!(stranger.get(list).await.ok()["items"], json!([]), "{list}");
        host.send(host.anonymous(Method::GET, list)).await.problem("access.unauthenticated");
    }
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    viewer.get(&path).await.ok();
    viewer.delete(&path).await.problem("access.forbidden");
    viewer
        .post("/api/v1/bindings", binding("sampler", "*", "all"))
        .await
        .problem("access.forbidden");
}

fn file(text: &str) -> Result<Config, String> {
    let none = BTreeMap::new();
    Config::from_sources(&none, &none, Some((Path::new("oriel.toml"), text))).map_err(|error| error.to_string())
}

const DECLARED: &str = r#"
[[bindings.hooks]]
name = "points/pass"
hook = "order.create"
priority = 7
on_error = "open"
timeout = "250ms"
[bindings.hooks.config]
most = 3

[[bindings.samplers]]
name = "later/every"
task = "*"
"#;

#[tokio::test]
async fn the_file_declares_bindings_that_start_with_the_server() {
    let mut first = host().await;
    let data = first.data.clone();
    first.stop().await;
    let start = async |text: &str| {
        let bindings = file(text).unwrap().bindings;
        Host::start_in(data.clone(), |config| config.bindings = bindings).await
    };
    let mut second = start(DECLARED).await;
    let items = second.get("/api/v1/bindings").await.ok()["items"].clone();
    let shown = |item: &Value| (item["point"].clone(), item["status"].clone(), item["origin"].clone());
    assert_eq!(shown(&items[0]), (json!("order.create"), json!("active"), json!("file")));
    assert_eq!(
        (&items[0]["priority"], &items[0]["timeoutMs"], &items[0]["config"]["most"]),
        (&json!(7), &json!(250), &json!(3))
    );
    assert_eq!(shown(&items[1]), (json!("*"), json!("inactive"), json!("file")));
    assert_eq!(items[1]["reason"]["code"], "not-installed");
    let id = items[0]["id"].as_str().unwrap();
    patch(&second, id, json!({"enabled": false}), None)
        .await
        .problem("binding.from_file");
    second.delete(&format!("/api/v1/bindings/{id}")).await.problem("binding.from_file");
    second.stop().await;

    // The same file again changes nothing; another one replaces the set; none removes it.
    let mut third = start(DECLARED).await;
    assert_eq!(third.get("/api/v1/bindings").await.ok()["items"], items);
    third.stop().await;
    let mut fourth = start("").await;
    assert_eq!(fourth.get("/api/v1/bindings").await.ok()["items"], json!([]));
    fourth.stop().await;

    // What names something wrong is told with its place, and nothing runs.
    for (text, expected) in [
        (
            "[[bindings.hooks]]\nname = \"points/nope\"\nhook = \"order.create\"\n",
            "oriel.toml:1:1: `bindings`: the extension `points` has no hook `nope`; it has pass, decide",
        ),
        (
            "[[bindings.hooks]]\nname = \"points/pass\"\nhook = \"order.create\"\nconfig = { most = \"x\" }\n",
            "oriel.toml:1:1: `bindings`: the configuration does not fit `points/pass`: /most: ",
        ),
        (
            "[[bindings.samplers]]\nname = \"a/b\"\ntask = \"*\"\n[[bindings.samplers]]\nname = \"a/b\"\ntask = \"*\"\npriority = 1\n",
            "oriel.toml:4:1: `bindings`: `a/b` is bound to `*` with the same configuration already",
        ),
        (
            "[[bindings.samplers]]\nname = \"a/b\"\ntask = \"*\"\ntenant = \"nobody\"\n",
            "oriel.toml:1:1: `bindings`: there is no tenant `nobody`",
        ),
    ] {
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: data.path().to_owned(),
            ..file(text).unwrap()
        };
        let error = Server::start(config).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn every_mistake_in_the_file_has_its_place() {
    for (text, expected) in [
        ("bindings = 1", "oriel.toml:1:12: `bindings` cannot be of type integer"),
        (
            "[[bindings.validator]]\nname = \"a/b\"",
            "oriel.toml:1:12: there are no bindings of `validator`; did you mean `validators`?",
        ),
        (
            "[bindings]\nhooks = 1",
            "oriel.toml:2:1: write each binding as `[[bindings.hooks]]`",
        ),
        (
            "[[bindings.hooks]]\nname = \"a/b\"\nhok = \"x\"\nhook = \"x\"",
            "oriel.toml:3:1: `bindings.hooks` has no field `hok`; did you mean `hook`?",
        ),
        (
            "[[bindings.hooks]]\nname = \"a/b\"",
            "oriel.toml:1:1: `bindings.hooks`: it needs `hook`",
        ),
        (
            "[[bindings.hooks]]\nname = \"a\"\nhook = \"x\"",
            "oriel.toml:2:8: `bindings.hooks`: `name`: write `a` as `EXTENSION/CONTRIBUTION`",
        ),
        (
            "[[bindings.hooks]]\nname = \"A/b\"\nhook = \"x\"",
            "oriel.toml:2:8: `bindings.hooks`: `name`: `A`",
        ),
        (
            "[[bindings.hooks]]\nname = \"a/b\"\nhook = \"x\"\nenabled = \"yes\"",
            "oriel.toml:4:11: `bindings.hooks`: `enabled`: it cannot be of type string",
        ),
        (
            "[[bindings.hooks]]\nname = \"a/b\"\nhook = \"x\"\npriority = 99999999999",
            "oriel.toml:4:12: `bindings.hooks`: `priority`: 99999999999 is out of range",
        ),
        (
            "[[bindings.hooks]]\nname = \"a/b\"\nhook = \"x\"\non_error = \"never\"",
            "oriel.toml:4:12: `bindings.hooks`: `on_error`: it should be `open`, `closed` or `retry`",
        ),
        (
            "[[bindings.hooks]]\nname = \"a/b\"\nhook = \"x\"\ntimeout = \"soon\"",
            "oriel.toml:4:11: `bindings.hooks`: `timeout`: `soon` is not a span of time",
        ),
        (
            "[[bindings.validators]]\nname = \"a/b\"\nhook = \"x\"\ntask = \"t\"",
            "oriel.toml:3:1: `bindings.validators` has no field `hook`",
        ),
    ] {
        let error = file(text).unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let config =
        file("[[bindings.hooks]]\nname = \"a/b\"\nhook = \"x\"\n[bindings.hooks.config]\nat = 2026-01-01T00:00:00Z\nn = 1_000\nf = 1.5\n")
            .unwrap();
    let given = Value::Object(config.bindings[0].declared.binding.terms.config.clone());
    assert_eq!(given, json!({"at": "2026-01-01T00:00:00Z", "n": 1000, "f": 1.5}));
}
