//! Keys, roles, policies, cursors, kept replies, sessions: getting more than one was given.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::packages::mallory;
use crate::world::{Actor, World, answer};

#[tokio::test(flavor = "multi_thread")]
async fn h03_a_cursor_of_another_tenant_or_of_nobody() {
    let world = World::start().await;
    for actor in [&world.acme, &world.evil] {
        actor.install(mallory("notes")).await;
        for at in 0..4 {
            actor
                .post("/keys", json!({ "name": format!("k{at}"), "role": "viewer" }))
                .await
                .ok();
            actor.task(&format!("t{at}"), "notes", "echo").await;
            actor.execute(&format!("t{at}"), json!({ "of": actor.key[6..20] })).await.ok();
        }
    }
    for list in ["/keys", "/tasks", "/audit", "/executions", "/contributions"] {
        let first = world.acme.get(&format!("{list}?limit=1")).await.ok();
        let Some(cursor) = first["nextCursor"].as_str() else {
            panic!("{list} has no second page: {first}");
        };
        let told = answer(world.evil.request(Method::GET, list).query(&[("cursor", cursor)])).await;
        if told.status == 200 {
            // A place in one's own list, then: nothing of the other's is on the page.
            let theirs = world.acme.get(&format!("{list}?limit=1000")).await.ok();
            let ids = |page: &Value| -> Vec<String> {
                let items = page["items"].as_array().unwrap().iter();
                items.filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
            };
            let theirs = ids(&theirs);
            assert!(ids(&told.json()).iter().all(|id| !theirs.contains(id)), "{list}: {told:?}");
        } else {
            told.refused("request.cursor");
        }
        for forged in [
            "x",
            "-1",
            "'; DROP TABLE keys; --",
            "%00",
            "AAAAAAAAAAAAAAAA",
            "{\"tenant\":\"acme\"}",
            &"9".repeat(900),
        ] {
            let told = answer(world.acme.request(Method::GET, list).query(&[("cursor", forged)])).await;
            assert!(
                matches!(told.code().as_deref(), None | Some("request.cursor" | "request.invalid")),
                "{list} with {forged}: {told:?}"
            );
        }
    }
    world.stands().await;
}

fn keyed(actor: &Actor, key: &str, path: &str, body: &Value) -> reqwest::RequestBuilder {
    actor.request(Method::POST, path).header("idempotency-key", key).json(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn h04_the_kept_reply_of_somebody_else() {
    let world = World::start().await;
    let acme = &world.acme;
    // An owner makes an owner's key, and whoever knows the idempotency key repeats the request.
    let body = json!({ "name": "ci", "role": "owner" });
    let made = answer(keyed(acme, "make-ci", "/keys", &body)).await.ok();
    let admin = acme.new_key("admin", &[]).await;
    let told = answer(keyed(&admin, "make-ci", "/keys", &body)).await;
    told.refused("access.forbidden");
    assert!(!told.text.contains(made["secret"].as_str().unwrap()), "{told:?}");
    let told = answer(keyed(&world.evil, "make-ci", "/keys", &body)).await;
    assert!(!told.text.contains(made["secret"].as_str().unwrap()), "{told:?}");
    assert_eq!(told.header("idempotency-replayed"), "");
    // A policy keeps a task from everybody but one key; the reply that was kept for that one is nobody else's.
    acme.install(mallory("notes")).await;
    acme.task("salaries", "notes", "echo").await;
    let one = acme.new_key("developer", &[]).await;
    let id = one.get("/me").await.ok()["keyId"].as_str().unwrap().to_owned();
    let policy = format!(
        "forbid(principal, action == Oriel::Action::\"executeTask\", resource == Oriel::Task::\"salaries\")\n\
         unless {{ principal == Oriel::Key::\"{id}\" }};"
    );
    acme.put("/access/policies/salaries", json!({ "text": policy })).await.ok();
    let ask = json!({ "taskId": "salaries", "input": { "boss": 1_000_000 } });
    answer(keyed(&one, "r-1", "/tasks/execute", &ask)).await.ok();
    let other = acme.new_key("developer", &[]).await;
    let told = answer(keyed(&other, "r-1", "/tasks/execute", &ask)).await;
    told.refused("access.forbidden");
    assert!(!told.text.contains("1000000"), "{told:?}");
    acme.audited("access.refused", "Task:salaries").await;
    // Whose it is gets it again.
    assert_eq!(
        answer(keyed(&one, "r-1", "/tasks/execute", &ask))
            .await
            .header("idempotency-replayed"),
        "true"
    );
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h05_guessing_what_exists_by_its_revision() {
    let world = World::start().await;
    world.acme.install(mallory("notes")).await;
    world.acme.task("secret.task", "notes", "echo").await;
    for tag in ["\"1\"", "\"2\"", "*", "W/\"1\"", "\"x\"", ""] {
        for path in ["/tasks/secret.task", "/extensions/notes"] {
            for (method, header) in [
                (Method::GET, "if-none-match"),
                (Method::PATCH, "if-match"),
                (Method::DELETE, "if-match"),
            ] {
                if method == Method::PATCH && path.starts_with("/extensions") {
                    continue;
                }
                let ask = async |name: &str| {
                    let request = world.evil.request(method.clone(), name).header(header, tag);
                    let request = if method == Method::PATCH {
                        request.json(&json!({}))
                    } else {
                        request
                    };
                    let told = answer(request).await;
                    (told.status, told.code())
                };
                // What another has and what nobody has answer alike.
                let theirs = ask(path).await;
                let nobodys = ask(&path.replace("secret", "no").replace("notes", "nothing")).await;
                assert_eq!(theirs, nobodys, "{method} {path} {header}: {tag}");
                // 412: no revision of anything looks like that.
                assert!(matches!(theirs.0, 404 | 400 | 412), "{theirs:?}");
            }
        }
    }
    world.acme.get("/tasks/secret.task").await.ok();
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h06_a_name_spelt_another_way_to_pass_by_a_policy() {
    let world = World::start().await;
    let acme = &world.acme;
    acme.install(mallory("notes")).await;
    let task = acme.task("payments.refund", "notes", "echo").await;
    let id = task["id"].as_str().unwrap();
    let policy = "forbid(principal is Oriel::Key, action, resource == Oriel::Task::\"payments.refund\")\n\
                  unless { principal in Oriel::Role::\"admin\" };";
    acme.put("/access/policies/refunds", json!({ "text": policy })).await.ok();
    let developer = acme.new_key("developer", &[]).await;
    // Executing it by each of its names, alone, in a batch and as a stream.
    for name in [
        id,
        "payments.refund",
        "PAYMENTS.REFUND",
        "payments.refund ",
        "payments.refund.",
        "payments%2Erefund",
        "./payments.refund",
    ] {
        let told = [
            developer.execute(name, json!({})).await,
            developer
                .post(
                    "/tasks/batch/execute",
                    json!({ "taskId": name, "items": [{ "id": "1", "input": {} }] }),
                )
                .await,
            answer(
                developer
                    .request(Method::POST, "/tasks/stream/execute")
                    .query(&[("taskId", name)])
                    .header("content-type", "application/x-ndjson")
                    .body("{\"id\":\"1\",\"input\":{}}\n"),
            )
            .await,
        ];
        for told in told {
            let code = told.code();
            assert!(
                matches!(code.as_deref(), Some("access.forbidden" | "task.not_found" | "request.invalid")),
                "{name}: {told:?}"
            );
        }
    }
    // Changing it by an address that is decoded on the way.
    for path in [
        format!("/tasks/{id}"),
        "/tasks/payments.refund".to_owned(),
        "/tasks/payments%2erefund".to_owned(),
        "/tasks/%70ayments.refund".to_owned(),
        "/tasks/payments.refund%00".to_owned(),
        "/tasks//payments.refund".to_owned(),
    ] {
        let told = developer.patch(&path, json!({ "description": "mine" })).await;
        assert!(told.status == 403 || told.status == 404 || told.status == 400, "{path}: {told:?}");
    }
    assert_eq!(acme.get("/tasks/payments.refund").await.ok()["description"], "");
    acme.audited("access.refused", "payments.refund").await;
    acme.execute("payments.refund", json!({})).await.ok();
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h07_climbing_from_a_role_to_a_higher_one() {
    let world = World::start().await;
    let acme = &world.acme;
    let account = json!({ "kind": "service-account", "name": "robot", "role": "owner" });
    acme.post("/members", account).await.ok();
    let own_key = acme.get("/me").await.ok()["keyId"].as_str().unwrap().to_owned();
    let developer = acme.new_key("developer", &[]).await;
    let admin = acme.new_key("admin", &[]).await;
    let narrow = acme.new_key("owner", &["access:write", "access:read"]).await;
    let wants = [
        // A key of a higher role, or a wider one; a member above oneself; the owner's key gone.
        ("POST", "/keys".to_owned(), json!({ "name": "up", "role": "owner" })),
        (
            "POST",
            "/keys".to_owned(),
            json!({ "name": "up", "role": "owner", "scopes": ["tasks:execute"] }),
        ),
        (
            "POST",
            "/keys".to_owned(),
            json!({ "name": "up", "role": "owner", "serviceAccount": "robot" }),
        ),
        (
            "POST",
            "/members".to_owned(),
            json!({ "kind": "user", "name": "eve@acme.example", "role": "owner" }),
        ),
        ("PATCH", "/members/robot".to_owned(), json!({ "role": "viewer" })),
        ("DELETE", "/members/robot".to_owned(), json!(null)),
        ("DELETE", format!("/keys/{own_key}"), json!(null)),
        // The platform's own.
        ("POST", "/tenants".to_owned(), json!({ "name": "more" })),
        ("PUT", "/tenants/acme/quotas".to_owned(), json!({})),
        ("GET", "/tenants/default/quotas".to_owned(), json!(null)),
        ("GET", "/tenants".to_owned(), json!(null)),
    ];
    for (who, actor) in [("developer", &developer), ("admin", &admin)] {
        for (method, path, body) in &wants {
            let request = actor.request(method.parse().unwrap(), path);
            let told = answer(if body.is_null() { request } else { request.json(body) }).await;
            assert_eq!(told.code().as_deref(), Some("access.forbidden"), "{who} {method} {path}: {told:?}");
        }
    }
    // A narrowed owner makes nothing wider than itself, and manages nobody who is.
    for body in [
        json!({ "name": "up", "role": "owner" }),
        json!({ "name": "up", "role": "viewer", "scopes": ["tasks:read"] }),
    ] {
        narrow.post("/keys", body).await.refused("access.forbidden");
    }
    narrow
        .post("/members", json!({ "kind": "user", "name": "eve@acme.example", "role": "viewer" }))
        .await
        .refused("access.forbidden");
    // A policy lends a scope, and never the platform, nor a role.
    let policy = json!({ "text": "permit(principal, action, resource);" });
    acme.put("/access/policies/all", policy).await.ok();
    developer
        .post("/tenants", json!({ "name": "more" }))
        .await
        .refused("access.forbidden");
    developer
        .post("/keys", json!({ "name": "up", "role": "owner" }))
        .await
        .refused("access.forbidden");
    acme.audited("access.refused", "createKey").await;
    assert_eq!(acme.get("/members/robot").await.ok()["role"], "owner");
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_going_on_with_a_key_that_was_revoked() {
    let world = World::start().await;
    let acme = &world.acme;
    acme.install(mallory("notes")).await;
    acme.task("echo", "notes", "echo").await;
    let made = acme.post("/keys", json!({ "name": "leaver", "role": "developer" })).await.ok();
    let leaver = acme.with_key(made["secret"].as_str().unwrap());
    // A stream of items and a followed log, both begun while the key was good.
    let (lines, body) = mpsc::channel::<Result<String, std::io::Error>>(4);
    let stream = leaver
        .request(Method::POST, "/tasks/stream/execute?taskId=echo")
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(ReceiverStream::new(body)));
    let mut stream = stream.send().await.unwrap();
    lines.send(Ok("{\"id\":\"good\",\"input\":{}}\n".to_owned())).await.unwrap();
    assert!(String::from_utf8_lossy(&stream.chunk().await.unwrap().unwrap()).contains("good"));
    let follow = leaver
        .request(Method::GET, "/extensions/notes/logs?follow=true")
        .header("accept", "text/event-stream");
    let mut follow = follow.send().await.unwrap();
    acme.delete(&format!("/keys/{}", made["id"].as_str().unwrap())).await.ok();
    // The attacker keeps both busy; what comes after the key's end is not answered for long.
    let busy = tokio::spawn(async move {
        for at in 0.. {
            if lines.send(Ok(format!("{{\"id\":\"late-{at}\",\"input\":{{}}}}\n"))).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let talk = {
        let acme = acme.clone();
        tokio::spawn(async move {
            for at in 0.. {
                acme.call("notes", "log", json!({ "message": format!("line {at}") })).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
    };
    let ends = async |response: &mut reqwest::Response| {
        let mut text = String::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
        text
    };
    let both = async { tokio::join!(ends(&mut stream), ends(&mut follow)) };
    let (stream, follow) = tokio::time::timeout(Duration::from_secs(60), both).await.expect("both end");
    talk.abort();
    busy.abort();
    for text in [&stream, &follow] {
        let last = text.rsplit("event: problem").next().unwrap();
        assert!(text.contains("event: problem") && last.contains("access.key_revoked"), "{text}");
    }
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h09_fifty_at_once_for_the_last_place_of_a_quota() {
    let world = World::start().await;
    let (evil, operator) = (&world.evil, &world.operator);
    evil.install(mallory("notes")).await;
    let quotas = json!({ "keys": 4, "tasks": 3 });
    operator.put("/tenants/evil/quotas", quotas).await.ok();
    let keys = join_all((0..50).map(|at| evil.post("/keys", json!({ "name": format!("k{at}"), "role": "viewer" })))).await;
    let tasks = join_all((0..50).map(|at| {
        // Half of them with a key for repetition, and gone before the answer.
        let body = json!({ "name": format!("t{at}"), "program": { "extension": "notes", "name": "echo" } });
        let request = evil.request(Method::POST, "/tasks").json(&body);
        let request = if at % 2 == 0 {
            request.header("idempotency-key", format!("i{at}"))
        } else {
            request
        };
        async move {
            let patience = Duration::from_millis(if at % 4 == 0 { 5 } else { 60_000 });
            tokio::time::timeout(patience, answer(request)).await.ok()
        }
    }))
    .await;
    for told in keys.iter().chain(tasks.iter().flatten()) {
        assert!(
            told.status == 201 || told.code().as_deref() == Some("access.quota_exceeded"),
            "{told:?}"
        );
    }
    let report = operator.get("/tenants/evil/quotas").await.ok();
    assert!(
        report["used"]["keys"].as_u64() <= Some(4) && report["used"]["tasks"].as_u64() <= Some(3),
        "{report}"
    );
    // Whoever asks alone gets what is there, and no more.
    while evil.post("/tasks", json!({ "name": format!("x{}", evil.get("/tasks").await.ok()["items"].as_array().unwrap().len()), "program": { "extension": "notes", "name": "echo" } })).await.status == 201 {}
    assert_eq!(operator.get("/tenants/evil/quotas").await.ok()["used"]["tasks"], 3);
    world.acme.install(mallory("notes")).await;
    world.acme.task("mine", "notes", "echo").await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_asking_too_often_under_many_keys() {
    let world = World::start().await;
    let evil = &world.evil;
    let quotas = json!({ "rateLimit": { "requestsPerSecond": 1, "burst": 20 }, "concurrentRequests": 5 });
    let keys = join_all((0..5).map(|_| evil.new_key("viewer", &[]))).await;
    world.operator.put("/tenants/evil/quotas", quotas).await.ok();
    // The tenant's limit counts all its keys together, so more keys are no more requests.
    let told = join_all((0..100).map(|at| keys[at % 5].get("/me"))).await;
    let good = told.iter().filter(|told| told.status == 200).count();
    assert!(good <= 30, "{good} of 100");
    for told in told.iter().filter(|told| told.status != 200) {
        told.refused("access.rate_limited");
        assert!(!told.header("retry-after").is_empty());
    }
    // The neighbour notices nothing.
    for told in join_all((0..50).map(|_| world.acme.get("/me"))).await {
        told.ok();
    }
    world.operator.put("/tenants/evil/quotas", json!({})).await.ok();
    evil.audited("access.limited", "limit").await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h11_sessions_and_sign_ins_that_nobody_began() {
    let world = World::start().await;
    let secret = &world.acme.key;
    // A key, an id of a session, or anything else in the place of a session.
    for value in [
        secret.as_str(),
        "01jd3yq8m3v5n4x2c7b9k0r6ts_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "ses_01jd3yq8m3v5n4x2c7b9k0r6ts",
        "",
        "null",
        "../../acme",
    ] {
        for name in ["oriel-session", "__Host-oriel-session", "Oriel-Session", "x.acme.web.oriel-session"] {
            for method in [Method::GET, Method::POST] {
                let path = if method == Method::GET { "/api/v1/me" } else { "/api/v1/keys" };
                let request = world
                    .evil
                    .unnamed(method, path)
                    .header("cookie", format!("{name}={value}"))
                    .header("origin", &world.base)
                    .header("x-oriel-csrf", "guess")
                    .json(&json!({ "name": "x", "role": "viewer" }));
                let told = answer(request).await;
                let code = told.code();
                assert!(
                    matches!(
                        code.as_deref(),
                        Some("access.session_ended" | "access.unauthenticated" | "access.cross_site")
                    ),
                    "{name}={value}: {told:?}"
                );
            }
        }
    }
    // An answer of an issuer that this browser never asked, and a way back to somewhere else.
    let callback = world.evil.unnamed(Method::GET, "/api/v1/auth/callback?state=x&code=y");
    let told = answer(callback.header("cookie", "oriel-sign-in=forged")).await;
    assert!(told.status >= 400 && told.header("set-cookie").is_empty(), "{told:?}");
    let told = answer(world.evil.unnamed(Method::GET, "/api/v1/auth/login?returnTo=//evil.example/")).await;
    assert!(told.status >= 400 && told.header("location").is_empty(), "{told:?}");
    world.stands().await;
}
