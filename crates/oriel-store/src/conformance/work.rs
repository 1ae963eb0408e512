//! Durable work.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::id::{LeaseId, TenantId, WorkId};

use super::fixtures::{at, audit, read_all, refuses_cursors, tenant_id, unique};
use crate::{Claim, LEASE_RAN_OUT, Leased, NewWork, StoreError, Stores, Work, WorkCount, WorkKind};

const LEASE: Duration = Duration::from_secs(60);

/// A kind that no other check claims.
fn kind() -> WorkKind {
    WorkKind::stored(&unique("kind"))
}

fn unit(tenant: TenantId, kind: &WorkKind) -> NewWork {
    NewWork {
        id: WorkId::new(at(0)),
        tenant,
        kind: kind.clone(),
        key: None,
        payload: Bytes::from_static(b"{\"a\": 1}\0\xff"),
        due_at: at(0),
        max_attempts: 3,
        created_at: at(0),
    }
}

fn wants<'a>(kinds: &'a [WorkKind], now: Timestamp, limit: u32) -> Claim<'a> {
    Claim {
        kinds,
        now,
        lease_for: LEASE,
        limit,
        per_tenant: 1_000,
    }
}

async fn enqueue(stores: &Stores, units: &[&NewWork]) -> u64 {
    let units = units.iter().map(|unit| (*unit).clone()).collect();
    stores.work.enqueue(units).await.unwrap()
}

async fn claim(stores: &Stores, kind: &WorkKind, now: Timestamp, limit: u32) -> Vec<Leased> {
    let kinds = [kind.clone()];
    let leased = stores.work.claim(wants(&kinds, now, limit)).await.unwrap();
    for unit in &leased {
        assert_eq!(unit.until, now.plus(LEASE));
        assert_eq!(unit.work.kind, *kind);
    }
    leased
}

fn ids(leased: &[Leased]) -> Vec<WorkId> {
    leased.iter().map(|unit| unit.work.id).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "what an operation answered, looked at once")]
fn conflicts<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(matches!(answer, Err(StoreError::Conflict { what: "unit of work" })), "{answer:?}");
}

/// Enqueued, leased, done and forgotten.
pub async fn a_unit_lives(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let mut new = unit(tenant, &kind);
    new.key = Some("key \u{0} ✓".into());
    assert_eq!(stores.work.get(tenant, new.id).await.unwrap(), None);
    assert_eq!(enqueue(stores, &[]).await, 0);
    assert_eq!(enqueue(stores, &[&new]).await, 1);
    assert_eq!(stores.work.get(tenant, new.id).await.unwrap(), Some(Work::fresh(new.clone())));
    let leased = claim(stores, &kind, at(0), 10).await;
    let expected = Work {
        attempts: 1,
        ..Work::fresh(new.clone())
    };
    assert_eq!(leased.iter().map(|unit| &unit.work).collect::<Vec<_>>(), [&expected]);
    assert_eq!(stores.work.get(tenant, new.id).await.unwrap(), Some(expected));
    assert_eq!(claim(stores, &kind, at(1), 10).await, []);
    stores.work.complete(tenant, &[], leased[0].lease).await.unwrap();
    stores.work.complete(tenant, &[new.id], leased[0].lease).await.unwrap();
    assert_eq!(stores.work.get(tenant, new.id).await.unwrap(), None);
    conflicts(stores.work.complete(tenant, &[new.id], leased[0].lease).await);
}

/// A known id is the same unit, waiting or leased; the first one stays as it is.
pub async fn enqueuing_again_changes_nothing(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let first = unit(tenant, &kind);
    let mut again = first.clone();
    again.payload = Bytes::from_static(b"other");
    assert_eq!(enqueue(stores, &[&first, &again]).await, 1);
    assert_eq!(enqueue(stores, &[&again]).await, 0);
    let leased = claim(stores, &kind, at(0), 10).await;
    assert_eq!(leased[0].work.payload, first.payload);
    assert_eq!(enqueue(stores, &[&again]).await, 0);
    assert_eq!(claim(stores, &kind, at(1), 10).await, []);
}

/// At most one unfinished unit of a tenant and kind carries a key; a dead one does not stand in the way.
pub async fn keys_are_unique_while_unfinished(stores: &Stores) {
    let (one, other, kind, second) = (tenant_id(), tenant_id(), kind(), kind());
    let keyed = |tenant, kind: &WorkKind, key: &str| NewWork {
        key: Some(key.into()),
        ..unit(tenant, kind)
    };
    let first = keyed(one, &kind, "k");
    assert_eq!(enqueue(stores, &[&first, &keyed(one, &kind, "k")]).await, 1);
    // Other keys, kinds and tenants, and units without a key.
    let others = [
        keyed(one, &kind, "K"),
        keyed(one, &second, "k"),
        keyed(other, &kind, "k"),
        unit(one, &kind),
        unit(one, &kind),
    ];
    assert_eq!(enqueue(stores, &others.iter().collect::<Vec<_>>()).await, 5);
    let leased = claim(stores, &kind, at(0), 10).await;
    assert_eq!(leased.len(), 5);
    assert_eq!(enqueue(stores, &[&keyed(one, &kind, "k")]).await, 0, "leased is unfinished");
    stores.work.complete(one, &[first.id], leased[0].lease).await.unwrap();
    let next = keyed(one, &kind, "k");
    assert_eq!(enqueue(stores, &[&next]).await, 1);
    let leased = claim(stores, &kind, at(0), 10).await;
    stores.work.bury(one, next.id, leased[0].lease, "no", at(0)).await.unwrap();
    let last = keyed(one, &kind, "k");
    assert_eq!(enqueue(stores, &[&last]).await, 1, "dead is finished");
    // It cannot come back beside the one that took its key.
    assert_eq!(stores.work.requeue(one, &[next.id], at(0), audit("requeue")).await.unwrap(), 0);
    assert!(stores.work.get(one, next.id).await.unwrap().unwrap().dead_at.is_some());
}

/// Nothing is leased before it is due, and what is due longest comes first.
pub async fn units_wait_for_their_moment(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let due = [30, 10, 20].map(|ms| NewWork {
        due_at: at(ms),
        ..unit(tenant, &kind)
    });
    enqueue(stores, &due.iter().collect::<Vec<_>>()).await;
    assert_eq!(claim(stores, &kind, at(9), 10).await, []);
    assert_eq!(claim(stores, &kind, at(10), 0).await, []);
    assert_eq!(ids(&claim(stores, &kind, at(10), 10).await), [due[1].id]);
    assert_eq!(ids(&claim(stores, &kind, at(40), 1).await), [due[2].id]);
    assert_eq!(ids(&claim(stores, &kind, at(40), 10).await), [due[0].id]);
    // Those of other kinds are left alone.
    let kinds = [self::kind(), self::kind()];
    assert_eq!(stores.work.claim(wants(&kinds, at(1_000), 10)).await.unwrap(), []);
    assert_eq!(stores.work.claim(wants(&[], at(1_000), 10)).await.unwrap(), []);
}

/// A worker that dies loses its lease at its end, not before; the next one counts as another attempt, and the first can
/// change nothing any more.
pub async fn leases_run_out(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let new = unit(tenant, &kind);
    enqueue(stores, &[&new]).await;
    let first = claim(stores, &kind, at(0), 10).await;
    assert_eq!(claim(stores, &kind, at(59_999), 10).await, []);
    let second = claim(stores, &kind, at(60_000), 10).await;
    assert_eq!(second[0].work.attempts, 2);
    assert_ne!(first[0].lease, second[0].lease);
    let before = stores.work.get(tenant, new.id).await.unwrap();
    let (work, id, lease) = (&stores.work, new.id, first[0].lease);
    conflicts(work.extend(tenant, id, lease, at(1_000_000)).await);
    conflicts(work.complete(tenant, &[id], lease).await);
    conflicts(work.retry(tenant, id, lease, at(0), "e", at(0)).await);
    conflicts(work.bury(tenant, id, lease, "e", at(0)).await);
    assert_eq!(work.get(tenant, id).await.unwrap(), before);
    assert_eq!(claim(stores, &kind, at(119_999), 10).await, []);
    // Late, but nobody else has it: the lease still counts.
    work.extend(tenant, id, second[0].lease, at(300_000)).await.unwrap();
    assert_eq!(claim(stores, &kind, at(299_999), 10).await, []);
    work.complete(tenant, &[id], second[0].lease).await.unwrap();
    assert_eq!(claim(stores, &kind, at(1_000_000), 10).await, []);
}

/// A unit that takes every worker with it is buried when its attempts are used up, and says so.
pub async fn what_kills_its_workers_is_buried(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let new = unit(tenant, &kind);
    let healthy = NewWork {
        due_at: at(200_000),
        ..unit(tenant, &kind)
    };
    enqueue(stores, &[&new, &healthy]).await;
    for attempt in 0..3 {
        let leased = claim(stores, &kind, at(attempt * 60_000), 10).await;
        assert_eq!(ids(&leased), [new.id], "attempt {attempt}");
    }
    assert_eq!(ids(&claim(stores, &kind, at(200_000), 10).await), [healthy.id]);
    let dead = stores.work.get(tenant, new.id).await.unwrap().unwrap();
    assert_eq!(
        (dead.dead_at, dead.error.as_deref(), dead.attempts),
        (Some(at(200_000)), Some(LEASE_RAN_OUT), 3)
    );
}

/// A failed attempt comes again when it should, until none is left.
pub async fn retries_end(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let new = unit(tenant, &kind);
    enqueue(stores, &[&new]).await;
    for attempt in 1..=3_u32 {
        let now = at(i64::from(attempt) * 1_000);
        let leased = claim(stores, &kind, now, 10).await;
        assert_eq!(leased[0].work.attempts, attempt);
        assert_eq!(leased[0].work.is_last_attempt(), attempt == 3);
        let next = now.plus(Duration::from_millis(1_000));
        let error = format!("failed \u{0} {attempt}");
        let again = stores.work.retry(tenant, new.id, leased[0].lease, next, &error, now).await.unwrap();
        assert_eq!(again, attempt < 3);
        let stored = stores.work.get(tenant, new.id).await.unwrap().unwrap();
        assert_eq!((stored.error, stored.due_at), (Some(error), next));
        assert_eq!(stored.dead_at, (attempt == 3).then_some(now));
        conflicts(stores.work.retry(tenant, new.id, leased[0].lease, next, "e", now).await);
        assert_eq!(claim(stores, &kind, Timestamp::from_millis(next.millis() - 1), 10).await, []);
    }
    assert_eq!(claim(stores, &kind, at(1_000_000), 10).await, []);
}

/// Buried units are listed, newest first, and can be given their attempts again.
pub async fn the_dead_are_kept(stores: &Stores) {
    let (tenant, kind, second) = (tenant_id(), kind(), kind());
    let units: Vec<NewWork> = (0..5)
        .map(|number| unit(tenant, if number == 4 { &second } else { &kind }))
        .collect();
    enqueue(stores, &units.iter().collect::<Vec<_>>()).await;
    for kind in [&kind, &second] {
        for leased in claim(stores, kind, at(0), 10).await {
            let bury = stores.work.bury(tenant, leased.work.id, leased.lease, "no \u{0} way", at(7));
            bury.await.unwrap();
        }
    }
    assert_eq!(claim(stores, &kind, at(1_000_000), 10).await, []);
    let mut newest: Vec<WorkId> = units.iter().map(|unit| unit.id).collect();
    newest.sort_unstable_by(|one, other| other.cmp(one));
    for limit in [1, 2, 5, 6] {
        let all = read_all(limit, |page| stores.work.dead(tenant, None, page)).await;
        assert_eq!(all.iter().map(|work| work.id).collect::<Vec<_>>(), newest, "pages of {limit}");
        assert!(
            all.iter()
                .all(|work| work.dead_at == Some(at(7)) && work.error.as_deref() == Some("no \u{0} way"))
        );
    }
    let of_second = read_all(5, |page| stores.work.dead(tenant, Some(&second), page)).await;
    assert_eq!(of_second.iter().map(|work| work.id).collect::<Vec<_>>(), [units[4].id]);
    refuses_cursors(|page| stores.work.dead(tenant, None, page)).await;

    // Neither unknown ones nor those that live.
    let nothing = stores.work.requeue(tenant, &[WorkId::new(at(0))], at(9), audit("requeue")).await;
    assert_eq!(nothing.unwrap(), 0);
    let chosen = [units[0].id, units[1].id, units[0].id];
    assert_eq!(stores.work.requeue(tenant, &chosen, at(9), audit("requeue")).await.unwrap(), 2);
    assert_eq!(stores.work.requeue(tenant, &chosen, at(9), audit("requeue")).await.unwrap(), 0);
    assert_eq!(super::audit::verify(stores, tenant).await.len(), 1);
    assert_eq!(claim(stores, &kind, at(8), 10).await, []);
    let again = claim(stores, &kind, at(9), 10).await;
    assert_eq!(ids(&again), [units[0].id, units[1].id]);
    assert!(again.iter().all(|unit| unit.work.attempts == 1 && unit.work.due_at == at(9)));
}

/// A tenant with a thousand units does not keep another with one waiting, also when units are claimed one by one and when
/// its units are older.
pub async fn tenants_take_turns(stores: &Stores) {
    let kind = kind();
    let (busy, tenants) = (tenant_id(), [tenant_id(), tenant_id(), tenant_id()]);
    let many: Vec<NewWork> = (0..1_000).map(|_| unit(busy, &kind)).collect();
    assert_eq!(stores.work.enqueue(many).await.unwrap(), 1_000);
    for (number, tenant) in tenants.into_iter().enumerate() {
        let late = |_| NewWork {
            due_at: at(1 + number as i64),
            ..unit(tenant, &kind)
        };
        stores.work.enqueue((0..4).map(late).collect()).await.unwrap();
    }
    // One round after another, and within a round by how long each has waited for its turn.
    let leased = claim(stores, &kind, at(100), 10).await;
    let [a, b, c] = tenants;
    let order: Vec<TenantId> = leased.iter().map(|unit| unit.work.tenant).collect();
    assert_eq!(order, [busy, a, b, c, busy, a, b, c, busy, a]);
    // Claimed one by one: who was served longest ago. The claim above served all at once, so the oldest unit breaks the tie.
    let mut order = Vec::new();
    for _ in 0..8 {
        order.extend(claim(stores, &kind, at(100), 1).await.iter().map(|unit| unit.work.tenant));
    }
    assert_eq!(order, [busy, a, b, c, busy, b, c, busy]);
    assert_eq!(claim(stores, &kind, at(100), 2_000).await.len(), 1_012 - 18);
}

/// No tenant holds more units of a kind at a time than the limit allows, whoever claimed them; a lease that ran out makes room.
pub async fn a_tenant_holds_only_so_many(stores: &Stores) {
    let kind = kind();
    let (one, other) = (tenant_id(), tenant_id());
    for tenant in [one, other] {
        let units = (0..10).map(|_| unit(tenant, &kind)).collect();
        stores.work.enqueue(units).await.unwrap();
    }
    let kinds = [kind.clone()];
    let held = async |now, per_tenant, limit| {
        let claim = Claim {
            per_tenant,
            ..wants(&kinds, now, limit)
        };
        let mut held: BTreeMap<TenantId, Vec<Leased>> = BTreeMap::new();
        for unit in stores.work.claim(claim).await.unwrap() {
            held.entry(unit.work.tenant).or_default().push(unit);
        }
        held
    };
    let counted = |held: &BTreeMap<TenantId, Vec<Leased>>| [one, other].map(|tenant| held.get(&tenant).map_or(0, Vec::len));
    assert_eq!(counted(&held(at(0), 0, 100).await), [0, 0]);
    let first = held(at(0), 3, 100).await;
    assert_eq!(counted(&first), [3, 3]);
    assert_eq!(counted(&held(at(1), 3, 100).await), [0, 0]);
    assert_eq!(counted(&held(at(1), 4, 100).await), [1, 1]);
    let done = &first[&one][0];
    stores.work.complete(one, &[done.work.id], done.lease).await.unwrap();
    assert_eq!(counted(&held(at(1), 4, 100).await), [1, 0]);
    // The three of the first claim and the one of the second have run out.
    assert_eq!(counted(&held(at(60_001), 3, 100).await), [3, 3]);
}

/// Many workers at once, some of which die: each unit is held by one at a time, and all are done in the end.
pub async fn no_unit_is_leased_twice(stores: &Stores) {
    let kind = kind();
    let tenants = [tenant_id(), tenant_id(), tenant_id()];
    let units: Vec<NewWork> = (0..90).map(|number| unit(tenants[number % 3], &kind)).collect();
    stores.work.enqueue(units.clone()).await.unwrap();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (stores, kind) = (stores.clone(), kind.clone());
            tokio::spawn(async move {
                let mut mine = Vec::new();
                let mut idle = 0;
                while idle < 3 {
                    let leased = claim(&stores, &kind, at(0), 5).await;
                    idle = if leased.is_empty() { idle + 1 } else { 0 };
                    mine.extend(ids(&leased));
                    // The last worker dies with what it holds.
                    for unit in leased.iter().filter(|_| worker != 7) {
                        stores.work.complete(unit.work.tenant, &[unit.work.id], unit.lease).await.unwrap();
                    }
                }
                mine
            })
        })
        .collect();
    let mut seen = Vec::new();
    for worker in workers {
        seen.extend(worker.await.unwrap());
    }
    let distinct: BTreeSet<WorkId> = seen.iter().copied().collect();
    assert_eq!((seen.len(), distinct.len()), (90, 90), "each once");
    let left = claim(stores, &kind, at(60_000), 100).await;
    for unit in &left {
        assert_eq!(unit.work.attempts, 2);
        stores.work.complete(unit.work.tenant, &[unit.work.id], unit.lease).await.unwrap();
    }
    assert_eq!(claim(stores, &kind, at(1_000_000), 100).await, []);
}

/// Several units end together or not at all.
pub async fn completing_is_all_or_nothing(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let units = [unit(tenant, &kind), unit(tenant, &kind), unit(tenant, &kind)];
    enqueue(stores, &units.iter().collect::<Vec<_>>()).await;
    let two = claim(stores, &kind, at(0), 2).await;
    let other = claim(stores, &kind, at(0), 2).await;
    let all: Vec<WorkId> = ids(&two).into_iter().chain(ids(&other)).collect();
    conflicts(stores.work.complete(tenant, &all, two[0].lease).await);
    for id in &all {
        assert!(stores.work.get(tenant, *id).await.unwrap().is_some());
    }
    // Named twice is named.
    let named = [all[0], all[1], all[0]];
    stores.work.complete(tenant, &named, two[0].lease).await.unwrap();
    assert_eq!(stores.work.get(tenant, all[0]).await.unwrap(), None);
    assert!(stores.work.get(tenant, all[2]).await.unwrap().is_some());
}

/// Another tenant reads, ends and revives nothing, even with the lease; the same id is its own unit there.
pub async fn others_end_nothing(stores: &Stores) {
    let (one, other, kind) = (tenant_id(), tenant_id(), kind());
    let mine = unit(one, &kind);
    enqueue(stores, &[&mine]).await;
    let leased = claim(stores, &kind, at(0), 10).await;
    let (work, id, lease) = (&stores.work, mine.id, leased[0].lease);
    assert_eq!(work.get(other, id).await.unwrap(), None);
    conflicts(work.extend(other, id, lease, at(9)).await);
    conflicts(work.complete(other, &[id], lease).await);
    conflicts(work.retry(other, id, lease, at(9), "e", at(9)).await);
    conflicts(work.bury(other, id, lease, "e", at(9)).await);
    // A lease that nobody gave out.
    conflicts(work.complete(one, &[id], LeaseId::new(at(0))).await);
    work.bury(one, id, lease, "e", at(9)).await.unwrap();
    assert_eq!(read_all(5, |page| work.dead(other, None, page)).await, []);
    assert_eq!(work.requeue(other, &[id], at(9), audit("requeue")).await.unwrap(), 0);
    assert_eq!(work.counts(Some(other), at(9)).await.unwrap(), []);
    assert_eq!(stores.audit.scan(other, 1, 10).await.unwrap(), []);
    let theirs = NewWork {
        tenant: other,
        payload: Bytes::from_static(b"theirs"),
        ..mine.clone()
    };
    assert_eq!(enqueue(stores, &[&theirs]).await, 1);
    assert_eq!(work.get(one, id).await.unwrap().unwrap().payload, mine.payload);
}

/// Each unit counts once, in the state in which a worker would find it.
pub async fn units_are_counted(stores: &Stores) {
    let (tenant, other, kind) = (tenant_id(), tenant_id(), kind());
    let due = |tenant, ms| NewWork {
        due_at: at(ms),
        max_attempts: 9,
        ..unit(tenant, &kind)
    };
    let units = [
        due(tenant, 0),
        due(tenant, 1),
        due(tenant, 2),
        due(tenant, 3),
        due(tenant, 90_000),
        due(other, 0),
    ];
    enqueue(stores, &units.iter().collect::<Vec<_>>()).await;
    let buried = claim(stores, &kind, at(0), 1).await;
    let theirs = claim(stores, &kind, at(0), 1).await;
    let of = |leased: &[Leased]| (leased[0].work.tenant, leased[0].work.id, leased[0].lease);
    let mine = if buried[0].work.tenant == tenant { &buried } else { &theirs };
    let (owner, id, lease) = of(mine);
    stores.work.bury(owner, id, lease, "e", at(0)).await.unwrap();
    // One more is held, two stay due, one is for later.
    let kinds = [kind.clone()];
    let held = stores.work.claim(wants(&kinds, at(1), 1)).await.unwrap();
    assert_eq!(held[0].work.tenant, tenant);
    let count = |due, oldest_due, scheduled, leased| WorkCount {
        tenant,
        kind: kind.clone(),
        due,
        oldest_due,
        scheduled,
        leased,
        dead: 1,
    };
    let counted = async |now| stores.work.counts(Some(tenant), now).await.unwrap();
    assert_eq!(counted(at(1)).await, [count(0, None, 3, 1)]);
    assert_eq!(counted(at(10)).await, [count(2, Some(at(2)), 1, 1)]);
    // A lease that ran out is due again, since its end.
    assert_eq!(counted(at(60_001)).await, [count(3, Some(at(2)), 1, 0)]);
    assert_eq!(counted(at(90_000)).await, [count(4, Some(at(2)), 0, 0)]);
    let all = stores.work.counts(None, at(10)).await.unwrap();
    assert!(all.contains(&count(2, Some(at(2)), 1, 1)));
    assert!(
        all.iter()
            .any(|count| count.tenant == other && count.leased == 1 && count.dead == 0)
    );
}

/// Only what was buried before the moment goes, the oldest first, at most so much at once; what lives stays.
pub async fn the_dead_purge(stores: &Stores) {
    let (tenant, kind) = (tenant_id(), kind());
    let units: Vec<NewWork> = (0..4).map(|_| unit(tenant, &kind)).collect();
    enqueue(stores, &units.iter().collect::<Vec<_>>()).await;
    let leased = claim(stores, &kind, at(0), 3).await;
    // Long before any other check's deaths, which may lie in the same database.
    let moment = Timestamp::from_millis;
    for (unit, ms) in leased.iter().zip([20, 0, 10]) {
        let bury = stores.work.bury(tenant, unit.work.id, unit.lease, "e", moment(ms));
        bury.await.unwrap();
    }
    let left = async || ids_left(stores, tenant, &units).await;
    assert_eq!(stores.work.purge(moment(0), 9).await.unwrap(), 0);
    assert_eq!(stores.work.purge(moment(20), 1).await.unwrap(), 1);
    assert_eq!(left().await, [true, false, true, true]);
    assert_eq!(stores.work.purge(moment(20), 9).await.unwrap(), 1);
    assert_eq!(stores.work.purge(moment(20), 9).await.unwrap(), 0);
    assert_eq!(left().await, [true, false, false, true]);
}

async fn ids_left(stores: &Stores, tenant: TenantId, units: &[NewWork]) -> Vec<bool> {
    let mut left = Vec::new();
    for unit in units {
        left.push(stores.work.get(tenant, unit.id).await.unwrap().is_some());
    }
    left
}
