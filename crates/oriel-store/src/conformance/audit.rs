//! The audit log.

use oriel_model::audit::AuditEntry;
use oriel_model::id::TenantId;
use serde_json::json;

use super::fixtures::{at, audit, read_all, refuses_cursors, tenant_id};
use crate::Stores;

/// Reads a tenant's chain in short steps and verifies each link.
pub async fn verify(stores: &Stores, tenant: TenantId) -> Vec<AuditEntry> {
    let mut all: Vec<AuditEntry> = Vec::new();
    loop {
        let step = stores.audit.scan(tenant, all.len() as u64 + 1, 7).await.unwrap();
        if step.is_empty() {
            return all;
        }
        for entry in step {
            let previous = all.last().map_or(AuditEntry::root(tenant), |last| last.hash);
            assert_eq!(entry.sequence, all.len() as u64 + 1);
            assert_eq!(entry.previous, previous);
            assert_eq!(entry.hash, entry.compute_hash(tenant), "{entry:?}");
            all.push(entry);
        }
    }
}

/// What `append` answers is what is read, and the chain verifies.
pub async fn a_chain_verifies(stores: &Stores) {
    let tenant = tenant_id();
    let mut appended = Vec::new();
    for number in 0..20 {
        let mut entry = audit(&format!("action.{number}"));
        entry.at = at(-number);
        appended.push(stores.audit.append(tenant, entry).await.unwrap());
    }
    assert_eq!(verify(stores, tenant).await, appended);
    assert_eq!(stores.audit.scan(tenant, 21, 5).await.unwrap(), []);
    assert_eq!(stores.audit.scan(tenant, 20, 5).await.unwrap(), appended[19..]);
}

/// Many writers at once make one chain without gaps, together with changes that bring their own entries.
pub async fn concurrent_appends_are_consecutive(stores: &Stores) {
    let tenant = tenant_id();
    let writers: Vec<_> = (0..40)
        .map(|number| {
            let stores = stores.clone();
            tokio::spawn(async move {
                if number % 4 == 0 {
                    stores.keys.create(super::fixtures::key(tenant), audit("key.create")).await.unwrap();
                } else {
                    stores.audit.append(tenant, audit("append")).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(verify(stores, tenant).await.len(), 40);
}

/// Each tenant has its own chain from 1.
pub async fn chains_are_apart(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    for tenant in [one, other, one] {
        stores.audit.append(tenant, audit("append")).await.unwrap();
    }
    assert_eq!(verify(stores, one).await.len(), 2);
    assert_eq!(verify(stores, other).await.len(), 1);
    assert_eq!(read_all(10, |page| stores.audit.list(tenant_id(), page)).await, []);
}

/// Particulars read back so that the hash still fits: order of fields, any text, awkward numbers.
pub async fn details_survive(stores: &Stores) {
    let tenant = tenant_id();
    for details in [
        json!(null),
        json!({"z": {"y": 1, "x": 2}, "a": "\u{0}\u{1f}\"\\ é 𝄞"}),
        json!([0.1, -0.0, 1e300, 5e-324, 9_007_199_254_740_993_i64, u64::MAX, i64::MIN]),
        json!(0.123_456_789_012_345_67 * 3.7),
        json!((0..200).map(|n| f64::from(n) / 7.3 + 1e-9).collect::<Vec<f64>>()),
    ] {
        let mut entry = audit("details");
        entry.details = details;
        entry.subject = "ü 'quoted' \u{0}".into();
        stores.audit.append(tenant, entry).await.unwrap();
    }
    verify(stores, tenant).await;
}

/// Newest first, whatever the page's length.
pub async fn the_log_pages_newest_first(stores: &Stores) {
    let tenant = tenant_id();
    for number in 0..6 {
        stores.audit.append(tenant, audit(&format!("action.{number}"))).await.unwrap();
    }
    let mut expected = verify(stores, tenant).await;
    expected.reverse();
    for limit in [1, 2, 3, 4, 6, 7] {
        assert_eq!(
            read_all(limit, |page| stores.audit.list(tenant, page)).await,
            expected,
            "pages of {limit}"
        );
    }
}

/// Made-up cursors and other lists' are refused.
pub async fn cursors_of_other_lists_are_refused(stores: &Stores) {
    refuses_cursors(|page| stores.audit.list(tenant_id(), page)).await;
}
