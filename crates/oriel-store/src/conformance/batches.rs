//! Batches.

use oriel_model::Timestamp;

use super::fixtures::{at, batch, tenant_id, unique};
use crate::{BatchState, Stores};

/// Put, read, put again.
pub async fn a_batch_lives(stores: &Stores) {
    let tenant = tenant_id();
    let mut it = batch(tenant, "node");
    assert_eq!(stores.batches.get(tenant, it.id).await.unwrap(), None);
    stores.batches.put(it.clone()).await.unwrap();
    assert_eq!(stores.batches.get(tenant, it.id).await.unwrap(), Some(it.clone()));
    for state in [
        BatchState::Running,
        BatchState::Completed,
        BatchState::Stopped,
        BatchState::Interrupted,
    ] {
        it.state = state;
        it.succeeded += 1;
        it.finished_at = Some(at(7));
        stores.batches.put(it.clone()).await.unwrap();
        assert_eq!(stores.batches.get(tenant, it.id).await.unwrap(), Some(it.clone()));
    }
}

/// Another tenant does not see it, and cannot overwrite it by its id.
pub async fn others_see_no_batch(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let mine = batch(one, "node");
    stores.batches.put(mine.clone()).await.unwrap();
    assert_eq!(stores.batches.get(other, mine.id).await.unwrap(), None);
    let mut theirs = mine.clone();
    theirs.tenant = other;
    theirs.total = 7;
    stores.batches.put(theirs.clone()).await.unwrap();
    assert_eq!(stores.batches.get(one, mine.id).await.unwrap(), Some(mine));
    assert_eq!(stores.batches.get(other, theirs.id).await.unwrap(), Some(theirs));
}

/// Running batches of this node are marked; ended ones and other nodes' stay.
pub async fn a_crash_interrupts_its_own(stores: &Stores) {
    let tenant = tenant_id();
    let (here, there) = (unique("here"), unique("there"));
    let running = [batch(tenant, &here), batch(tenant_id(), &here)];
    let mut ended = batch(tenant, &here);
    ended.state = BatchState::Completed;
    ended.finished_at = Some(at(1));
    let elsewhere = batch(tenant, &there);
    for it in running.iter().chain([&ended, &elsewhere]) {
        stores.batches.put(it.clone()).await.unwrap();
    }
    assert_eq!(stores.batches.interrupt(&here, at(50)).await.unwrap(), 2);
    assert_eq!(stores.batches.interrupt(&here, at(60)).await.unwrap(), 0);
    for mut it in running {
        it.state = BatchState::Interrupted;
        it.finished_at = Some(at(50));
        assert_eq!(stores.batches.get(it.tenant, it.id).await.unwrap(), Some(it));
    }
    for it in [ended, elsewhere] {
        assert_eq!(stores.batches.get(it.tenant, it.id).await.unwrap(), Some(it));
    }
}

/// Only batches that started before the moment go, the oldest first, at most so many at once.
pub async fn batches_prune(stores: &Stores) {
    let tenant = tenant_id();
    let mut batches = Vec::new();
    for ms in [20, 0, 10] {
        let mut it = batch(tenant, "node");
        it.started_at = Timestamp::from_millis(ms);
        stores.batches.put(it.clone()).await.unwrap();
        batches.push(it);
    }
    let prune = |before, limit| stores.batches.prune(Timestamp::from_millis(before), limit);
    assert_eq!(prune(0, 10).await.unwrap(), 0);
    assert_eq!(prune(20, 1).await.unwrap(), 1);
    assert_eq!(stores.batches.get(tenant, batches[1].id).await.unwrap(), None);
    assert_eq!(prune(20, 10).await.unwrap(), 1);
    assert_eq!(prune(20, 10).await.unwrap(), 0);
    assert_eq!(stores.batches.get(tenant, batches[0].id).await.unwrap(), Some(batches[0].clone()));
}
