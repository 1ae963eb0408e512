//! Tasks.

use super::fixtures::{audit, read_all, refuses_cursors, task, tenant_id};
use crate::{StoreError, Stores};

/// Inserted, read, changed and removed, each with its audit entry.
pub async fn a_task_lives(stores: &Stores) {
    let tenant = tenant_id();
    let mut it = task("flights.classify");
    stores.tasks.insert(tenant, it.clone(), audit("task.create")).await.unwrap();
    assert_eq!(stores.tasks.get(tenant, it.id).await.unwrap(), Some(it.clone()));
    assert_eq!(stores.tasks.by_name(tenant, "flights.classify").await.unwrap(), Some(it.clone()));
    it.name = "flights.sort".parse().unwrap();
    it.revision = 2;
    stores.tasks.update(tenant, it.clone(), 1, audit("task.update")).await.unwrap();
    assert_eq!(stores.tasks.get(tenant, it.id).await.unwrap(), Some(it.clone()));
    assert_eq!(stores.tasks.by_name(tenant, "flights.classify").await.unwrap(), None);
    assert_eq!(stores.tasks.by_name(tenant, "flights.sort").await.unwrap(), Some(it.clone()));
    stores.tasks.delete(tenant, it.id, 2, audit("task.delete")).await.unwrap();
    assert_eq!(stores.tasks.get(tenant, it.id).await.unwrap(), None);
    assert_eq!(stores.tasks.by_name(tenant, "flights.sort").await.unwrap(), None);
    let actions: Vec<String> = super::audit::verify(stores, tenant)
        .await
        .into_iter()
        .map(|entry| entry.action)
        .collect();
    assert_eq!(actions, ["task.create", "task.update", "task.delete"]);
}

/// One of each name per tenant, at birth and after renaming; refusals change and record nothing.
pub async fn task_names_are_unique_in_a_tenant(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let (first, mut second) = (task("a"), task("b"));
    stores.tasks.insert(one, first.clone(), audit("create")).await.unwrap();
    stores.tasks.insert(one, second.clone(), audit("create")).await.unwrap();
    let refused = stores.tasks.insert(one, task("a"), audit("create")).await;
    assert!(matches!(refused, Err(StoreError::Exists { what: "task" })), "{refused:?}");
    second.name = "a".parse().unwrap();
    second.revision = 2;
    let refused = stores.tasks.update(one, second.clone(), 1, audit("update")).await;
    assert!(matches!(refused, Err(StoreError::Exists { what: "task" })), "{refused:?}");
    assert_eq!(stores.tasks.by_name(one, "a").await.unwrap(), Some(first));
    assert!(stores.tasks.by_name(one, "b").await.unwrap().is_some());
    assert_eq!(super::audit::verify(stores, one).await.len(), 2);
    stores.tasks.insert(other, task("a"), audit("create")).await.unwrap();
}

/// Another tenant neither reads, changes nor removes it, by id or by name.
pub async fn others_see_no_task(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let it = task("a");
    stores.tasks.insert(one, it.clone(), audit("create")).await.unwrap();
    assert_eq!(stores.tasks.get(other, it.id).await.unwrap(), None);
    assert_eq!(stores.tasks.by_name(other, "a").await.unwrap(), None);
    assert_eq!(read_all(5, |page| stores.tasks.list(other, page)).await, []);
    let updated = stores.tasks.update(other, it.clone(), 1, audit("update")).await;
    assert!(matches!(updated, Err(StoreError::Conflict { what: "task" })), "{updated:?}");
    let deleted = stores.tasks.delete(other, it.id, 1, audit("delete")).await;
    assert!(matches!(deleted, Err(StoreError::Conflict { what: "task" })), "{deleted:?}");
    assert_eq!(stores.tasks.get(one, it.id).await.unwrap(), Some(it));
    assert_eq!(stores.audit.scan(other, 1, 10).await.unwrap(), []);
}

/// A wrong revision is a conflict that changes and records nothing.
pub async fn a_stale_task_is_refused(stores: &Stores) {
    let tenant = tenant_id();
    let it = task("a");
    stores.tasks.insert(tenant, it.clone(), audit("create")).await.unwrap();
    let mut next = it.clone();
    next.revision = 2;
    for expected in [0, 2, u64::MAX] {
        let stale = stores.tasks.update(tenant, next.clone(), expected, audit("update")).await;
        assert!(matches!(stale, Err(StoreError::Conflict { what: "task" })), "{stale:?}");
        let stale = stores.tasks.delete(tenant, it.id, expected, audit("delete")).await;
        assert!(matches!(stale, Err(StoreError::Conflict { what: "task" })), "{stale:?}");
    }
    assert_eq!(stores.tasks.get(tenant, it.id).await.unwrap(), Some(it));
    assert_eq!(super::audit::verify(stores, tenant).await.len(), 1);
}

/// By name, whatever the page's length.
pub async fn tasks_page_by_name(stores: &Stores) {
    let tenant = tenant_id();
    let expected = ["a", "a-b", "a.b", "a1", "a_b", "b"];
    for name in ["b", "a_b", "a1", "a", "a.b", "a-b"] {
        stores.tasks.insert(tenant, task(name), audit("create")).await.unwrap();
    }
    for limit in [1, 2, 3, 6, 7] {
        let all = read_all(limit, |page| stores.tasks.list(tenant, page)).await;
        let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, expected, "pages of {limit}");
    }
    refuses_cursors(|page| stores.tasks.list(tenant, page)).await;
}
