//! Tenants and keys.

use oriel_model::access::{Role, Scope};

use super::fixtures::{at, audit, key, read_all, refuses_cursors, tenant, tenant_id, unique};
use crate::{StoreError, Stores};

/// A tenant is found by id and by name, exactly as it was made; its creation opens its own log.
pub async fn tenants_by_id_and_name(stores: &Stores) {
    let acme = tenant(&unique("acme"));
    stores.tenants.create(acme.clone(), audit("tenant.create")).await.unwrap();
    assert_eq!(stores.tenants.get(acme.id).await.unwrap(), Some(acme.clone()));
    assert_eq!(stores.tenants.by_name(acme.name.as_str()).await.unwrap(), Some(acme.clone()));
    assert_eq!(stores.tenants.get(tenant_id()).await.unwrap(), None);
    assert_eq!(stores.tenants.by_name("nobody").await.unwrap(), None);
    let log = stores.audit.scan(acme.id, 1, 10).await.unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!(log[0].action, "tenant.create");
}

/// A taken name is refused, and the refused tenant leaves no trace.
pub async fn tenant_names_are_unique(stores: &Stores) {
    let name = unique("acme");
    stores.tenants.create(tenant(&name), audit("one")).await.unwrap();
    let second = tenant(&name);
    let refused = stores.tenants.create(second.clone(), audit("two")).await;
    assert!(matches!(refused, Err(StoreError::Exists { what: "tenant" })), "{refused:?}");
    assert_eq!(stores.tenants.get(second.id).await.unwrap(), None);
    assert_eq!(stores.audit.scan(second.id, 1, 10).await.unwrap(), []);
}

/// Tenants come by name, whatever the page's length.
pub async fn tenants_page_by_name(stores: &Stores) {
    let names = ["d", "a", "c", "b"].map(unique);
    for name in &names {
        stores.tenants.create(tenant(name), audit("create")).await.unwrap();
    }
    let mut expected = names.to_vec();
    expected.sort();
    for limit in [1, 2, 3, 4, 1_000] {
        let all = read_all(limit, |page| stores.tenants.list(page)).await;
        let mut listed: Vec<String> = all.into_iter().map(|tenant| tenant.name.as_str().to_owned()).collect();
        assert!(listed.is_sorted());
        listed.retain(|name| expected.contains(name));
        assert_eq!(listed, expected, "pages of {limit}");
    }
    refuses_cursors(|page| stores.tenants.list(page)).await;
}

/// Any node finds a key by its id; only its tenant lists or revokes it.
pub async fn keys_belong_to_a_tenant(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let mut stored = key(one);
    stored.key.role = Role::Developer;
    stored.key.scopes = vec![Scope::TasksRead, Scope::TasksExecute];
    stored.key.expires_at = Some(at(5));
    stores.keys.create(stored.clone(), audit("key.create")).await.unwrap();
    assert_eq!(stores.keys.find(stored.key.id).await.unwrap(), Some(stored.clone()));
    assert_eq!(stores.keys.find(key(one).key.id).await.unwrap(), None);
    assert_eq!(read_all(10, |page| stores.keys.list(one, page)).await, [stored.key.clone()]);
    assert_eq!(read_all(10, |page| stores.keys.list(other, page)).await, []);

    let foreign = stores.keys.revoke(other, stored.key.id, at(1), false, audit("key.revoke")).await;
    assert_eq!(foreign.unwrap(), None);
    assert_eq!(stores.keys.find(stored.key.id).await.unwrap(), Some(stored.clone()));
    assert_eq!(stores.audit.scan(other, 1, 10).await.unwrap(), []);

    let again = stores.keys.create(stored, audit("key.create")).await;
    assert!(matches!(again, Err(StoreError::Exists { what: "key" })), "{again:?}");
    assert_eq!(stores.audit.scan(one, 1, 10).await.unwrap().len(), 1);
}

/// Keys come newest first, whatever the page's length.
pub async fn keys_page_newest_first(stores: &Stores) {
    let tenant = tenant_id();
    let mut expected = Vec::new();
    for _ in 0..4 {
        let stored = key(tenant);
        stores.keys.create(stored.clone(), audit("key.create")).await.unwrap();
        expected.insert(0, stored.key);
    }
    for limit in [1, 2, 3, 4, 5] {
        assert_eq!(
            read_all(limit, |page| stores.keys.list(tenant, page)).await,
            expected,
            "pages of {limit}"
        );
    }
    refuses_cursors(|page| stores.keys.list(tenant, page)).await;
}

/// The first revocation stays; a second one changes and records nothing.
pub async fn revoking_happens_once(stores: &Stores) {
    let tenant = tenant_id();
    let stored = key(tenant);
    stores.keys.create(stored.clone(), audit("key.create")).await.unwrap();
    for moment in [at(5), at(9)] {
        let revoked = stores
            .keys
            .revoke(tenant, stored.key.id, moment, false, audit("key.revoke"))
            .await
            .unwrap();
        assert_eq!(revoked.unwrap().revoked_at, Some(at(5)));
    }
    let found = stores.keys.find(stored.key.id).await.unwrap().unwrap();
    assert_eq!(found.key.revoked_at, Some(at(5)));
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 2);
    let unknown = stores
        .keys
        .revoke(tenant, key(tenant).key.id, at(1), true, audit("key.revoke"))
        .await;
    assert_eq!(unknown.unwrap(), None);
}

/// Only a live, unscoped owner key of the same tenant lets another such key go.
pub async fn the_last_owner_stays(stores: &Stores) {
    let (tenant, neighbour) = (tenant_id(), tenant_id());
    let owner = key(tenant);
    let mut scoped = key(tenant);
    scoped.key.scopes = vec![Scope::AccessWrite];
    let mut expired = key(tenant);
    expired.key.expires_at = Some(at(9));
    let mut admin = key(tenant);
    admin.key.role = Role::Admin;
    for stored in [&owner, &scoped, &expired, &admin, &key(neighbour)] {
        stores.keys.create(stored.clone(), audit("key.create")).await.unwrap();
    }
    let revoke = |id| stores.keys.revoke(tenant, id, at(10), true, audit("key.revoke"));
    let refused = revoke(owner.key.id).await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "key" })), "{refused:?}");
    assert_eq!(stores.keys.find(owner.key.id).await.unwrap(), Some(owner.clone()));
    assert_eq!(stores.audit.scan(tenant, 1, 10).await.unwrap().len(), 4);
    for stored in [&scoped, &expired, &admin] {
        assert!(revoke(stored.key.id).await.unwrap().is_some());
    }
    stores.keys.create(key(tenant), audit("key.create")).await.unwrap();
    assert!(revoke(owner.key.id).await.unwrap().is_some());
}

/// When two owners revoke each other at once, one of them stays.
pub async fn two_owners_cannot_revoke_each_other(stores: &Stores) {
    for _ in 0..5 {
        let tenant = tenant_id();
        let keys = [key(tenant), key(tenant)];
        for stored in &keys {
            stores.keys.create(stored.clone(), audit("key.create")).await.unwrap();
        }
        let tasks = keys.map(|stored| {
            let keys = stores.keys.clone();
            tokio::spawn(async move { keys.revoke(tenant, stored.key.id, at(1), true, audit("key.revoke")).await })
        });
        let mut revoked = 0;
        for task in tasks {
            revoked += usize::from(task.await.unwrap().is_ok());
        }
        assert_eq!(revoked, 1);
    }
}
