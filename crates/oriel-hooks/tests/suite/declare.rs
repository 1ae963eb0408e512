//! Declaring, changing, listing and taking back.

use oriel_hooks::{HookFilter, NewHook, VOCABULARY};
use oriel_model::Coded;
use oriel_model::binding::Origin;
use oriel_model::hook::{Combine, HookKind};
use oriel_model::page::PageRequest;
use serde_json::json;

use super::support::{World, hook, request};

#[tokio::test]
async fn a_hook_is_declared_changed_and_taken_back() {
    let world = World::new().await;
    let (hooks, owner) = (&world.hooks, &world.owner);
    let name = || "order.pre-create".parse().unwrap();
    let schema = json!({ "type": "object" });
    let new = NewHook {
        input_schema: Some(schema.clone()),
        ..hook(HookKind::Filter)
    };
    let (first, created) = hooks.put(owner, name(), new.clone(), None).await.unwrap();
    assert!(created && first.revision == 1 && first.output_schema == schema && first.combine.is_none());
    assert_eq!(hooks.get(owner, "order.pre-create").await.unwrap(), first);
    let (second, created) = hooks.put(owner, name(), new.clone(), Some(1)).await.unwrap();
    assert!(!created && second.revision == 2 && second.created_at == first.created_at);
    for stale in [Some(1), Some(7)] {
        let error = hooks.put(owner, name(), new.clone(), stale).await.unwrap_err();
        assert_eq!(error.code().as_str(), "request.precondition_failed");
    }
    // Another tenant sees nothing of it, and may have its own.
    let error = hooks.get(&world.stranger, "order.pre-create").await.unwrap_err();
    assert_eq!(error.code().as_str(), "hook.not_found");
    let error = hooks.delete(&world.stranger, "order.pre-create", None).await.unwrap_err();
    assert_eq!(error.code().as_str(), "hook.not_found");
    assert!(hooks.put(&world.stranger, name(), hook(HookKind::Observe), None).await.unwrap().1);

    assert_eq!(
        hooks.delete(owner, "order.pre-create", Some(1)).await.unwrap_err().code().as_str(),
        "request.precondition_failed"
    );
    hooks.delete(owner, "order.pre-create", Some(2)).await.unwrap();
    let error = hooks.fire(owner, "order.pre-create", request(json!({}))).await.unwrap_err();
    assert_eq!(error.code().as_str(), "hook.not_found");
}

#[tokio::test]
async fn declarations_that_make_no_sense_are_refused() {
    let world = World::new().await;
    let check = async |name: &str, change: &dyn Fn(&mut NewHook), wanted: &str| {
        let mut new = hook(HookKind::Validate);
        change(&mut new);
        let error = world.hooks.put(&world.owner, name.parse().unwrap(), new, None).await.unwrap_err();
        let shown = format!("{}: {error}", error.code());
        assert!(shown.starts_with(wanted), "{shown}");
    };
    check("deploy", &|_| {}, "hook.reserved: `deploy` is one of the platform's own hooks").await;
    check(
        "h",
        &|new| new.combine = Some(Combine::Vote),
        "request.invalid: a hook of kind `validate` cannot combine answers by \"vote\"",
    )
    .await;
    check(
        "h",
        &|new| new.timeout_ms = Some(0),
        "request.invalid: `timeoutMs` must be from 1 to 300000",
    )
    .await;
    check("h", &|new| new.timeout_ms = Some(u64::MAX), "request.invalid: `timeoutMs`").await;
    check(
        "h",
        &|new| new.concurrency = Some(0),
        "request.invalid: `concurrency` must be from 1 to 64",
    )
    .await;
    check("h", &|new| new.description = "x".repeat(2_001), "request.invalid: `description`").await;
    check(
        "h",
        &|new| new.input_schema = Some(json!({ "type": "objekt" })),
        "hook.schema_invalid: `inputSchema`: ",
    )
    .await;
    let remote = json!({ "$ref": "https://example.com/schema.json" });
    check(
        "h",
        &|new| new.output_schema = Some(remote.clone()),
        "hook.schema_invalid: `outputSchema`: ",
    )
    .await;
    check(
        "h",
        &|new| new.input_schema = Some(json!(false)),
        "request.invalid: `inputSchema` accepts nothing",
    )
    .await;
    assert_eq!(
        world.hooks.get(&world.owner, "h").await.unwrap_err().code().as_str(),
        "hook.not_found"
    );
}

#[tokio::test]
async fn the_kind_of_a_bound_hook_stays() {
    let world = World::new().await;
    world.declare(HookKind::Filter, |_| {}).await;
    world.bind("wrap", json!({})).await;
    let error = world
        .hooks
        .put(&world.owner, "h".parse().unwrap(), hook(HookKind::Collect), None)
        .await
        .unwrap_err();
    assert_eq!(error.code().as_str(), "hook.in_use");
    world
        .declare(HookKind::Filter, |new| new.description = "the same kind".to_owned())
        .await;
}

#[tokio::test]
async fn the_platforms_hooks_are_listed_among_the_tenants() {
    let world = World::new().await;
    for name in ["a", "extension.a", "z"] {
        world
            .hooks
            .put(&world.owner, name.parse().unwrap(), hook(HookKind::Filter), None)
            .await
            .unwrap();
    }
    let list = async |filter: HookFilter, limit: u32| {
        let mut names = Vec::new();
        let mut page = PageRequest { limit, cursor: None };
        loop {
            let found = world.hooks.list(&world.owner, filter, &page).await.unwrap();
            names.extend(found.items.into_iter().map(|hook| hook.name.to_string()));
            match found.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return names,
            }
        }
    };
    let mut all: Vec<&str> = VOCABULARY
        .iter()
        .map(|moment| moment.name)
        .chain(["a", "extension.a", "z"])
        .collect();
    all.sort_unstable();
    for limit in [1, 4, 1_000] {
        assert_eq!(list(HookFilter::default(), limit).await, all);
    }
    let own = HookFilter {
        origin: Some(Origin::Api),
        ..HookFilter::default()
    };
    assert_eq!(list(own, 2).await, ["a", "extension.a", "z"]);
    let foreign = PageRequest {
        limit: 1,
        cursor: Some("nonsense".to_owned()),
    };
    let error = world.hooks.list(&world.owner, own, &foreign).await.unwrap_err();
    assert_eq!(error.code().as_str(), "request.cursor");
}
