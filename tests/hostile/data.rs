//! What extensions keep: other tenants' values, other extensions' values, wild keys, and more than there is room for.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::packages::{hostile, mallory};
use crate::world::{Actor, World};

async fn kv(actor: &Actor, extension: &str, ops: Value) -> Vec<Value> {
    let told = actor.told(extension, "kv", json!({ "ops": ops })).await;
    told.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn h25_values_of_another_tenant_or_extension() {
    let world = World::start().await;
    for actor in [&world.acme, &world.evil] {
        actor.install(mallory("notes")).await;
        actor.install(mallory("other")).await;
    }
    let tenant = world.acme.get("/me").await.ok()["tenant"]["id"].as_str().unwrap().to_owned();
    kv(&world.acme, "notes", json!([{ "do": "set", "key": "salary", "value": "1000000" }])).await;
    // Every key that might name the place if it were made of text.
    let keys = [
        "salary".to_owned(),
        "../notes/salary".to_owned(),
        "/acme/notes/salary".to_owned(),
        "acme/notes/salary".to_owned(),
        "acme:notes:salary".to_owned(),
        format!("{tenant}/notes/salary"),
        "notes\u{0}salary".to_owned(),
        "salary\u{0}".to_owned(),
        "' OR '1'='1".to_owned(),
        "%".to_owned(),
        "_alary".to_owned(),
        "sal*".to_owned(),
    ];
    for (actor, extension) in [(&world.evil, "notes"), (&world.evil, "other"), (&world.acme, "other")] {
        let ops: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [
                    json!({ "do": "get", "key": key }),
                    json!({ "do": "list", "prefix": key }),
                    json!({ "do": "swap", "key": key, "expected": 1, "value": "0" }),
                    json!({ "do": "delete", "key": key }),
                ]
            })
            .chain([json!({ "do": "list", "prefix": "" })])
            .collect();
        for told in kv(actor, extension, ops.into()).await {
            let text = told.to_string();
            let nothing = told.is_null() || told == false || told["keys"] == json!([]) || text.contains("error: ");
            assert!(nothing && !text.contains("1000000"), "{extension}: {told}");
        }
    }
    let told = kv(&world.acme, "notes", json!([{ "do": "get", "key": "salary" }])).await;
    assert_eq!(told, [json!("1000000")]);
    // What is gone with an extension does not come back to the next one of its name.
    world.evil.delete("/extensions/notes").await.ok();
    world.evil.install(mallory("notes").version("1.0.1")).await;
    assert_eq!(
        kv(&world.evil, "notes", json!([{ "do": "list", "prefix": "" }])).await[0]["keys"],
        json!([])
    );
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h26_keys_and_cursors_that_are_not_meant_to_be() {
    let world = World::start().await;
    let evil = &world.evil;
    evil.install(mallory("notes")).await;
    let odd = [
        "%",
        "_",
        "a%b",
        "\\",
        "\"",
        "'; DROP TABLE kv_entries; --",
        "\u{0}",
        "a\u{0}b",
        "\r\n",
        "\u{202e}txt",
        "\u{feff}",
        "é",
        "e\u{301}",
        "🦀",
        "\u{10ffff}",
        ".",
        "..",
        "/",
        " ",
        "\u{7f}",
    ];
    let sets: Vec<Value> = odd.iter().map(|key| json!({ "do": "set", "key": key, "value": key })).collect();
    kv(evil, "notes", sets.into()).await;
    // Each is itself and no other: no pattern, no folding, no cutting at a NUL.
    for key in odd {
        let told = kv(evil, "notes", json!([{ "do": "get", "key": key }, { "do": "list", "prefix": key }])).await;
        if told[0].to_string().contains("error: ") {
            // Refused for good: then it was not written either.
            assert!(told[0].to_string().contains("invalid-input"), "{key:?}: {told:?}");
            continue;
        }
        assert_eq!(told[0], key, "{key:?}");
        for found in told[1]["keys"].as_array().unwrap() {
            assert!(found.as_str().unwrap().starts_with(key), "{key:?} found {found}");
        }
    }
    let long = "k".repeat(513);
    for (op, code) in [
        (json!({ "do": "set", "key": "", "value": "x" }), "invalid-input"),
        (json!({ "do": "set", "key": long, "value": "x" }), "invalid-input"),
        (json!({ "do": "get", "key": "é".repeat(257) }), "invalid-input"),
        (json!({ "do": "list", "prefix": "", "limit": 0 }), "invalid-input"),
        (json!({ "do": "list", "prefix": "", "limit": 100_000 }), "invalid-input"),
        (json!({ "do": "increment", "key": "%", "by": 1 }), "invalid-input"),
    ] {
        let told = kv(evil, "notes", json!([op])).await;
        assert!(told[0].to_string().contains(&format!("error: {code}")), "{op}: {told:?}");
    }
    for cursor in ["x", "'; --", "%00", "ffff", &"9".repeat(2000)] {
        let told = kv(evil, "notes", json!([{ "do": "list", "prefix": "", "cursor": cursor }])).await;
        let text = told[0].to_string();
        assert!(
            text.contains("error: invalid-input") || told[0]["keys"].is_array(),
            "{cursor}: {text}"
        );
    }
    // A sum that would wrap around.
    let told = kv(
        evil,
        "notes",
        json!([{ "do": "increment", "key": "n", "by": i64::MAX }, { "do": "increment", "key": "n", "by": 1 }, { "do": "get", "key": "n" }]),
    )
    .await;
    let most = i64::MAX.to_string();
    assert!(
        told[1].to_string().contains("error: ") && told[2].as_str() == Some(&*most),
        "{told:?}"
    );
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h27_fifty_writers_at_once_for_the_last_room() {
    let world = World::start().await;
    let limits = "[limits]\nkv_keys = 100\nkv_total = \"64KiB\"\nkv_value = \"4KiB\"\ninstances = 50\ntimeout = \"60s\"\n";
    for actor in [&world.acme, &world.evil] {
        actor.install(mallory("notes").with(limits)).await;
    }
    // Keys, then bytes.
    let fills = join_all((0..50).map(|at| {
        world
            .evil
            .told("notes", "fill", json!({ "prefix": format!("w{at}-"), "count": 10, "bytes": 1 }))
    }))
    .await;
    let written: u64 = fills.iter().map(|told| told["written"].as_u64().unwrap()).sum();
    assert_eq!(written, 100, "{fills:?}");
    assert!(
        fills.iter().any(|told| told["error"].to_string().contains("limit-exceeded")),
        "{fills:?}"
    );
    let page = kv(&world.evil, "notes", json!([{ "do": "list", "prefix": "" }])).await;
    assert_eq!(page[0]["keys"].as_array().unwrap().len(), 100);
    let told = kv(&world.evil, "notes", json!([{ "do": "set", "key": "large", "bytes": 5000 }])).await;
    assert!(told[0].to_string().contains("limit-exceeded"), "{told:?}");
    // An extension with a thousand keys' worth of appetite costs its neighbour nothing.
    let told = kv(&world.acme, "notes", json!([{ "do": "set", "key": "mine", "value": "fits" }])).await;
    assert_eq!(told, [json!(1)]);
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h28_more_in_all_than_the_tenant_may_store() {
    let world = World::start().await;
    let (evil, operator) = (&world.evil, &world.operator);
    operator.put("/tenants/evil/quotas", json!({ "storedBytes": 50_000 })).await.ok();
    // Many extensions, each within its own limits.
    for name in ["a", "b", "c"] {
        evil.install(mallory(name).with("[limits]\ninstances = 20\ntimeout = \"60s\"\n"))
            .await;
    }
    let fills = join_all((0..30).map(|at| {
        let extension = ["a", "b", "c"][at % 3];
        evil.told(
            extension,
            "fill",
            json!({ "prefix": format!("w{at}-"), "count": 10, "bytes": 1000 }),
        )
    }))
    .await;
    assert!(
        fills.iter().any(|told| told["error"].to_string().contains("limit-exceeded")),
        "{fills:?}"
    );
    let used = operator.get("/tenants/evil/quotas").await.ok()["used"]["storedBytes"]
        .as_u64()
        .unwrap();
    assert!((25_000..=50_000).contains(&used), "{used}");
    // Deleting makes room again, and reading was never refused.
    let keys = kv(evil, "a", json!([{ "do": "list", "prefix": "" }])).await[0]["keys"].clone();
    let ops: Vec<Value> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|key| json!({ "do": "delete", "key": key }))
        .collect();
    kv(evil, "a", ops.into()).await;
    let told = kv(evil, "a", json!([{ "do": "set", "key": "again", "value": "x" }])).await;
    assert_eq!(told, [json!(1)]);
    world.acme.install(mallory("a")).await;
    kv(&world.acme, "a", json!([{ "do": "set", "key": "mine", "bytes": 100_000 }])).await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h29_what_an_instance_remembers() {
    let world = World::start().await;
    for actor in [&world.acme, &world.evil] {
        actor.install(mallory("notes").with("[limits]\ninstances = 1\n")).await;
        actor.install(mallory("fresh").top("reuse = \"fresh\"\n")).await;
        actor.install(mallory("twin").with("[limits]\ninstances = 1\n")).await;
    }
    world.acme.told("notes", "stash", json!({ "word": "only-acme-knows" })).await;
    // The very same component in the very same bytes, and still another instance: by tenant, and by extension within one.
    for (actor, extension) in [(&world.evil, "notes"), (&world.acme, "twin"), (&world.evil, "twin")] {
        for _ in 0..5 {
            let told = actor.told(extension, "stash", json!({ "word": "x" })).await;
            assert!(!told.to_string().contains("only-acme-knows"), "{extension}: {told}");
        }
    }
    // Within one tenant's installation an instance is used again, whoever calls: that is documented, and `fresh` forgets.
    let other = world.acme.new_key("developer", &[]).await;
    let told = other.told("notes", "stash", json!({ "word": "y" })).await;
    assert_eq!(told, json!(["only-acme-knows", "y"]));
    for word in ["one", "two"] {
        assert_eq!(world.acme.told("fresh", "stash", json!({ "word": word })).await, json!([word]));
    }
    // After a crash nothing of it is left.
    world.evil.install(hostile("crash", &["trap", "remember"], "instances = 1")).await;
    world.evil.told("crash", "remember", json!(1)).await;
    world.evil.call("crash", "trap", json!(1)).await.refused("execution.trapped");
    assert_eq!(world.evil.told("crash", "remember", json!(1)).await, 1);
    world.stands().await;
}
