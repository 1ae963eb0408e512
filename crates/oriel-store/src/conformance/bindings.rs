//! Bindings and hooks.

use oriel_model::binding::{Binding, BindingKind, ContributionRef, OnError, OnInvalid, Origin, Terms};
use oriel_model::hook::{Hook, HookKind, HookOrder};
use oriel_model::id::BindingId;
use serde_json::json;

use super::fixtures::{at, audit, installation, read_all, refuses_cursors, tenant_id};
use crate::{BindingChange, BindingFilter, StoreError, Stores};

/// A binding at revision 1.
#[must_use]
pub fn binding(kind: BindingKind, point: &str, extension: &str, name: &str) -> Binding {
    Binding {
        id: BindingId::new(at(0)),
        kind,
        point: point.into(),
        contribution: ContributionRef {
            extension: extension.parse().unwrap(),
            name: name.parse().unwrap(),
        },
        terms: Terms::default(),
        origin: Origin::Api,
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

/// A hook at revision 1.
#[must_use]
pub fn hook(name: &str) -> Hook {
    Hook {
        name: name.parse().unwrap(),
        kind: HookKind::Filter,
        description: "a \u{0}description".into(),
        input_schema: json!({"type": "object", "required": ["b", "a"]}),
        output_schema: json!(true),
        order: HookOrder::Priority,
        timeout_ms: 5_000,
        on_error: OnError::Closed,
        concurrency: 8,
        combine: None,
        origin: Origin::Api,
        revision: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn hooked(point: &str) -> Binding {
    binding(BindingKind::Hook, point, "ext", "run")
}

#[expect(clippy::needless_pass_by_value, reason = "what an operation answered, looked at once")]
fn conflicts<T: std::fmt::Debug>(answer: Result<T, StoreError>, of: &str) {
    assert!(
        matches!(answer, Err(StoreError::Conflict { what }) if what == of),
        "{answer:?} is no conflict of a {of}"
    );
}

#[expect(clippy::needless_pass_by_value, reason = "what an operation answered, looked at once")]
fn exists<T: std::fmt::Debug>(answer: Result<T, StoreError>, of: &str) {
    assert!(
        matches!(answer, Err(StoreError::Exists { what }) if what == of),
        "{answer:?} does not say that the {of} exists"
    );
}

/// Inserted, read, changed and removed, each with its audit entry and its version.
pub async fn a_binding_lives(stores: &Stores) {
    let tenant = tenant_id();
    let mut it = hooked("order.pre-create");
    it.terms = Terms {
        enabled: false,
        priority: i32::MIN,
        config: serde_json::from_value(json!({"z": "\u{0}", "a": [1, {"y": 1, "b": 2.5}]})).unwrap(),
        timeout_ms: Some(u64::from(u32::MAX)),
        on_error: Some(OnError::Retry),
        attempts: 9,
        inline: true,
        on_invalid: OnInvalid::Reject,
    };
    let store = &stores.bindings;
    assert_eq!(store.version(tenant).await.unwrap(), 0);
    assert_eq!(store.all(tenant).await.unwrap().version, 0);
    store.insert(tenant, it.clone(), audit("binding.create")).await.unwrap();
    assert_eq!(store.get(tenant, it.id).await.unwrap(), Some(it.clone()));
    assert_eq!(store.version(tenant).await.unwrap(), 1);
    exists(store.insert(tenant, it.clone(), audit("binding.create")).await, "binding");

    it.point = "order.\u{0}".into();
    it.kind = BindingKind::EventHandler;
    it.origin = Origin::File;
    it.revision = 2;
    store.update(tenant, it.clone(), 1, audit("binding.update")).await.unwrap();
    assert_eq!(store.get(tenant, it.id).await.unwrap(), Some(it.clone()));
    let all = store.all(tenant).await.unwrap();
    assert_eq!((all.version, all.items), (2, vec![it.clone()]));

    store.delete(tenant, it.id, 2, audit("binding.delete")).await.unwrap();
    assert_eq!(store.get(tenant, it.id).await.unwrap(), None);
    let all = store.all(tenant).await.unwrap();
    assert_eq!((all.version, all.items), (3, vec![]));
    let log = super::audit::verify(stores, tenant).await;
    let actions: Vec<&str> = log.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["binding.create", "binding.update", "binding.delete"]);
}

/// The same contribution at the same point with the same configuration is there once, whatever the order of its fields and
/// whoever is faster.
pub async fn the_same_binding_is_there_once(stores: &Stores) {
    let tenant = tenant_id();
    let with = |config: serde_json::Value| {
        let mut it = hooked("h");
        it.terms.config = serde_json::from_value(config).unwrap();
        it
    };
    let first = with(json!({"a": 1, "b": {"x": 1, "y": [{"p": 1, "q": 2}]}}));
    stores.bindings.insert(tenant, first.clone(), audit("create")).await.unwrap();
    let mut same = with(json!({"b": {"y": [{"q": 2, "p": 1}], "x": 1}, "a": 1}));
    same.terms.priority = 9;
    exists(stores.bindings.insert(tenant, same.clone(), audit("create")).await, "binding");
    let mut other = with(json!({"a": 2}));
    stores.bindings.insert(tenant, other.clone(), audit("create")).await.unwrap();
    other.terms.config = same.terms.config.clone();
    exists(stores.bindings.update(tenant, other.clone(), 1, audit("update")).await, "binding");
    let put = vec![BindingChange::Put(other)];
    exists(stores.bindings.apply(tenant, put, 2, audit("apply")).await, "binding");
    assert_eq!(stores.bindings.version(tenant).await.unwrap(), 2, "what is refused changes nothing");
    // A change that keeps it the same one is none of that.
    let mut changed = first.clone();
    changed.terms.enabled = false;
    stores.bindings.update(tenant, changed, 1, audit("update")).await.unwrap();

    let racers: Vec<_> = (0..8)
        .map(|_| {
            let stores = stores.clone();
            tokio::spawn(async move { stores.bindings.insert(tenant, hooked("race"), audit("create")).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(super::audit::verify(stores, tenant).await.len(), 4);
}

/// A wrong revision, or nothing there, is a conflict that changes and records nothing; of many writers one wins.
pub async fn a_stale_binding_is_refused(stores: &Stores) {
    let tenant = tenant_id();
    let it = hooked("h");
    let store = &stores.bindings;
    conflicts(store.update(tenant, it.clone(), 1, audit("update")).await, "binding");
    conflicts(store.delete(tenant, it.id, 1, audit("delete")).await, "binding");
    store.insert(tenant, it.clone(), audit("create")).await.unwrap();
    for expected in [0, 2, u64::MAX] {
        conflicts(store.update(tenant, it.clone(), expected, audit("update")).await, "binding");
        conflicts(store.delete(tenant, it.id, expected, audit("delete")).await, "binding");
    }
    assert_eq!(store.version(tenant).await.unwrap(), 1);
    let writers: Vec<_> = (0..16)
        .map(|number| {
            let (stores, mut it) = (stores.clone(), it.clone());
            tokio::spawn(async move {
                it.revision = 2;
                it.terms.priority = number;
                stores
                    .bindings
                    .update(tenant, it, 1, audit("update"))
                    .await
                    .is_ok()
                    .then_some(number)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        winners.extend(writer.await.unwrap());
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(store.get(tenant, it.id).await.unwrap().unwrap().terms.priority, winners[0]);
    assert_eq!(store.version(tenant).await.unwrap(), 2);
    assert_eq!(super::audit::verify(stores, tenant).await.len(), 2);
}

/// Several changes happen together, if nobody changed anything since, or not at all.
pub async fn bindings_change_together(stores: &Stores) {
    let tenant = tenant_id();
    let store = &stores.bindings;
    let [mut one, two, three] = ["a", "b", "c"].map(hooked);
    let put = |binding: &Binding| BindingChange::Put(binding.clone());
    conflicts(store.apply(tenant, vec![put(&one)], 1, audit("apply")).await, "binding");
    store.apply(tenant, vec![put(&one), put(&two)], 0, audit("apply")).await.unwrap();
    assert_eq!(store.all(tenant).await.unwrap().items, [one.clone(), two.clone()]);
    one.revision = 2;
    one.terms.enabled = false;
    let changes = vec![
        BindingChange::Remove(two.id),
        put(&one),
        put(&three),
        BindingChange::Remove(BindingId::new(at(0))),
    ];
    for stale in [0, 2, u64::MAX] {
        conflicts(store.apply(tenant, changes.clone(), stale, audit("apply")).await, "binding");
    }
    store.apply(tenant, changes, 1, audit("apply")).await.unwrap();
    let all = store.all(tenant).await.unwrap();
    assert_eq!((all.version, all.items), (2, vec![one, three]));
    // In the order given: what one removes, the next may be.
    let mut again = hooked("c");
    again.revision = 7;
    let refused = store.apply(tenant, vec![put(&again), put(&two)], 2, audit("apply")).await;
    exists(refused, "binding");
    assert_eq!(store.get(tenant, two.id).await.unwrap(), None, "all or nothing");
    let third = store.all(tenant).await.unwrap().items[1].id;
    let changes = vec![BindingChange::Remove(third), put(&again)];
    store.apply(tenant, changes, 2, audit("apply")).await.unwrap();
    assert_eq!(super::audit::verify(stores, tenant).await.len(), 3);
}

/// By id, whatever the page's length, and only what the filter lets through.
pub async fn bindings_page_and_filter(stores: &Stores) {
    let tenant = tenant_id();
    let mut all = vec![
        binding(BindingKind::Hook, "h", "ext", "a"),
        binding(BindingKind::Hook, "h2", "ext", "a"),
        binding(BindingKind::Validator, "h", "ext", "a"),
        binding(BindingKind::Sampler, "*", "other", "a"),
        binding(BindingKind::EventHandler, "order.*", "other", "b"),
    ];
    for it in all.iter().rev() {
        stores.bindings.insert(tenant, it.clone(), audit("create")).await.unwrap();
    }
    all.sort_by_key(|it| it.id);
    let all_of_them = BindingFilter::default();
    for limit in [1, 2, 5, 6] {
        let read = read_all(limit, |page| stores.bindings.list(tenant, &all_of_them, page)).await;
        assert_eq!(read, all, "pages of {limit}");
    }
    for kind in [None, Some(BindingKind::Hook), Some(BindingKind::Sampler)] {
        for point in [None, Some("h"), Some("*"), Some("nothing")] {
            for extension in [None, Some("ext"), Some("other")] {
                let filter = BindingFilter {
                    kind,
                    point: point.map(str::to_owned),
                    extension: extension.map(|name| name.parse().unwrap()),
                };
                let expected: Vec<Binding> = all.iter().filter(|it| filter.matches(it)).cloned().collect();
                let read = read_all(1, |page| stores.bindings.list(tenant, &filter, page)).await;
                assert_eq!(read, expected, "{filter:?}");
            }
        }
    }
    refuses_cursors(|page| stores.bindings.list(tenant, &all_of_them, page)).await;
    assert_eq!(stores.bindings.all(tenant).await.unwrap().items, all);
}

/// Another tenant neither reads, changes nor removes it, and its version stays.
pub async fn others_see_no_binding(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let it = hooked("h");
    let store = &stores.bindings;
    store.insert(one, it.clone(), audit("create")).await.unwrap();
    assert_eq!(store.get(other, it.id).await.unwrap(), None);
    assert_eq!(store.version(other).await.unwrap(), 0);
    assert_eq!(store.all(other).await.unwrap().items, []);
    let none = BindingFilter::default();
    assert_eq!(read_all(5, |page| store.list(other, &none, page)).await, []);
    conflicts(store.update(other, it.clone(), 1, audit("update")).await, "binding");
    conflicts(store.delete(other, it.id, 1, audit("delete")).await, "binding");
    store
        .apply(other, vec![BindingChange::Remove(it.id)], 0, audit("apply"))
        .await
        .unwrap();
    let mut theirs = it.clone();
    theirs.terms.priority = 7;
    store.insert(other, theirs.clone(), audit("create")).await.unwrap();
    assert_eq!(store.get(one, it.id).await.unwrap(), Some(it));
    assert_eq!(store.get(other, theirs.id).await.unwrap(), Some(theirs));
    assert_eq!(store.version(one).await.unwrap(), 1);
}

/// Bindings of an extension go with its installation, in one step that others can see; those of other extensions and of
/// other tenants stay.
pub async fn uninstalling_takes_bindings(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    for tenant in [one, other] {
        for name in ["ext", "stays"] {
            let it = installation(tenant, name);
            stores.installations.insert(it, audit("install")).await.unwrap();
            for point in ["a", "b"] {
                let it = binding(BindingKind::Hook, point, name, "run");
                stores.bindings.insert(tenant, it, audit("create")).await.unwrap();
            }
        }
    }
    let refused = stores.installations.delete(one, "ext", 9, audit("uninstall")).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(stores.bindings.all(one).await.unwrap().items.len(), 4);
    stores.installations.delete(one, "ext", 1, audit("uninstall")).await.unwrap();
    let left = stores.bindings.all(one).await.unwrap();
    assert_eq!((left.version, left.items.len()), (5, 2));
    assert!(left.items.iter().all(|it| it.contribution.extension.as_str() == "stays"));
    let theirs = stores.bindings.all(other).await.unwrap();
    assert_eq!((theirs.version, theirs.items.len()), (4, 4));
    // What the operator's file declares stays.
    let mut declared = binding(BindingKind::Hook, "file", "stays", "run");
    declared.origin = Origin::File;
    stores.bindings.insert(one, declared.clone(), audit("create")).await.unwrap();
    let files = stores.bindings.declared_in_files().await.unwrap();
    assert!(files.contains(&one) && !files.contains(&other));
    stores.installations.delete(one, "stays", 1, audit("uninstall")).await.unwrap();
    let left = stores.bindings.all(one).await.unwrap();
    assert_eq!((left.version, left.items), (7, vec![declared]));
    // An extension without bindings changes no version.
    stores
        .installations
        .insert(installation(one, "bare"), audit("install"))
        .await
        .unwrap();
    stores.installations.delete(one, "bare", 1, audit("uninstall")).await.unwrap();
    assert_eq!(stores.bindings.version(one).await.unwrap(), 7);
}

/// Declared, read, changed and removed, each with its audit entry and its version.
pub async fn a_hook_lives(stores: &Stores) {
    let tenant = tenant_id();
    let mut it = hook("order.pre-create");
    let store = &stores.hooks;
    assert_eq!(store.version(tenant).await.unwrap(), 0);
    conflicts(store.put(tenant, it.clone(), Some(1), audit("put")).await, "hook");
    store.put(tenant, it.clone(), None, audit("put")).await.unwrap();
    assert_eq!(store.get(tenant, "order.pre-create").await.unwrap(), Some(it.clone()));
    exists(store.put(tenant, it.clone(), None, audit("put")).await, "hook");
    it.kind = HookKind::Observe;
    it.revision = 2;
    for stale in [0, 2, u64::MAX] {
        conflicts(store.put(tenant, it.clone(), Some(stale), audit("put")).await, "hook");
        conflicts(store.delete(tenant, it.name.as_str(), stale, audit("delete")).await, "hook");
    }
    store.put(tenant, it.clone(), Some(1), audit("put")).await.unwrap();
    let all = store.all(tenant).await.unwrap();
    assert_eq!((all.version, all.items), (2, vec![it.clone()]));
    store.delete(tenant, it.name.as_str(), 2, audit("delete")).await.unwrap();
    assert_eq!(store.get(tenant, it.name.as_str()).await.unwrap(), None);
    assert_eq!(store.version(tenant).await.unwrap(), 3);
    assert_eq!(store.all(tenant).await.unwrap().items, []);
    conflicts(store.delete(tenant, it.name.as_str(), 2, audit("delete")).await, "hook");
    assert_eq!(super::audit::verify(stores, tenant).await.len(), 3);
}

/// By name, whatever the page's length; another tenant's are its own.
pub async fn hooks_page_by_name(stores: &Stores) {
    let (tenant, other) = (tenant_id(), tenant_id());
    let expected = ["a", "a-b", "a.b", "a1", "a_b", "b"];
    for name in ["b", "a_b", "a1", "a", "a.b", "a-b"] {
        stores.hooks.put(tenant, hook(name), None, audit("put")).await.unwrap();
    }
    for limit in [1, 2, 6, 7] {
        let all = read_all(limit, |page| stores.hooks.list(tenant, page)).await;
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, expected, "pages of {limit}");
    }
    let all = stores.hooks.all(tenant).await.unwrap().items;
    assert_eq!(all.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), expected);
    refuses_cursors(|page| stores.hooks.list(tenant, page)).await;

    assert_eq!(read_all(5, |page| stores.hooks.list(other, page)).await, []);
    assert_eq!(stores.hooks.get(other, "a").await.unwrap(), None);
    conflicts(stores.hooks.delete(other, "a", 1, audit("delete")).await, "hook");
    stores.hooks.put(other, hook("a"), None, audit("put")).await.unwrap();
    assert_eq!(stores.hooks.version(other).await.unwrap(), 1);
}

/// Of many that declare one hook at once exactly one does.
pub async fn one_of_many_declares(stores: &Stores) {
    let tenant = tenant_id();
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let stores = stores.clone();
            tokio::spawn(async move { stores.hooks.put(tenant, hook("h"), None, audit("put")).await.is_ok() })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(stores.hooks.version(tenant).await.unwrap(), 1);
}
