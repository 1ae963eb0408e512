//! Observers: told afterwards, until they succeed, also by another process.

use oriel_hooks::Cause;
use oriel_model::hook::HookKind;
use oriel_model::page::PageRequest;
use oriel_model::time::{Clock, SystemClock};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::support::World;

/// Lets a worker work until the queue is empty of what is not dead.
async fn work(world: &World) {
    let stop = CancellationToken::new();
    let worker = tokio::spawn(world.hooks.clone().work(stop.clone()));
    loop {
        let counts = world.stores.work.counts(None, SystemClock.now()).await.unwrap();
        if counts.iter().all(|count| count.due + count.scheduled + count.leased == 0) {
            break;
        }
        tokio::task::yield_now().await;
    }
    stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn observers_are_told_after_the_fire() {
    let world = World::new().await;
    world.declare(HookKind::Observe, |_| {}).await;
    assert_eq!(world.fired(json!(1)).await, json!([0, []]));
    world.bind("count", json!({})).await;
    world.bind("pass", json!({ "priority": -1 })).await;
    assert_eq!(world.fired(json!(1)).await, json!([2, ["count queued", "pass queued"]]));
    // Nobody has worked yet: it stands in the store, not in memory.
    assert_eq!(world.value("calls").await, None);
    work(&world).await;
    assert_eq!(world.value("calls").await.unwrap(), "1");
}

#[tokio::test]
async fn an_observer_that_fails_is_told_again() {
    let world = World::new().await;
    world.declare(HookKind::Observe, |_| {}).await;
    world.bind("flaky", json!({ "config": { "fails": 2 } })).await;
    world.fire(json!(1)).await.unwrap();
    work(&world).await;
    assert_eq!(world.value("tried").await.unwrap(), "3");
    assert_eq!(world.value("calls").await.unwrap(), "1");
}

#[tokio::test]
async fn an_observer_told_in_vain_is_kept_and_can_be_told_again() {
    let world = World::new().await;
    world.declare(HookKind::Observe, |_| {}).await;
    let binding = world.bind("flaky", json!({ "config": { "fails": 4 } })).await;
    world.bind("refuse", json!({})).await;
    world.fire(json!(1)).await.unwrap();
    work(&world).await;
    let page = || PageRequest::first();
    let undelivered = world.hooks.undelivered(&world.owner, page()).await.unwrap().items;
    assert_eq!(undelivered.len(), 2);
    let flaky = undelivered.iter().find(|one| one.binding == Some(binding)).unwrap();
    assert_eq!(flaky.work.attempts, 3);
    assert_eq!(flaky.work.error.as_deref(), Some("execution.unavailable: attempt 3"));
    let refused = undelivered.iter().find(|one| one.binding != Some(binding)).unwrap();
    assert_eq!((refused.work.attempts, refused.hook.as_deref()), (1, Some("h")));
    // Another tenant can neither see nor move them.
    assert!(world.hooks.undelivered(&world.stranger, page()).await.unwrap().items.is_empty());
    assert_eq!(world.hooks.redeliver(&world.stranger, &[flaky.work.id]).await.unwrap(), 0);

    assert_eq!(world.hooks.redeliver(&world.owner, &[flaky.work.id]).await.unwrap(), 1);
    work(&world).await;
    assert_eq!(world.value("calls").await.unwrap(), "1");
    assert_eq!(world.hooks.undelivered(&world.owner, page()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn what_is_unbound_meanwhile_is_not_told() {
    let world = World::new().await;
    world.declare(HookKind::Observe, |_| {}).await;
    let binding = world.bind("count", json!({})).await;
    world.fire(json!(1)).await.unwrap();
    world
        .extensions
        .delete_binding(&world.owner, &binding.to_string(), None)
        .await
        .unwrap();
    work(&world).await;
    assert_eq!(world.value("calls").await, None);
    assert!(
        world
            .hooks
            .undelivered(&world.owner, PageRequest::first())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn the_platform_tells_who_is_bound_to_its_own_hooks() {
    let world = World::new().await;
    let cause = Cause::from(&*world.owner);
    // The payload is not even made where nobody listens.
    world.hooks.tell(cause, "deploy", || panic!("nobody is bound")).await.unwrap();
    world.bind_to("deploy", "count", json!({})).await;
    world
        .hooks
        .tell(cause, "deploy", || json!({ "extension": "points" }))
        .await
        .unwrap();
    work(&world).await;
    assert_eq!(world.value("calls").await.unwrap(), "1");
}

#[tokio::test]
async fn a_change_of_an_installation_fires_the_platforms_hooks() {
    let world = World::new().await;
    world.bind_to("deploy", "count", json!({})).await;
    world.bind_to("extension.installed", "count", json!({})).await;
    let stop = CancellationToken::new();
    let following = tokio::spawn(world.hooks.clone().follow(stop.clone()));
    // Whoever follows must have begun to listen.
    tokio::task::yield_now().await;
    world.upgrade("1.1.0").await;
    while world.stores.work.counts(None, SystemClock.now()).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    following.await.unwrap();
    work(&world).await;
    assert_eq!(world.value("calls").await.unwrap(), "1");
}
