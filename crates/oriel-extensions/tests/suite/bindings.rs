//! Bindings: what is refused, what is in force when, who sees what.

use bytes::Bytes;
use oriel_access::Principal;
use oriel_extensions::{
    BindingPatch, BindingStatus, Bound, Consent, ContributionFilter, Declared, ExtensionError, ExtensionsOptions, NewBinding, Way,
};
use oriel_model::access::Role;
use oriel_model::binding::{BindingKind, OnError, OnInvalid, Origin, Terms};
use oriel_model::contribution::ContributionKind;
use oriel_model::hook::{Combine, Hook, HookKind};
use oriel_model::id::TaskId;
use oriel_model::limits::{LimitsRequest, TimeSpan};
use oriel_model::page::PageRequest;
use oriel_model::{Coded, ErrorCode, Timestamp};
use oriel_store::conformance::bindings::hook;
use oriel_store::conformance::fixtures;
use oriel_store::{BindingFilter, Stores};
use serde_json::{Value, json};

use crate::support::{World, manifest, package};

use BindingKind::{EventHandler, Hook as OnHook, Sampler, Validator};

/// A package of the guest `points` under another name, with these hook handlers.
fn points(name: &str, version: &str, handlers: &[&str]) -> Bytes {
    let mut manifest = manifest(name, version, &[]);
    let schema = json!({"type": "object", "properties": {"most": {"type": "integer"}, "key": {"type": "string", "writeOnly": true}},
        "additionalProperties": false});
    manifest["validators"] = json!([{"name": "short", "description": "Judges length", "configSchema": schema}, {"name": "expected"}]);
    manifest["samplers"] = json!([{"name": "all"}]);
    manifest["eventHandlers"] = json!([{"name": "store", "types": ["order.*", "user.left"]}]);
    manifest["jobs"] = json!([{"name": "echo"}]);
    let hooks = handlers.iter().map(|name| json!({ "name": name, "configSchema": schema }));
    manifest["hooks"] = hooks.chain([json!({"name": "yes", "hook": "order.check"})]).collect();
    manifest["permissions"] = json!({ "keyValue": true });
    manifest["tags"] = json!(["judging"]);
    package("points", manifest)
}

async fn world() -> World {
    let world = World::new().await;
    world.install(points("points", "1.0.0", &["wrap", "pass"])).await;
    for (name, kind, combine) in [
        ("order.create", HookKind::Filter, None),
        ("order.check", HookKind::Validate, Some(Combine::All)),
        ("order.route", HookKind::Decide, Some(Combine::First)),
    ] {
        declare(&world, name, kind, combine).await;
    }
    world
}

async fn declare(world: &World, name: &str, kind: HookKind, combine: Option<Combine>) {
    let hook = Hook {
        kind,
        combine,
        ..hook(name)
    };
    let put = world.stores.hooks.put(world.owner.tenant, hook, None, fixtures::audit("hook.put"));
    put.await.unwrap();
}

fn new(kind: BindingKind, point: &str, contribution: &str) -> NewBinding {
    let (extension, name) = contribution.split_once('/').unwrap();
    NewBinding {
        kind,
        point: point.to_owned(),
        contribution: oriel_model::binding::ContributionRef {
            extension: extension.parse().unwrap(),
            name: name.parse().unwrap(),
        },
        terms: Terms::default(),
    }
}

fn with(new: NewBinding, change: impl FnOnce(&mut Terms)) -> NewBinding {
    let mut new = new;
    change(&mut new.terms);
    new
}

fn object(value: Value) -> serde_json::Map<String, Value> {
    serde_json::from_value(value).unwrap()
}

async fn bind(world: &World, new: NewBinding) -> BindingStatus {
    world.extensions.create_binding(&world.owner, new).await.unwrap()
}

async fn refused(world: &World, new: NewBinding) -> (ErrorCode, String) {
    let error = world.extensions.create_binding(&world.owner, new).await.unwrap_err();
    (error.code(), error.to_string())
}

fn names(bound: &[Bound]) -> Vec<String> {
    bound.iter().map(|bound| bound.binding.contribution.to_string()).collect()
}

async fn on_hook(world: &World, hook: &str) -> Vec<String> {
    on_hook_of(&world.extensions, &world.owner, hook).await
}

async fn on_hook_of(extensions: &oriel_extensions::Extensions, who: &Principal, hook: &str) -> Vec<String> {
    let bound = extensions.bound_to_hook(who.tenant, &who.tenant_name, hook).await.unwrap();
    names(&bound)
}

fn first_page() -> PageRequest {
    PageRequest::first()
}

#[tokio::test]
async fn a_binding_lives() {
    let world = world().await;
    let (extensions, owner) = (&world.extensions, &world.owner);
    let made = bind(
        &world,
        with(new(OnHook, "order.create", "points/wrap"), |terms| {
            terms.config = object(json!({"most": 3}));
        }),
    )
    .await;
    assert_eq!(
        (made.inactive.clone(), made.binding.revision, made.binding.origin),
        (None, 1, Origin::Api)
    );
    let id = made.binding.id.to_string();
    assert_eq!(extensions.binding(owner, &id).await.unwrap(), made);
    let bound = extensions
        .bound_to_hook(owner.tenant, &owner.tenant_name, "order.create")
        .await
        .unwrap();
    assert_eq!(
        (names(&bound), &*bound[0].config),
        (vec!["points/wrap".to_owned()], r#"{"most":3}"#)
    );

    // The second of two administrators who read the same revision is told.
    let patch = |priority| BindingPatch {
        priority: Some(priority),
        ..BindingPatch::default()
    };
    let changed = extensions.update_binding(owner, &id, patch(7), Some(1)).await.unwrap();
    assert_eq!((changed.binding.terms.priority, changed.binding.revision), (7, 2));
    for change in [Some(1), Some(9)] {
        let late = extensions.update_binding(owner, &id, patch(9), change).await.unwrap_err();
        assert_eq!(late.code(), ErrorCode::PreconditionFailed);
        let late = extensions.delete_binding(owner, &id, change).await.unwrap_err();
        assert_eq!(late.code(), ErrorCode::PreconditionFailed);
    }
    // A change that changes nothing is none.
    assert_eq!(
        extensions
            .update_binding(owner, &id, patch(7), None)
            .await
            .unwrap()
            .binding
            .revision,
        2
    );

    extensions.delete_binding(owner, &id, Some(2)).await.unwrap();
    assert_eq!(on_hook(&world, "order.create").await, [""; 0]);
    for gone in [&id, "bind_nope", "", "x\u{0}"] {
        let missing = extensions.binding(owner, gone).await.unwrap_err();
        assert_eq!(missing.code(), ErrorCode::BindingNotFound, "{gone}");
    }
    let mut audited = world.audited().await;
    audited.retain(|action| action.starts_with("binding."));
    assert_eq!(audited, ["binding.create", "binding.update", "binding.delete"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_reason() {
    let world = world().await;
    let hooked = || new(OnHook, "order.create", "points/wrap");
    let validator = || new(Validator, "*", "points/short");
    use ErrorCode::{BindingConfig, BindingInvalid, ContributionNotFound, ExtensionNotFound, HookNotFound};
    for (new, code, word) in [
        (new(OnHook, "order.create", "nobody/wrap"), ExtensionNotFound, "`nobody`"),
        (new(OnHook, "order.create", "points/nope"), ContributionNotFound, "wrap, pass, yes"),
        // Of another kind.
        (new(Validator, "*", "points/wrap"), ContributionNotFound, "no validator `wrap`"),
        (new(OnHook, "order.nope", "points/wrap"), HookNotFound, "`order.nope`"),
        (new(OnHook, "Order", "points/wrap"), BindingInvalid, "`Order`"),
        (
            new(OnHook, "order.create", "points/yes"),
            BindingInvalid,
            "written for the hook `order.check`",
        ),
        (new(EventHandler, "user.came", "points/store"), BindingInvalid, "order.*, user.left"),
        (new(EventHandler, "", "points/store"), BindingInvalid, "not an event type"),
        (new(Validator, "a b", "points/short"), BindingInvalid, "`a b`"),
        (with(hooked(), |terms| terms.attempts = 1), BindingInvalid, "`attempts`"),
        (with(hooked(), |terms| terms.attempts = 11), BindingInvalid, "`attempts`"),
        (with(hooked(), |terms| terms.timeout_ms = Some(0)), BindingInvalid, "`timeoutMs`"),
        (
            with(hooked(), |terms| terms.timeout_ms = Some(5_001)),
            BindingInvalid,
            "which is 5s",
        ),
        (with(hooked(), |terms| terms.inline = true), BindingInvalid, "only a validator"),
        (
            with(validator(), |terms| terms.on_invalid = OnInvalid::Reject),
            BindingInvalid,
            "needs an inline validator",
        ),
        (
            with(new(Sampler, "*", "points/all"), |terms| terms.on_error = Some(OnError::Retry)),
            BindingInvalid,
            "not asked twice",
        ),
        (
            with(hooked(), |terms| terms.config = object(json!({"most": "x"}))),
            BindingConfig,
            "/most",
        ),
        (
            with(hooked(), |terms| terms.config = object(json!({"key": "s"}))),
            BindingConfig,
            "no secrets",
        ),
        (
            with(new(Sampler, "*", "points/all"), |terms| terms.config = object(json!({"a": 1}))),
            BindingConfig,
            "takes no configuration",
        ),
        (
            with(hooked(), |terms| terms.config = object(json!({"most": "x".repeat(70_000)}))),
            BindingInvalid,
            "bytes",
        ),
    ] {
        let (actual, message) = refused(&world, new).await;
        assert_eq!(actual, code, "{message}");
        assert!(message.contains(word), "{message}");
    }
    let all = world
        .extensions
        .bindings(&world.owner, &BindingFilter::default(), first_page())
        .await;
    assert_eq!(all.unwrap().items, []);
}

#[tokio::test]
async fn the_same_binding_is_refused_and_named() {
    let world = world().await;
    let first = bind(&world, new(OnHook, "order.create", "points/wrap")).await;
    let again = with(new(OnHook, "order.create", "points/wrap"), |terms| terms.priority = 3);
    let (code, message) = refused(&world, again).await;
    assert_eq!(code, ErrorCode::BindingExists);
    assert!(message.contains(&first.binding.id.to_string()), "{message}");
    let configured = with(new(OnHook, "order.create", "points/wrap"), |terms| {
        terms.config = object(json!({"most": 1}));
    });
    let second = bind(&world, configured).await.binding.id.to_string();
    let patch = BindingPatch {
        config: Some(serde_json::Map::new()),
        ..BindingPatch::default()
    };
    let error = world
        .extensions
        .update_binding(&world.owner, &second, patch, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::BindingExists);
}

#[tokio::test]
async fn bindings_take_part_in_order() {
    let world = world().await;
    world.install(points("another", "1.0.0", &["wrap"])).await;
    for (contribution, priority, config) in [
        ("points/pass", 0, json!({})),
        ("points/wrap", 5, json!({})),
        ("another/wrap", 0, json!({})),
        ("points/wrap", -1, json!({"most": 1})),
        ("another/wrap", 9, json!({"most": 1})),
    ] {
        let new = with(new(OnHook, "order.create", contribution), |terms| {
            terms.priority = priority;
            terms.config = object(config);
        });
        bind(&world, new).await;
    }
    let expected = ["another/wrap", "points/wrap", "another/wrap", "points/pass", "points/wrap"];
    assert_eq!(on_hook(&world, "order.create").await, expected);
    assert_eq!(on_hook(&world, "order.check").await, [""; 0]);
}

#[tokio::test]
async fn tasks_are_meant_by_id_by_name_and_all_at_once() {
    let world = world().await;
    let (one, other) = (TaskId::new(Timestamp::from_millis(1)), TaskId::new(Timestamp::from_millis(2)));
    let points = world.extensions.points(world.owner.tenant, &world.owner.tenant_name);
    assert!(points.bound_to_task(one, "t.one").await.unwrap().is_empty());
    let limited = |most: u64, new| with(new, |terms| terms.config = object(json!({ "most": most })));
    bind(&world, new(Validator, "*", "points/short")).await;
    bind(&world, limited(1, new(Validator, "t.one", "points/short"))).await;
    let by_id = with(new(Validator, &one.to_string(), "points/expected"), |terms| terms.priority = 1);
    bind(&world, by_id).await;
    bind(&world, new(Sampler, "t.other", "points/all")).await;
    let of = async |id, name| {
        let bound = points.bound_to_task(id, name).await.unwrap();
        (names(&bound.validators), names(&bound.samplers))
    };
    let (short, expected, all) = ("points/short".to_owned(), "points/expected".to_owned(), "points/all".to_owned());
    assert_eq!(
        of(one, "t.one").await,
        (vec![expected.clone(), short.clone(), short.clone()], vec![])
    );
    // Renamed, it is still the same task; another of the old name is not.
    assert_eq!(of(one, "t.new").await, (vec![expected, short.clone()], vec![]));
    assert_eq!(of(other, "t.other").await, (vec![short.clone()], vec![all]));
    assert_eq!(of(other, "t.third").await, (vec![short], vec![]));

    let events = async |kind| names(&points.bound_to_event(kind).await.unwrap());
    assert_eq!(events("order.created").await, [""; 0]);
    bind(&world, new(EventHandler, "order.*", "points/store")).await;
    bind(&world, new(EventHandler, "user.left", "points/store")).await;
    for (kind, count) in [
        ("order.created", 1),
        ("order.", 1),
        ("order", 0),
        ("user.left", 1),
        ("user.came", 0),
    ] {
        assert_eq!(events(kind).await.len(), count, "{kind}");
    }
}

#[tokio::test]
async fn what_its_extension_cannot_answer_is_kept_but_not_in_force() {
    let world = world().await;
    let (extensions, owner) = (&world.extensions, &world.owner);
    let wrap = bind(&world, new(OnHook, "order.create", "points/wrap"))
        .await
        .binding
        .id
        .to_string();
    let pass = bind(&world, new(OnHook, "order.create", "points/pass"))
        .await
        .binding
        .id
        .to_string();
    let why = async |id: &str| {
        let status = extensions.binding(owner, id).await.unwrap();
        status.inactive.map_or("active", |inactive| inactive.as_str())
    };
    let both = ["points/pass", "points/wrap"];
    assert_eq!(on_hook(&world, "order.create").await, both);

    extensions.set_enabled(owner, "points", false, None).await.unwrap();
    assert_eq!(
        (on_hook(&world, "order.create").await.len(), why(&wrap).await),
        (0, "extension-disabled")
    );
    extensions.set_enabled(owner, "points", true, None).await.unwrap();
    assert_eq!(
        (on_hook(&world, "order.create").await, why(&wrap).await),
        (both.map(str::to_owned).to_vec(), "active")
    );

    let smaller = points("points", "2.0.0", &["pass"]);
    extensions.upgrade(owner, "points", smaller, Consent::All, None).await.unwrap();
    assert_eq!(on_hook(&world, "order.create").await, ["points/pass"]);
    assert_eq!((why(&wrap).await, why(&pass).await), ("no-contribution", "active"));
    let told = extensions.binding(owner, &wrap).await.unwrap().inactive.unwrap().to_string();
    assert_eq!(told, "version 2.0.0 of `points` has no hook `wrap`");
    // Whoever wants to switch it off, or to put it last, is not kept from it by what it lacks; to change more it must fit.
    let patch = |change: fn(&mut BindingPatch)| {
        let mut patch = BindingPatch::default();
        change(&mut patch);
        patch
    };
    let timed = patch(|patch| patch.timeout_ms = Some(Some(1)));
    let error = extensions.update_binding(owner, &wrap, timed, None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ContributionNotFound);
    let last = patch(|patch| patch.priority = Some(-5));
    extensions.update_binding(owner, &wrap, last, None).await.unwrap();
    let off = patch(|patch| patch.enabled = Some(false));
    extensions.update_binding(owner, &wrap, off, None).await.unwrap();
    assert_eq!(why(&wrap).await, "off");
    extensions.roll_back(owner, "points", None).await.unwrap();
    let on = patch(|patch| patch.enabled = Some(true));
    extensions.update_binding(owner, &wrap, on, None).await.unwrap();
    assert_eq!(on_hook(&world, "order.create").await, both);

    let stored = world.stores.hooks.get(owner.tenant, "order.create").await.unwrap().unwrap();
    let delete = world
        .stores
        .hooks
        .delete(owner.tenant, "order.create", stored.revision, fixtures::audit("hook.delete"));
    delete.await.unwrap();
    assert_eq!(why(&pass).await, "no-hook");

    extensions.uninstall(owner, "points", None).await.unwrap();
    assert_eq!(on_hook(&world, "order.create").await, [""; 0]);
    let missing = extensions.binding(owner, &pass).await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::BindingNotFound);
}

#[tokio::test]
async fn a_release_with_another_schema_tells_what_no_longer_fits() {
    let world = world().await;
    let bound = with(new(OnHook, "order.create", "points/wrap"), |terms| {
        terms.config = object(json!({"most": 3}));
    });
    let id = bind(&world, bound).await.binding.id.to_string();
    let mut next = manifest("points", "2.0.0", &[]);
    next["hooks"] = json!([{"name": "wrap", "configSchema": {"type": "object", "required": ["least"]}}]);
    for kind in ["validators", "samplers", "jobs"] {
        next[kind] = json!([{ "name": "all" }]);
    }
    next["eventHandlers"] = json!([{"name": "store", "types": ["*"]}]);
    next["permissions"] = json!({ "keyValue": true });
    let upgrade = world
        .extensions
        .upgrade(&world.owner, "points", package("points", next), Consent::All, None);
    upgrade.await.unwrap();
    let status = world.extensions.binding(&world.owner, &id).await.unwrap();
    assert_eq!(status.inactive, None);
    assert!(status.config_problems[0].message.contains("least"), "{:?}", status.config_problems);
}

#[tokio::test]
async fn a_call_has_the_shorter_of_both_times() {
    let world = world().await;
    let quick = with(new(OnHook, "order.create", "points/wrap"), |terms| terms.timeout_ms = Some(400));
    bind(&world, quick).await;
    let limits = LimitsRequest {
        timeout: Some(TimeSpan(std::time::Duration::from_millis(100))),
        ..LimitsRequest::default()
    };
    let owner = &world.owner;
    world.extensions.set_limits(owner, "points", limits, None).await.unwrap();
    let bound = world
        .extensions
        .bound_to_hook(owner.tenant, &owner.tenant_name, "order.create")
        .await
        .unwrap();
    let active = bound[0].handle.active().await.unwrap();
    let limit = active.limits().timeout.0;
    assert_eq!(bound[0].timeout(limit).as_millis(), 100);
    assert_eq!(bound[0].timeout(limit * 10).as_millis(), 400);
}

#[tokio::test]
async fn another_node_follows() {
    let world = world().await;
    let cache = tempfile::tempdir().unwrap();
    let clock = std::sync::Arc::new(oriel_model::time::ManualClock::new(Timestamp::from_millis(1_800_000_000_000)));
    let node = world.node_at(cache.path(), clock.clone());
    let wrap = bind(&world, new(OnHook, "order.create", "points/wrap"))
        .await
        .binding
        .id
        .to_string();
    assert_eq!(on_hook_of(&node, &world.owner, "order.create").await, ["points/wrap"]);
    bind(&world, new(OnHook, "order.create", "points/pass")).await;
    world.extensions.delete_binding(&world.owner, &wrap, None).await.unwrap();
    assert_eq!(
        on_hook_of(&node, &world.owner, "order.create").await,
        ["points/wrap"],
        "within its trust"
    );
    clock.advance(std::time::Duration::from_secs(5));
    // The first look after that time asks the store in the background.
    while on_hook_of(&node, &world.owner, "order.create").await != ["points/pass"] {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn tenants_share_nothing() {
    let world = world().await;
    let (extensions, owner, stranger) = (&world.extensions, &world.owner, &world.stranger);
    let id = bind(&world, new(OnHook, "order.create", "points/wrap"))
        .await
        .binding
        .id
        .to_string();
    assert_eq!(on_hook_of(extensions, stranger, "order.create").await, [""; 0]);
    let filter = BindingFilter::default();
    assert_eq!(extensions.bindings(stranger, &filter, first_page()).await.unwrap().items, []);
    let nothing = |error: ExtensionError| assert_eq!(error.code(), ErrorCode::BindingNotFound);
    nothing(extensions.binding(stranger, &id).await.unwrap_err());
    nothing(
        extensions
            .update_binding(stranger, &id, BindingPatch::default(), None)
            .await
            .unwrap_err(),
    );
    nothing(extensions.delete_binding(stranger, &id, None).await.unwrap_err());
    let foreign = extensions
        .create_binding(stranger, new(OnHook, "order.create", "points/wrap"))
        .await;
    assert_eq!(foreign.unwrap_err().code(), ErrorCode::ExtensionNotFound);
    let contributions = extensions
        .contributions(stranger, &ContributionFilter::default(), &first_page())
        .await;
    assert_eq!(contributions.unwrap().items, []);

    let viewer = world.principal(Role::Viewer).await;
    assert!(extensions.binding(&viewer, &id).await.is_ok());
    for error in [
        extensions
            .create_binding(&viewer, new(Sampler, "*", "points/all"))
            .await
            .unwrap_err(),
        extensions.delete_binding(&viewer, &id, None).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::Forbidden);
    }
    assert_eq!(on_hook_of(extensions, owner, "order.create").await, ["points/wrap"]);
}

#[tokio::test]
async fn conflicts_are_told_with_the_ways_out() {
    let world = world().await;
    world.install(points("another", "1.0.0", &["wrap"])).await;
    let conflicts = async || world.extensions.conflicts(&world.owner).await.unwrap();
    assert_eq!(conflicts().await, []);
    // A filter has room for many; a decision does not.
    for (point, contribution) in [
        ("order.create", "points/wrap"),
        ("order.create", "another/wrap"),
        ("order.route", "points/wrap"),
        ("order.route", "another/wrap"),
    ] {
        bind(&world, new(OnHook, point, contribution)).await;
    }
    let found = conflicts().await;
    assert_eq!((found.len(), found[0].point.as_str()), (1, "order.route"));
    let parties: Vec<(String, bool)> = found[0]
        .parties
        .iter()
        .map(|party| (party.contribution.to_string(), party.first))
        .collect();
    assert_eq!(parties, [("another/wrap".to_owned(), true), ("points/wrap".to_owned(), false)]);
    let ways: Vec<Way> = found[0].resolutions.iter().map(|resolution| resolution.way).collect();
    assert_eq!(ways, [Way::Disable, Way::ChangePriority, Way::Rebind]);

    // Each way resolves it.
    let loser = found[0].parties[1].binding.to_string();
    let patch = BindingPatch {
        priority: Some(10),
        ..BindingPatch::default()
    };
    world.extensions.update_binding(&world.owner, &loser, patch, None).await.unwrap();
    assert_eq!(conflicts().await, []);
    assert_eq!(on_hook(&world, "order.route").await, ["points/wrap", "another/wrap"]);

    bind(&world, new(Validator, "*", "points/short")).await;
    bind(&world, new(Validator, "t", "points/short")).await;
    let found = conflicts().await;
    assert_eq!((found.len(), found[0].point.as_str(), found[0].parties.len()), (1, "t", 2));
    world.extensions.set_enabled(&world.owner, "points", false, None).await.unwrap();
    assert_eq!(conflicts().await, [], "what is not in force claims nothing");
}

#[tokio::test]
async fn a_file_declares_a_set() {
    let world = world().await;
    let tenant = world.stores.tenants.get(world.owner.tenant).await.unwrap().unwrap();
    let declared = |new: NewBinding| Declared {
        binding: new,
        place: "oriel.toml:3:1".into(),
    };
    let declare = async |bindings: &[NewBinding]| {
        let declared: Vec<Declared> = bindings.iter().cloned().map(declared).collect();
        let result = world.extensions.declare_bindings(&tenant, &declared).await;
        result.map_err(|(place, error)| (place, error.code()))
    };
    let all = async |stores: &Stores| stores.bindings.all(tenant.id).await.unwrap().items;
    let own = bind(&world, new(OnHook, "order.create", "points/pass"))
        .await
        .binding
        .id
        .to_string();
    let (wrap, later, unknown) = (
        new(OnHook, "order.create", "points/wrap"),
        new(Validator, "*", "later/judge"),
        new(OnHook, "order.later", "points/wrap"),
    );
    declare(&[wrap.clone(), later.clone(), unknown]).await.unwrap();
    assert_eq!(all(&world.stores).await.len(), 4);
    assert_eq!(on_hook(&world, "order.create").await, ["points/pass", "points/wrap"]);
    let version = world.stores.bindings.version(tenant.id).await.unwrap();
    declare(&[wrap.clone(), later.clone(), new(OnHook, "order.later", "points/wrap")])
        .await
        .unwrap();
    assert_eq!(
        world.stores.bindings.version(tenant.id).await.unwrap(),
        version,
        "the same file changes nothing"
    );

    // What is not installed yet waits, and takes part once it is.
    let filter = BindingFilter {
        extension: Some("later".parse().unwrap()),
        ..BindingFilter::default()
    };
    let waiting = world.extensions.bindings(&world.owner, &filter, first_page()).await.unwrap().items;
    assert_eq!(waiting[0].inactive.as_ref().unwrap().as_str(), "not-installed");

    // The API leaves it alone.
    let id = waiting[0].binding.id.to_string();
    for error in [
        world
            .extensions
            .update_binding(&world.owner, &id, BindingPatch::default(), None)
            .await
            .unwrap_err(),
        world.extensions.delete_binding(&world.owner, &id, None).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::BindingFromFile);
    }

    // What names something wrong is refused whole.
    let place = || "oriel.toml:3:1".to_owned();
    for (wrong, code) in [
        (new(OnHook, "order.create", "points/nope"), ErrorCode::ContributionNotFound),
        (new(OnHook, "Nope", "later/x"), ErrorCode::BindingInvalid),
        (wrap.clone(), ErrorCode::BindingExists),
    ] {
        assert_eq!(declare(&[wrap.clone(), wrong]).await, Err((place(), code)));
    }
    assert_eq!(world.stores.bindings.version(tenant.id).await.unwrap(), version);

    // One that the API made and the file declares as well becomes the file's; what the file no longer has goes.
    let urgent = with(new(OnHook, "order.create", "points/pass"), |terms| terms.priority = 9);
    declare(&[urgent]).await.unwrap();
    let left = all(&world.stores).await;
    assert_eq!((left.len(), left[0].id.to_string(), left[0].origin), (1, own, Origin::File));
    // Uninstalling does not undo the file.
    world.extensions.uninstall(&world.owner, "points", None).await.unwrap();
    assert_eq!(all(&world.stores).await.len(), 1);
    assert_eq!(on_hook(&world, "order.create").await, [""; 0]);
    world.install(points("points", "1.0.0", &["wrap", "pass"])).await;
    assert_eq!(on_hook(&world, "order.create").await, ["points/pass"]);
    declare(&[]).await.unwrap();
    assert_eq!(all(&world.stores).await, []);
}

#[tokio::test]
async fn contributions_are_listed_as_they_are_now() {
    let world = world().await;
    world.install(crate::support::echo("1.0.0")).await;
    let (extensions, owner) = (&world.extensions, &world.owner);
    let find = async |filter: ContributionFilter| {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page = PageRequest { limit: 2, cursor };
            let page = extensions.contributions(owner, &filter, &page).await.unwrap();
            assert!(page.items.len() <= 2);
            let shown = page
                .items
                .iter()
                .map(|one| format!("{}/{}/{}", one.extension, one.contribution.kind, one.contribution.name));
            found.extend(shown);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return found;
            }
        }
    };
    let everything = find(ContributionFilter::default()).await;
    let expected = [
        "echo/program/echo",
        "echo/program/upper",
        "points/event-handler/store",
        "points/hook/pass",
        "points/hook/wrap",
        "points/hook/yes",
        "points/job/echo",
        "points/sampler/all",
        "points/validator/expected",
        "points/validator/short",
    ];
    assert_eq!(everything, expected);
    let search = |text: &str| ContributionFilter::default().search(text);
    for (text, count) in [
        ("JUDGES length", 1),
        ("judging", 8),
        ("judging hook", 3),
        ("order.check", 1),
        ("user.left", 1),
        ("echo", 3),
        ("nothing", 0),
        ("", 10),
    ] {
        assert_eq!(find(search(text)).await.len(), count, "{text}");
    }
    let of_kind = ContributionFilter {
        kind: Some(ContributionKind::Hook),
        extension: Some("points".parse().unwrap()),
        words: Vec::new(),
    };
    assert_eq!(find(of_kind).await.len(), 3);

    bind(&world, new(Validator, "t", "points/short")).await;
    let urgent = with(new(Validator, "*", "points/short"), |terms| terms.priority = 1);
    bind(&world, urgent).await;
    let one = extensions
        .contribution(owner, "points", ContributionKind::Validator, "short")
        .await
        .unwrap();
    let bound: Vec<&str> = one.bindings.iter().map(|binding| binding.point.as_str()).collect();
    assert_eq!((bound, one.contribution.config_schema.is_some()), (vec!["*", "t"], true));
    extensions
        .upgrade(owner, "points", points("points", "1.1.0", &["pass"]), Consent::All, None)
        .await
        .unwrap();
    let gone = extensions
        .contribution(owner, "points", ContributionKind::Hook, "wrap")
        .await
        .unwrap_err();
    assert_eq!(gone.code(), ErrorCode::ContributionNotFound);
    let foreign = PageRequest {
        limit: 1,
        cursor: Some("x".into()),
    };
    let refused = extensions.contributions(owner, &ContributionFilter::default(), &foreign).await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::RequestCursor);
}

#[tokio::test]
async fn the_platforms_own_hooks_can_be_bound_to() {
    let options = ExtensionsOptions {
        platform_hooks: vec![hook("deploy")],
        ..ExtensionsOptions::default()
    };
    let world = World::with(options, |stores| stores).await;
    world.install(points("points", "1.0.0", &["pass"])).await;
    let bound = bind(&world, new(OnHook, "deploy", "points/pass")).await;
    assert_eq!(bound.inactive, None);
    assert_eq!(on_hook(&world, "deploy").await, ["points/pass"]);
}
