//! Idempotency keys.

use bytes::Bytes;
use oriel_model::id::TenantId;
use oriel_model::{Digest, Timestamp};

use super::fixtures::{at, tenant_id};
use crate::{Begin, StoredReply, Stores};

fn reply() -> StoredReply {
    StoredReply {
        status: 201,
        content_type: "application/json".into(),
        body: Bytes::from_static(b"{\"a\": 1}\0"),
    }
}

async fn begin(stores: &Stores, tenant: TenantId, request: &str, now: Timestamp) -> Begin {
    let fingerprint = Digest::of(request.as_bytes());
    let stale_before = Timestamp::from_millis(now.millis() - 60_000);
    let expires_at = Timestamp::from_millis(now.millis() + 86_400_000);
    let begin = stores.idempotency.begin(tenant, "key", fingerprint, now, stale_before, expires_at);
    begin.await.unwrap()
}

/// New, then in progress, then the same reply again and again.
pub async fn a_reply_is_repeated(stores: &Stores) {
    let tenant = tenant_id();
    assert_eq!(begin(stores, tenant, "r", at(0)).await, Begin::New);
    assert_eq!(begin(stores, tenant, "r", at(1)).await, Begin::InProgress);
    stores.idempotency.finish(tenant, "key", at(0), reply()).await.unwrap();
    for ms in [2, 3, 86_399_999] {
        assert_eq!(begin(stores, tenant, "r", at(ms)).await, Begin::Done(reply()));
    }
    // What is answered stays answered.
    let mut other = reply();
    other.status = 500;
    stores.idempotency.finish(tenant, "key", at(0), other).await.unwrap();
    stores.idempotency.abandon(tenant, "key", at(0)).await.unwrap();
    assert_eq!(begin(stores, tenant, "r", at(4)).await, Begin::Done(reply()));
    // An unclaimed key takes no reply.
    stores.idempotency.finish(tenant, "unclaimed", at(0), reply()).await.unwrap();
    stores.idempotency.abandon(tenant, "unclaimed", at(0)).await.unwrap();
}

/// The same key for another request is told apart, running or answered.
pub async fn another_request_is_told(stores: &Stores) {
    let tenant = tenant_id();
    assert_eq!(begin(stores, tenant, "r", at(0)).await, Begin::New);
    assert_eq!(begin(stores, tenant, "other", at(1)).await, Begin::Other);
    stores.idempotency.finish(tenant, "key", at(0), reply()).await.unwrap();
    assert_eq!(begin(stores, tenant, "other", at(1)).await, Begin::Other);
    assert_eq!(begin(stores, tenant, "r", at(1)).await, Begin::Done(reply()));
}

/// Of many that begin at once exactly one is new: with a free key, and with a stale claim to take over.
pub async fn one_of_many_begins(stores: &Stores) {
    let tenant = tenant_id();
    for now in [at(0), at(100_000)] {
        let racers: Vec<_> = (0..16)
            .map(|_| {
                let stores = stores.clone();
                tokio::spawn(async move { begin(&stores, tenant, "r", now).await })
            })
            .collect();
        let mut new = 0;
        for racer in racers {
            match racer.await.unwrap() {
                Begin::New => new += 1,
                other => assert_eq!(other, Begin::InProgress),
            }
        }
        assert_eq!(new, 1, "at {now}");
    }
}

/// A key that was given back is new, for any request.
pub async fn abandoning_frees(stores: &Stores) {
    let tenant = tenant_id();
    assert_eq!(begin(stores, tenant, "r", at(0)).await, Begin::New);
    stores.idempotency.abandon(tenant, "key", at(0)).await.unwrap();
    assert_eq!(begin(stores, tenant, "other", at(0)).await, Begin::New);
    assert_eq!(begin(stores, tenant, "r", at(0)).await, Begin::Other);
}

/// A claim that never ended counts from just before its limit on as absent; a reply does not.
pub async fn claims_go_stale(stores: &Stores) {
    let tenant = tenant_id();
    assert_eq!(begin(stores, tenant, "r", at(0)).await, Begin::New);
    assert_eq!(begin(stores, tenant, "r", at(60_000)).await, Begin::InProgress);
    assert_eq!(begin(stores, tenant, "other", at(60_001)).await, Begin::New);
    // Whoever held it first can no longer end it.
    stores.idempotency.finish(tenant, "key", at(0), reply()).await.unwrap();
    stores.idempotency.abandon(tenant, "key", at(0)).await.unwrap();
    assert!(!stores.idempotency.renew(tenant, "key", at(0), at(70_000)).await.unwrap());
    assert_eq!(begin(stores, tenant, "other", at(70_000)).await, Begin::InProgress);
    stores.idempotency.finish(tenant, "key", at(60_001), reply()).await.unwrap();
    assert_eq!(begin(stores, tenant, "other", at(1_000_000)).await, Begin::Done(reply()));
}

/// A claim that is renewed does not go stale.
pub async fn renewed_claims_stay(stores: &Stores) {
    let tenant = tenant_id();
    assert_eq!(begin(stores, tenant, "r", at(0)).await, Begin::New);
    assert!(stores.idempotency.renew(tenant, "key", at(0), at(50_000)).await.unwrap());
    assert_eq!(begin(stores, tenant, "r", at(110_000)).await, Begin::InProgress);
    assert!(!stores.idempotency.renew(tenant, "key", at(0), at(110_000)).await.unwrap());
    stores.idempotency.finish(tenant, "key", at(50_000), reply()).await.unwrap();
    assert!(!stores.idempotency.renew(tenant, "key", at(50_000), at(110_000)).await.unwrap());
    assert_eq!(begin(stores, tenant, "r", at(110_001)).await, Begin::Done(reply()));
}

/// A claim and a reply are gone at their expiry, not before.
pub async fn replies_expire(stores: &Stores) {
    let tenant = tenant_id();
    assert_eq!(begin(stores, tenant, "r", at(0)).await, Begin::New);
    stores.idempotency.finish(tenant, "key", at(0), reply()).await.unwrap();
    assert_eq!(begin(stores, tenant, "r", at(86_399_999)).await, Begin::Done(reply()));
    assert_eq!(begin(stores, tenant, "r", at(86_400_000)).await, Begin::New);
    assert_eq!(begin(stores, tenant, "r", at(86_400_001)).await, Begin::InProgress);
}

/// Two tenants may use the same key.
pub async fn others_have_their_own(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    assert_eq!(begin(stores, one, "r", at(0)).await, Begin::New);
    assert_eq!(begin(stores, other, "r", at(0)).await, Begin::New);
    stores.idempotency.finish(one, "key", at(0), reply()).await.unwrap();
    assert_eq!(begin(stores, other, "r", at(0)).await, Begin::InProgress);
    stores.idempotency.abandon(other, "key", at(0)).await.unwrap();
    assert_eq!(begin(stores, one, "r", at(0)).await, Begin::Done(reply()));
}

/// Only what has expired goes, at most so much at once.
pub async fn expired_claims_purge(stores: &Stores) {
    let tenant = tenant_id();
    // Long before any other check's claims, which may lie in the same database.
    let moment = Timestamp::from_millis;
    let fingerprint = Digest::of(b"r");
    for (key, expiry) in [("a", 10), ("b", 20), ("c", 21)] {
        let begun = stores
            .idempotency
            .begin(tenant, key, fingerprint, moment(0), moment(0), moment(expiry));
        assert_eq!(begun.await.unwrap(), Begin::New);
    }
    assert_eq!(stores.idempotency.purge_expired(moment(20), 1).await.unwrap(), 1);
    assert_eq!(stores.idempotency.purge_expired(moment(20), 9).await.unwrap(), 1);
    assert_eq!(stores.idempotency.purge_expired(moment(20), 9).await.unwrap(), 0);
    let left = stores
        .idempotency
        .begin(tenant, "c", fingerprint, moment(20), moment(0), moment(99));
    assert_eq!(left.await.unwrap(), Begin::InProgress);
}
