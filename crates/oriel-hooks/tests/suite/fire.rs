//! What each kind of hook makes of its handlers, and what their failures mean.

use std::time::Duration;

use oriel_hooks::HookError;
use oriel_model::Coded;
use oriel_model::hook::{Combine, HookKind, HookOrder};
use serde_json::json;

use super::support::{World, request, shown};

#[tokio::test]
async fn a_filter_chains_the_payload_by_priority() {
    let world = World::new().await;
    world.declare(HookKind::Filter, |_| {}).await;
    assert_eq!(world.fired(json!({ "n": 1 })).await, json!([{ "n": 1 }, []]));
    world.bind("wrap", json!({ "config": { "who": "second" } })).await;
    world.bind("wrap", json!({ "config": { "who": "first" }, "priority": 5 })).await;
    world.bind("pass", json!({ "priority": 3 })).await;
    world.bind("wrap", json!({ "config": { "who": "nobody" }, "enabled": false })).await;
    let wrapped = json!({ "by": { "who": "second" }, "payload": { "by": { "who": "first" }, "payload": { "n": 1 } } });
    assert_eq!(
        world.fired(json!({ "n": 1 })).await,
        json!([wrapped, ["wrap payload", "pass nothing", "wrap payload"]])
    );
}

#[tokio::test]
async fn the_order_by_name_ignores_priorities() {
    let world = World::new().await;
    world.declare(HookKind::Collect, |new| new.order = HookOrder::Name).await;
    world.bind("pass", json!({ "priority": 9 })).await;
    world.bind("item", json!({})).await;
    let item = json!({ "hook": "h", "config": {} });
    assert_eq!(world.fired(json!(1)).await, json!([[item], ["item item", "pass nothing"]]));
}

#[tokio::test]
async fn verdicts_are_combined() {
    let world = World::new().await;
    for (combine, bound, valid) in [
        (Combine::All, vec![], true),
        (Combine::Any, vec![], true),
        (Combine::All, vec!["pass"], true),
        (Combine::All, vec!["yes"], true),
        (Combine::All, vec!["yes", "no"], false),
        (Combine::Any, vec!["yes", "no"], true),
        (Combine::Any, vec!["no", "pass"], false),
    ] {
        let world = if bound.is_empty() { &world } else { &World::new().await };
        world.declare(HookKind::Validate, |new| new.combine = Some(combine)).await;
        for handler in &bound {
            world.bind(handler, json!({})).await;
        }
        assert_eq!(world.fired(json!({})).await[0], json!(valid), "{combine:?} {bound:?}");
    }
}

#[tokio::test]
async fn decisions_are_the_first_or_the_most() {
    let world = World::new().await;
    world.declare(HookKind::Decide, |_| {}).await;
    assert_eq!(world.fired(json!({})).await, json!([null, []]));
    world.bind("pass", json!({ "priority": 9 })).await;
    world.bind("decide", json!({ "priority": 5, "config": { "a": 1 } })).await;
    world.bind("decide", json!({ "priority": 4, "config": { "b": 2, "c": 3 } })).await;
    world.bind("opine", json!({ "priority": 3, "config": { "c": 3, "b": 2 } })).await;
    assert_eq!(
        world.fired(json!({})).await,
        json!([{ "a": 1 }, ["pass nothing", "decide decision", "decide skipped", "opine skipped"]])
    );
    // The same decision in another order of fields is the same decision.
    world.declare(HookKind::Decide, |new| new.combine = Some(Combine::Vote)).await;
    assert_eq!(world.fired(json!({})).await[0], json!({ "b": 2, "c": 3 }));
}

#[tokio::test]
async fn what_a_failure_means_is_said_by_the_binding_or_the_hook() {
    for (on_error, terms, wanted) in [
        ("closed", json!({}), json!("hook.handler_failed")),
        ("open", json!({}), json!([1, ["trap failed execution.trapped"]])),
        (
            "closed",
            json!({ "onError": "open" }),
            json!([1, ["trap failed execution.trapped"]]),
        ),
        ("open", json!({ "onError": "closed" }), json!("hook.handler_failed")),
    ] {
        let world = World::new().await;
        world
            .declare(HookKind::Filter, |new| {
                new.on_error = serde_json::from_value(json!(on_error)).unwrap();
            })
            .await;
        world.bind("trap", terms.clone()).await;
        assert_eq!(world.fired(json!(1)).await, wanted, "{on_error} {terms}");
    }
}

#[tokio::test]
async fn a_failed_fire_tells_of_every_handler() {
    let world = World::new().await;
    world.declare(HookKind::Collect, |_| {}).await;
    world.bind("item", json!({ "priority": 2 })).await;
    world.bind("trap", json!({ "priority": 1 })).await;
    world.bind("refuse", json!({})).await;
    let error = world.fire(json!(1)).await.unwrap_err();
    let HookError::Handler { contribution, reports, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((contribution.as_str(), reports.len()), ("points/trap", 3));
    let places = error.places().unwrap().to_string();
    assert!(
        places.contains("execution.trapped") && places.contains("execution.rejected: not with me"),
        "{places}"
    );
}

#[tokio::test]
async fn a_retried_handler_gets_its_attempts_and_no_more() {
    for (fails, attempts, wanted) in [(2, 3, json!([1, ["flaky nothing"]])), (3, 3, json!("hook.handler_failed"))] {
        let world = World::new().await;
        world.declare(HookKind::Filter, |_| {}).await;
        let terms = json!({ "onError": "retry", "attempts": attempts, "config": { "fails": fails } });
        world.bind("flaky", terms).await;
        assert_eq!(world.fired(json!(1)).await, wanted);
        assert_eq!(world.value("tried").await.unwrap(), "3");
    }
    // What the handler refuses for good is not asked again.
    let world = World::new().await;
    world.declare(HookKind::Filter, |_| {}).await;
    world.bind("refuse", json!({ "onError": "retry", "attempts": 5 })).await;
    let HookError::Handler { reports, .. } = world.fire(json!(1)).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(reports[0].attempts, 1);
}

#[tokio::test]
async fn payloads_and_answers_fit_their_schemas() {
    let world = World::new().await;
    let object = json!({ "type": "object" });
    world.declare(HookKind::Filter, |new| new.input_schema = Some(object.clone())).await;
    assert_eq!(world.fired(json!(7)).await, json!("hook.payload_invalid"));
    world.bind("wrap", json!({ "priority": 1 })).await;
    assert_eq!(world.fired(json!({})).await[1], json!(["wrap payload"]));
    // A handler that changes the payload's type, or passes on what is no JSON, does not get through.
    world.bind("number", json!({ "onError": "open" })).await;
    world.bind("garbled", json!({ "onError": "open" })).await;
    let fired = world.fired(json!({})).await;
    assert_eq!(fired[0], json!({ "by": {}, "payload": {} }));
    assert_eq!(
        fired[1],
        json!([
            "wrap payload",
            "garbled failed hook.answer_invalid",
            "number failed hook.answer_invalid"
        ])
    );
    // An output schema binds what is passed on beside the input schema.
    world
        .declare(HookKind::Filter, |new| {
            new.input_schema = Some(json!(true));
            new.output_schema = Some(json!({ "required": ["by", "more"] }));
        })
        .await;
    assert_eq!(world.fired(json!({})).await, json!("hook.handler_failed"));
}

#[tokio::test]
async fn time_is_bounded_for_each_handler_and_for_all() {
    let world = World::new().await;
    world.declare(HookKind::Filter, |new| new.timeout_ms = Some(40)).await;
    world.bind("slow", json!({ "onError": "open", "timeoutMs": 10 })).await;
    assert_eq!(world.fired(json!(1)).await, json!([1, ["slow failed execution.timeout"]]));
    world
        .bind("slow", json!({ "config": { "other": 1 }, "priority": -1, "onError": "closed" }))
        .await;
    assert_eq!(world.fired(json!(1)).await, json!("hook.timeout"));
    let mut less = request(json!(1));
    less.timeout = Some(Duration::from_millis(1));
    assert_eq!(shown(world.hooks.fire(&world.owner, "h", less).await), json!("hook.timeout"));
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_shows_everything() {
    let world = World::new().await;
    world.declare(HookKind::Filter, |_| {}).await;
    world.bind("wrap", json!({ "priority": 1 })).await;
    world.bind("count", json!({ "onError": "open" })).await;
    let dry = |payload| {
        let mut request = request(payload);
        request.dry_run = true;
        request
    };
    let fired = world.hooks.fire(&world.owner, "h", dry(json!(1))).await.unwrap();
    assert!(fired.dry_run);
    assert_eq!(
        shown(Ok(fired)),
        json!([{ "by": {}, "payload": 1 }, ["wrap payload", "count failed execution.denied"]])
    );
    assert_eq!(world.value("calls").await, None);
    // A platform hook can be rehearsed, not fired.
    world.bind_to("task.pre-execute", "wrap", json!({})).await;
    let fired = world.hooks.fire(&world.owner, "task.pre-execute", dry(json!(1))).await;
    assert_eq!(shown(fired)[0], json!({ "by": {}, "payload": 1 }));
    let error = world
        .hooks
        .fire(&world.owner, "task.pre-execute", request(json!(1)))
        .await
        .unwrap_err();
    assert_eq!(error.code().as_str(), "hook.reserved");
}

#[tokio::test]
async fn tenants_do_not_see_each_others_bindings() {
    let world = World::new().await;
    world.declare(HookKind::Filter, |_| {}).await;
    world.bind("wrap", json!({})).await;
    world
        .hooks
        .put(&world.stranger, "h".parse().unwrap(), super::support::hook(HookKind::Filter), None)
        .await
        .unwrap();
    let fired = world.hooks.fire(&world.stranger, "h", request(json!(1))).await;
    assert_eq!(shown(fired), json!([1, []]));
}

#[tokio::test]
async fn a_disabled_extension_does_not_take_part() {
    let world = World::new().await;
    world.declare(HookKind::Filter, |_| {}).await;
    world.bind("wrap", json!({})).await;
    assert_eq!(world.fired(json!(1)).await[1], json!(["wrap payload"]));
    world.extensions.set_enabled(&world.owner, "points", false, None).await.unwrap();
    assert_eq!(world.fired(json!(1)).await, json!([1, []]));
    world.extensions.set_enabled(&world.owner, "points", true, None).await.unwrap();
    assert_eq!(world.fired(json!(1)).await[1], json!(["wrap payload"]));
}

#[tokio::test]
async fn a_handlers_own_schemas_hold_beside_the_hooks() {
    let world = World::new().await;
    world.declare(HookKind::Filter, |_| {}).await;
    world.bind("wrap", json!({ "config": { "who": "me" } })).await;
    let numbered = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    world.upgrade_saying("1.1.0", "wrap", numbered.clone(), json!(true)).await;
    let wrapped = json!({ "by": { "who": "me" }, "payload": { "n": 1 } });
    assert_eq!(world.fired(json!({ "n": 1 })).await, json!([wrapped, ["wrap payload"]]));
    assert_eq!(world.fired(json!({ "n": "one" })).await, json!("hook.handler_failed"));
    let Err(HookError::Handler { reports, .. }) = world.fire(json!({})).await else {
        panic!("it does not fit")
    };
    let failure = reports[0].error.as_ref().unwrap();
    assert_eq!((failure.code, reports[0].attempts), ("hook.payload_unfit", 1));
    assert!(failure.message.contains("the handler's own schema"), "{}", failure.message);

    // What it answers breaks what it says of its answers.
    world.upgrade_saying("1.2.0", "wrap", json!(true), numbered).await;
    let Err(HookError::Handler { reports, .. }) = world.fire(json!({ "n": 1 })).await else {
        panic!("it does not fit")
    };
    let failure = reports[0].error.as_ref().unwrap();
    assert_eq!(failure.code, "hook.answer_invalid");
    assert!(
        failure.message.contains("the payload does not fit the handler's own schema"),
        "{}",
        failure.message
    );
    // One that may fail is passed over, as after any failure.
    let open = World::new().await;
    open.declare(HookKind::Filter, |_| {}).await;
    open.bind("wrap", json!({ "onError": "open" })).await;
    open.upgrade_saying("1.1.0", "wrap", json!({ "type": "string" }), json!(true)).await;
    assert_eq!(open.fired(json!(7)).await, json!([7, ["wrap failed hook.payload_unfit"]]));
}
