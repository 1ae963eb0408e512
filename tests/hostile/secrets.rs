//! Getting a secret out: by path, query, body, header, another host, another tenant, a log line, a message, a file.

use std::path::Path;

use serde_json::{Value, json};

use crate::outside::Outside;
use crate::packages::sender;
use crate::world::{World, answer};

const VALUE: &str = "ghp_the-secret-that-nobody-reads";
const LOOPBACK: [(&str, &str); 1] = [("ORIEL_PRIVATE_NETWORKS", "127.0.0.0/8")];

/// A world in which `acme` has given its extension a secret for one host.
async fn world() -> (World, Outside, Outside) {
    let world = World::start_with(&LOOPBACK).await;
    let (trusted, other) = (Outside::start().await, Outside::start().await);
    let permissions = format!(
        "network = [\"http://{0}\", \"http://{1}\"]\nprivate_network = [\"127.0.0.1/32\"]\nsecrets = {{ token = [\"http://{0}\"] }}",
        trusted.host(),
        other.host()
    );
    for actor in [&world.acme, &world.evil] {
        actor.install(sender("sender", &permissions)).await;
        let value = if actor.key == world.acme.key { VALUE } else { "evil's own" };
        actor.put("/extensions/sender/secrets/token", json!({ "value": value })).await.ok();
    }
    (world, trusted, other)
}

async fn send(world: &World, request: Value) -> Value {
    world.acme.told("sender", "send", request).await
}

/// Every byte that the server keeps on disk.
fn kept(dir: &Path, found: &mut Vec<u8>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            kept(&path, found);
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.extend(bytes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h22_a_secret_by_every_way_out() {
    let (world, trusted, other) = world().await;
    let bearer = json!({ "authorization": "Bearer {secret}" });
    let good = send(&world, json!({ "secret": "token", "url": trusted.url("/"), "headers": bearer })).await;
    let placeholder = good["placeholder"].as_str().unwrap().to_owned();
    assert!(
        trusted.seen()[0].contains(&format!("authorization: Bearer {VALUE}")),
        "{:?}",
        trusted.seen()
    );
    let in_path = "/{secret}?q={secret}";
    for request in [
        // Where it may go, but not in a header's value.
        json!({ "secret": "token", "url": trusted.url(in_path) }),
        json!({ "secret": "token", "url": trusted.url("/"), "body": "{secret}" }),
        json!({ "secret": "token", "url": trusted.url("/"), "headers": { "x-{secret}": "a" } }),
        // Where it may not go, by itself, by a redirect, or over another scheme.
        json!({ "secret": "token", "url": other.url("/"), "headers": bearer }),
        json!({ "secret": "token", "url": trusted.url(&format!("/to/{}", other.url("/"))), "headers": bearer, "follow": true }),
        json!({ "secret": "token", "url": format!("https://{}/", trusted.host()), "headers": bearer }),
        json!({ "secret": "token", "url": format!("http://localhost:{}/", trusted.port()), "headers": bearer }),
        // A placeholder that was made up, or taken from before.
        json!({ "url": other.url("/"), "headers": { "authorization": placeholder } }),
        json!({ "url": trusted.url("/"), "headers": { "authorization": "oriel-secret-00000000000000000000000000000000" } }),
        json!({ "url": trusted.url("/"), "headers": { "authorization": placeholder.to_uppercase() } }),
    ] {
        let told = send(&world, request.clone()).await;
        assert!(!told.to_string().contains(VALUE), "{request}: {told}");
    }
    assert!(!other.seen().join("").contains(VALUE), "{:?}", other.seen());
    // In the trusted host's requests it stands behind `authorization` alone, and never in the first line or the body.
    for text in trusted.seen() {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        assert!(
            !body.contains(VALUE) && !head.lines().next().unwrap_or_default().contains(VALUE),
            "{text}"
        );
        for line in head.lines().filter(|line| line.contains(VALUE)) {
            assert!(line.starts_with("authorization: "), "{text}");
        }
    }
    world.acme.audited("permission.refused", "secrets token for").await;
    // The guest tries to write it down: a log line, an answer, a measurement.
    world.acme.told("sender", "leak", json!("token")).await;
    world
        .acme
        .told(
            "sender",
            "count",
            json!({ "name": "leaks", "value": 1.0, "labels": { "secret": placeholder } }),
        )
        .await;
    world.acme.lines("sender", 1).await;
    world.acme.audited("secret.used", "token").await;
    let mut all = String::new();
    for path in [
        "/extensions/sender",
        "/extensions/sender/secrets",
        "/extensions/sender/config",
        "/extensions/sender/logs?limit=1000",
        "/executions?limit=1000",
        "/audit?limit=1000",
        "/audit/export",
        "/compliance/report",
    ] {
        all.push_str(&world.acme.get(path).await.text);
    }
    all.push_str(&answer(world.acme.at(reqwest::Method::GET, "/metrics")).await.text);
    all.push_str(&world.log());
    assert!(!all.contains(VALUE), "the value is told somewhere");
    // Nor does it lie on the disk as it is.
    world.stands().await;
    let mut bytes = Vec::new();
    kept(&world.dir().join("data"), &mut bytes);
    assert!(bytes.len() > 10_000 && !bytes.windows(VALUE.len()).any(|window| window == VALUE.as_bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn h23_the_placeholder_of_another_tenant_or_extension() {
    let (world, trusted, _) = world().await;
    let permissions = format!("network = [\"http://{}\"]\nprivate_network = [\"127.0.0.1/32\"]", trusted.host());
    world.acme.install(sender("thief", &permissions)).await;
    let text = world.acme.told("sender", "placeholder", json!("token")).await;
    let text = text.as_str().unwrap();
    assert!(text.starts_with("oriel-secret-"), "{text}");
    // Another extension of the same tenant, and the same extension of another tenant, send what they were told.
    for (actor, extension) in [(&world.acme, "thief"), (&world.evil, "sender")] {
        let request = json!({ "url": trusted.url("/"), "headers": { "authorization": text } });
        actor.told(extension, "send", request).await;
    }
    assert_eq!(trusted.seen().len(), 2);
    assert!(
        trusted.seen().iter().all(|seen| seen.contains(text) && !seen.contains(VALUE)),
        "{:?}",
        trusted.seen()
    );
    // Asking for it by name does not help either.
    for name in ["token", "TOKEN", "../sender/token", "acme/token", ""] {
        let told = world.acme.call("thief", "placeholder", json!(name)).await;
        assert!(
            matches!(told.code().as_deref(), Some("execution.denied" | "execution.rejected")),
            "{name}: {told:?}"
        );
    }
    world.acme.audited("permission.refused", "secrets token").await;
    let own = world.evil.told("sender", "placeholder", json!("token")).await;
    assert_ne!(own, text);
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h24_secrets_of_a_configuration_by_asking_for_them() {
    let world = World::start().await;
    let schema = "[config.schema]\ntype = \"object\"\nproperties = { token = { type = \"string\", writeOnly = true, maxLength = 40 }, \
                  region = { type = \"string\" } }\nadditionalProperties = false\n";
    world.acme.install(crate::packages::mallory("notes").with(schema)).await;
    let set = json!({ "config": { "token": VALUE, "region": "eu" } });
    world.acme.put("/extensions/notes/config", set).await.ok();
    // What does not fit is told without being repeated.
    let long = format!("{VALUE}{}", "x".repeat(40));
    for config in [
        json!({ "token": long }),
        json!({ "token": [long] }),
        json!({ "token": VALUE, "more": long }),
    ] {
        let told = world.acme.put("/extensions/notes/config", json!({ "config": config })).await;
        assert_eq!(told.status / 100, 4, "{told:?}");
        assert!(!told.text.contains(VALUE), "{told:?}");
    }
    let mut all = String::new();
    for path in [
        "/extensions/notes",
        "/extensions/notes/config",
        "/extensions",
        "/audit?limit=1000",
        "/contributions",
        "/compliance/report",
    ] {
        all.push_str(&world.acme.get(path).await.text);
    }
    all.push_str(&world.log());
    assert!(!all.contains(VALUE), "{all}");
    // The extension that it belongs to reads it: that is documented, and the reason for the permission `secrets`.
    let told = world.acme.told("notes", "context", json!({})).await;
    assert!(told["config"].as_str().unwrap().contains(VALUE), "{told}");
    world.stands().await;
}
