//! Installations and releases.

use bytes::Bytes;
use oriel_model::Digest;
use oriel_model::installation::{FormerRelease, InstallationState};
use oriel_model::log::LogLevel;
use serde_json::json;

use super::fixtures::{at, audit, installation, read_all, refuses_cursors, release, tenant_id};
use crate::{KvQuota, KvScope, LogFilter, NewLogLine, StoreError, Stores};

/// Inserted, read, changed and removed, each with its audit entry.
pub async fn an_installation_lives(stores: &Stores) {
    let tenant = tenant_id();
    let mut it = installation(tenant, "flights");
    stores.installations.insert(it.clone(), audit("extension.install")).await.unwrap();
    assert_eq!(stores.installations.get(tenant, "flights").await.unwrap(), Some(it.clone()));

    it.previous = Some(FormerRelease {
        release: it.release.clone(),
        grant: Default::default(),
        config: json!({"b": 1, "a": 2}),
    });
    it.release = release("flights", "1.1.0", "next");
    it.pending = Some(release("flights", "2.0.0", "after"));
    it.state = InstallationState::Disabled;
    it.revision = 2;
    stores
        .installations
        .update(it.clone(), 1, audit("extension.upgrade"))
        .await
        .unwrap();
    assert_eq!(stores.installations.get(tenant, "flights").await.unwrap(), Some(it.clone()));

    stores
        .installations
        .delete(tenant, "flights", 2, audit("extension.uninstall"))
        .await
        .unwrap();
    assert_eq!(stores.installations.get(tenant, "flights").await.unwrap(), None);
    let actions: Vec<String> = super::audit::verify(stores, tenant)
        .await
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(actions, ["extension.install", "extension.upgrade", "extension.uninstall"]);
}

/// One of each name per tenant; the refusal changes and records nothing.
pub async fn names_are_unique_in_a_tenant(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let first = installation(one, "flights");
    stores.installations.insert(first.clone(), audit("install")).await.unwrap();
    let refused = stores.installations.insert(installation(one, "flights"), audit("install")).await;
    assert!(matches!(refused, Err(StoreError::Exists { what: "installation" })), "{refused:?}");
    assert_eq!(stores.installations.get(one, "flights").await.unwrap(), Some(first));
    assert_eq!(super::audit::verify(stores, one).await.len(), 1);
    stores
        .installations
        .insert(installation(other, "flights"), audit("install"))
        .await
        .unwrap();
}

/// Another tenant neither reads, changes nor removes it.
pub async fn others_see_nothing(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let it = installation(one, "flights");
    stores.installations.insert(it.clone(), audit("install")).await.unwrap();
    assert_eq!(stores.installations.get(other, "flights").await.unwrap(), None);
    assert_eq!(read_all(5, |page| stores.installations.list(other, page)).await, []);
    let mut foreign = it.clone();
    foreign.tenant = other;
    let updated = stores.installations.update(foreign, 1, audit("update")).await;
    assert!(matches!(updated, Err(StoreError::Conflict { .. })), "{updated:?}");
    let deleted = stores.installations.delete(other, "flights", 1, audit("delete")).await;
    assert!(matches!(deleted, Err(StoreError::Conflict { .. })), "{deleted:?}");
    assert_eq!(stores.installations.get(one, "flights").await.unwrap(), Some(it));
    assert_eq!(stores.audit.scan(other, 1, 10).await.unwrap(), []);
}

/// A wrong revision, or nothing there, is a conflict that changes and records nothing.
pub async fn a_stale_revision_is_refused(stores: &Stores) {
    let tenant = tenant_id();
    let it = installation(tenant, "flights");
    let store = &stores.installations;
    let missing = store.update(it.clone(), 1, audit("update")).await;
    assert!(matches!(missing, Err(StoreError::Conflict { what: "installation" })), "{missing:?}");
    let missing = store.delete(tenant, "flights", 1, audit("delete")).await;
    assert!(matches!(missing, Err(StoreError::Conflict { what: "installation" })), "{missing:?}");
    store.insert(it.clone(), audit("install")).await.unwrap();
    let mut next = it.clone();
    next.revision = 9;
    for expected in [0, 2, u64::MAX] {
        let stale = store.update(next.clone(), expected, audit("update")).await;
        assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
        let stale = store.delete(tenant, "flights", expected, audit("delete")).await;
        assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    }
    assert_eq!(store.get(tenant, "flights").await.unwrap(), Some(it));
    assert_eq!(super::audit::verify(stores, tenant).await.len(), 1);
}

/// Of many writers that saw the same revision exactly one writes and is recorded.
pub async fn one_of_many_writers_wins(stores: &Stores) {
    let tenant = tenant_id();
    stores
        .installations
        .insert(installation(tenant, "flights"), audit("install"))
        .await
        .unwrap();
    let writers: Vec<_> = (0..16)
        .map(|number| {
            let stores = stores.clone();
            tokio::spawn(async move {
                let mut it = installation(tenant, "flights");
                it.revision = 2;
                it.config = json!({ "writer": number });
                let update = stores.installations.update(it, 1, audit(&format!("writer.{number}"))).await;
                update.is_ok().then_some(number)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        winners.extend(writer.await.unwrap());
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    let stored = stores.installations.get(tenant, "flights").await.unwrap().unwrap();
    assert_eq!(stored.config, json!({ "writer": winners[0] }));
    let log = super::audit::verify(stores, tenant).await;
    assert_eq!((log.len(), log[1].action.as_str()), (2, format!("writer.{}", winners[0]).as_str()));
}

/// Its entries and log lines go with it; other extensions' and other tenants' stay.
pub async fn deleting_takes_what_it_kept(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let quota = KvQuota { keys: 10, bytes: 1_000 };
    let scopes = [(one, "gone"), (one, "stays"), (other, "gone")].map(|(tenant, extension)| KvScope {
        tenant,
        extension: extension.parse().unwrap(),
    });
    for scope in &scopes {
        let it = installation(scope.tenant, scope.extension.as_str());
        stores.installations.insert(it, audit("install")).await.unwrap();
        stores.key_value.set(scope, "k", b"v".to_vec(), None, quota, at(0)).await.unwrap();
        let line = NewLogLine {
            tenant: scope.tenant,
            at: at(0),
            extension: scope.extension.clone(),
            execution_id: None,
            level: LogLevel::Info,
            message: "hello".into(),
            fields: Vec::new(),
        };
        stores.logs.append(vec![line]).await.unwrap();
    }
    stores.installations.delete(one, "gone", 1, audit("uninstall")).await.unwrap();
    for (scope, left) in scopes.iter().zip([false, true, true]) {
        let entry = stores.key_value.get(scope, "k", at(0)).await.unwrap();
        assert_eq!(entry.is_some(), left, "{scope:?}");
        let filter = LogFilter {
            extension: Some(scope.extension.clone()),
            level: LogLevel::Trace,
            after: None,
            limit: 10,
        };
        assert_eq!(stores.logs.read(scope.tenant, &filter).await.unwrap().len(), usize::from(left));
    }
    // Installed anew it starts from nothing, its quota too.
    let it = installation(one, "gone");
    stores.installations.insert(it, audit("install")).await.unwrap();
    let tight = KvQuota { keys: 1, bytes: 2 };
    let version = stores.key_value.set(&scopes[0], "j", b"w".to_vec(), None, tight, at(0)).await;
    assert_eq!(version.unwrap(), 1);
}

/// By name, whatever the page's length.
pub async fn installations_page_by_name(stores: &Stores) {
    let tenant = tenant_id();
    let expected = ["a", "a-b", "a1", "b", "z9"];
    for name in ["b", "a1", "z9", "a", "a-b"] {
        stores
            .installations
            .insert(installation(tenant, name), audit("install"))
            .await
            .unwrap();
    }
    for limit in [1, 2, 4, 5, 6] {
        let all = read_all(limit, |page| stores.installations.list(tenant, page)).await;
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, expected, "pages of {limit}");
    }
    refuses_cursors(|page| stores.installations.list(tenant, page)).await;
}

/// A version that a tenant once had never means other content, also after uninstalling and among racing nodes.
pub async fn a_version_means_one_package(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let store = &stores.installations;
    store.record_release(one, &release("flights", "1.0.0", "a")).await.unwrap();
    store.record_release(one, &release("flights", "1.0.0", "a")).await.unwrap();
    let altered = store.record_release(one, &release("flights", "1.0.0", "b")).await;
    assert!(matches!(altered, Err(StoreError::Exists { what: "release" })), "{altered:?}");
    for (tenant, name, version) in [(one, "flights", "1.0.1"), (one, "trains", "1.0.0"), (other, "flights", "1.0.0")] {
        store.record_release(tenant, &release(name, version, "b")).await.unwrap();
    }
    let racers: Vec<_> = (0..8)
        .map(|number| {
            let stores = stores.clone();
            tokio::spawn(async move {
                let racer = release("flights", "3.0.0", &number.to_string());
                stores.installations.record_release(one, &racer).await.is_ok()
            })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap());
    }
    assert_eq!(winners, 1);
}

/// A package counts as used where it runs, where it can be rolled back to and where it waits for consent.
pub async fn a_package_in_use_is_known(stores: &Stores) {
    let tenant = tenant_id();
    let unique = |what: &str| format!("{what} of {tenant}");
    let digest = |what: &str| Digest::of(Bytes::from(unique(what)).as_ref());
    let mut it = installation(tenant, "flights");
    it.release = release("flights", "2.0.0", &unique("now"));
    it.previous = Some(FormerRelease {
        release: release("flights", "1.0.0", &unique("before")),
        grant: Default::default(),
        config: json!({}),
    });
    it.pending = Some(release("flights", "3.0.0", &unique("next")));
    stores.installations.insert(it.clone(), audit("install")).await.unwrap();
    for (what, used) in [("now", true), ("before", true), ("next", true), ("other", false)] {
        assert_eq!(stores.installations.uses_package(digest(what)).await.unwrap(), used, "{what}");
    }
    it.previous = None;
    it.pending = None;
    it.revision = 2;
    stores.installations.update(it, 1, audit("update")).await.unwrap();
    for (what, used) in [("now", true), ("before", false), ("next", false)] {
        assert_eq!(stores.installations.uses_package(digest(what)).await.unwrap(), used, "{what}");
    }
    stores.installations.delete(tenant, "flights", 2, audit("delete")).await.unwrap();
    assert!(!stores.installations.uses_package(digest("now")).await.unwrap());
}
