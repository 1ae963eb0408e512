//! Extensions that call each other: another tenant's, ungranted ones, one with wide rights on behalf of one with none, and in circles.

use serde_json::{Value, json};

use crate::outside::Outside;
use crate::packages::{mallory, sender};
use crate::world::{Actor, World};

async fn attempt(actor: &Actor, extension: &str, to: &str, input: Value) -> Value {
    actor.told(extension, "try", json!({ "to": to, "input": input })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn h30_a_program_that_the_grant_does_not_name() {
    let world = World::start().await;
    world.acme.install(mallory("vault")).await;
    world.evil.install(mallory("notes")).await;
    world.evil.install(sender("caller", "call = [\"notes/echo\", \"vault/*\"]")).await;
    assert_eq!(
        attempt(&world.evil, "caller", "notes/echo", json!({ "a": 1 })).await,
        json!({ "answer": { "a": 1 } })
    );
    for (to, code) in [
        // Not named, or named nearly so.
        ("notes/kv", "denied"),
        ("notes/ECHO", "invalid-input"),
        ("notes/echo ", "invalid-input"),
        ("notes/../vault/echo", "invalid-input"),
        ("NOTES/echo", "invalid-input"),
        ("acme/vault/echo", "denied"),
        ("/echo", "invalid-input"),
        ("notes/", "invalid-input"),
        // Named, and another tenant's: as absent as what nobody has.
        ("vault/echo", "unavailable"),
        ("vault/kv", "unavailable"),
    ] {
        let told = attempt(&world.evil, "caller", to, json!({ "ops": [] })).await;
        let error = told["error"].as_str().unwrap_or_default().to_owned();
        // A name that is none is told before it is asked whether it may be called.
        let refused = error.starts_with("invalid-input") || error.starts_with("denied");
        assert!(error.starts_with(code) || (code != "unavailable" && refused), "{to}: {told}");
    }
    world.evil.audited("permission.refused", "call notes/kv").await;
    assert_eq!(world.acme.get("/executions").await.ok()["items"], json!([]));
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h31_a_deputy_that_does_not_know_for_whom_it_works() {
    let world = World::start_with(&[("ORIEL_PRIVATE_NETWORKS", "127.0.0.0/8")]).await;
    let inside = Outside::start().await;
    // The deputy may reach a host and holds a secret; the other may only call one of its programs.
    let wide = format!(
        "network = [\"http://{0}\"]\nprivate_network = [\"127.0.0.1/32\"]\nsecrets = {{ token = [\"http://{0}\"] }}",
        inside.host()
    );
    let acme = &world.acme;
    acme.install(sender("deputy", &wide)).await;
    acme.put("/extensions/deputy/secrets/token", json!({ "value": "the-deputys-own" }))
        .await
        .ok();
    acme.install(sender("weak", "call = [\"deputy/who\", \"deputy/try\"]")).await;
    let me = acme.get("/me").await.ok();
    // The deputy is told by the host who calls and for whom, whatever the input says.
    let claim = json!({ "caller": { "extension": "deputy" }, "principal": "key_forged", "tenant": "evil" });
    let told = attempt(acme, "weak", "deputy/who", claim).await["answer"].clone();
    assert_eq!(
        (
            &told["caller"]["extension"],
            &told["caller"]["principal"],
            &told["tenant"],
            &told["extension"]
        ),
        (&json!("weak"), &me["keyId"], &json!("acme"), &json!("deputy")),
        "{told}"
    );
    // What the deputy does not offer to this caller stays out of reach, and its grant is not lent.
    let request = json!({ "secret": "token", "url": inside.url("/"), "headers": { "authorization": "{secret}" } });
    let told = attempt(acme, "weak", "deputy/send", request.clone()).await;
    assert!(told["error"].as_str().unwrap().starts_with("denied"), "{told}");
    acme.call("weak", "send", request.clone()).await.refused("execution.denied");
    // Nor through a chain: the deputy's own grant names nobody that it could be made to call.
    let chain = json!({ "to": "deputy/send", "input": request });
    let told = attempt(acme, "weak", "deputy/try", chain).await;
    assert!(told.to_string().contains("denied"), "{told}");
    assert_eq!(inside.seen(), Vec::<String>::new());
    acme.audited("permission.refused", "call deputy/send").await;
    // By itself it works as before.
    let told = acme.told("deputy", "send", json!({ "url": inside.url("/") })).await;
    assert!(told.to_string().contains("hello"), "{told}");
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h32_calls_in_circles_in_depth_and_in_breadth() {
    let world = World::start().await;
    let evil = &world.evil;
    for (name, to) in [("a", "b/*"), ("b", "a/*")] {
        evil.install(sender(name, &format!("call = [\"{to}\"]"))).await;
    }
    // Into oneself, and around two corners.
    for to in ["a/try", "b/try"] {
        let back = json!({ "to": "a/try", "input": { "to": "b/who", "input": {} } });
        let told = attempt(evil, "a", to, back).await;
        assert!(told.to_string().contains("denied"), "{to}: {told}");
    }
    // A chain of many: each calls the next.
    for at in 0..12 {
        evil.install(sender(&format!("chain{at}"), &format!("call = [\"chain{}/*\"]", at + 1)))
            .await;
    }
    let mut input = json!({ "to": "chain12/who", "input": {} });
    for at in (1..12).rev() {
        input = json!({ "to": format!("chain{at}/try"), "input": input });
    }
    let told = evil.told("chain0", "try", input).await;
    assert!(told.to_string().contains("limit-exceeded"), "{told}");
    // A fan without end: the first caller's host calls count all of them.
    let fan = sender("fan", "call = [\"a/*\"]").with("[limits]\nhost_calls = 50\n");
    evil.install(fan).await;
    let told = evil
        .call("fan", "fan", json!({ "to": "a/who", "input": {}, "times": 10_000 }))
        .await;
    assert!(
        told.text.contains("limit-exceeded") || told.code().as_deref() == Some("execution.host_calls_exceeded"),
        "{told:?}"
    );
    world.acme.install(mallory("notes")).await;
    world.acme.told("notes", "echo", json!({})).await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h33_handing_work_to_others_to_pass_by_a_budget() {
    let world = World::start().await;
    let evil = &world.evil;
    evil.install(mallory("worker").with("[limits]\ntimeout = \"30s\"\n")).await;
    evil.install(sender("boss", "call = [\"worker/burn\"]").with("[limits]\ntimeout = \"60s\"\n"))
        .await;
    let budget = json!({ "calls": { "limit": 20, "window": "1h", "action": "throttle" } });
    let set = evil.put("/extensions/worker/budgets", budget).await;
    set.ok();
    // The worker's own budget is what its calls use, whoever makes them.
    let told = evil
        .told("boss", "fan", json!({ "to": "worker/burn", "input": { "turns": 10 }, "times": 60 }))
        .await;
    assert!(told["good"].as_u64() <= Some(20), "{told}");
    assert!(told["error"].as_str().unwrap().starts_with("unavailable"), "{told}");
    evil.call("worker", "burn", json!({ "turns": 1 }))
        .await
        .refused("extension.budget_exceeded");
    world.stands().await;
}
