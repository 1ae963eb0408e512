//! Checks of the tallies of canaries, and of what an installation with a canary keeps.

use oriel_model::canary::{Canary, CanaryPolicy};
use oriel_model::id::CanaryId;
use oriel_model::{Digest, Timestamp};

use super::fixtures::{at, audit, installation, release, tenant_id};
use crate::{CanaryTally, Stores};

fn tally(extension: &str, canary: CanaryId, node: &str, body: &str) -> CanaryTally {
    CanaryTally {
        extension: extension.parse().unwrap(),
        canary,
        node: node.to_owned(),
        body: body.to_owned(),
    }
}

/// Each node has one tally of a canary, the last that it wrote.
pub async fn tallies_live(stores: &Stores) {
    let (one, other) = (tenant_id(), tenant_id());
    let (canary, before) = (CanaryId::new(at(0)), CanaryId::new(at(1)));
    let store = &stores.canaries;
    for (tenant, tally) in [
        (one, tally("flights", canary, "b", "1")),
        (one, tally("flights", canary, "a", "{\"ü\":1}")),
        (one, tally("flights", canary, "b", "2")),
        (one, tally("flights", before, "a", "3")),
        (one, tally("trains", canary, "a", "4")),
        (other, tally("flights", canary, "a", "5")),
    ] {
        store.put(tenant, tally).await.unwrap();
    }
    let found = store.list(one, "flights", canary).await.unwrap();
    assert_eq!(
        found,
        [tally("flights", canary, "a", "{\"ü\":1}"), tally("flights", canary, "b", "2")]
    );
    store.forget(one, "flights").await.unwrap();
    for (tenant, extension, canary, left) in [
        (one, "flights", canary, 0),
        (one, "flights", before, 0),
        (one, "trains", canary, 1),
        (other, "flights", canary, 1),
    ] {
        assert_eq!(store.list(tenant, extension, canary).await.unwrap().len(), left, "{extension}");
    }
}

/// A canary's package is in use, and what was seen of it goes with its installation.
pub async fn a_canary_belongs_to_its_installation(stores: &Stores) {
    let tenant = tenant_id();
    let digest = |what: &str| Digest::of(format!("{what} of {tenant}").as_bytes());
    let used = |what| stores.installations.uses_package(digest(what));
    let canary = Canary {
        id: CanaryId::new(at(0)),
        release: release("flights", "2.0.0", &format!("canary of {tenant}")),
        grant: Default::default(),
        share: 0.25,
        policy: CanaryPolicy::default(),
        since: Timestamp::from_millis(5),
    };
    let mut it = installation(tenant, "flights");
    it.release = release("flights", "1.0.0", &format!("running of {tenant}"));
    it.canary = Some(Box::new(canary.clone()));
    stores.installations.insert(it.clone(), audit("install")).await.unwrap();
    let read = stores.installations.get(tenant, "flights").await.unwrap().unwrap();
    assert_eq!(read.canary.as_deref(), Some(&canary));
    assert!(used("canary").await.unwrap());
    it.canary = None;
    it.revision = 2;
    stores.installations.update(it.clone(), 1, audit("rollback")).await.unwrap();
    assert!(!used("canary").await.unwrap());

    stores.canaries.put(tenant, tally("flights", canary.id, "a", "1")).await.unwrap();
    stores.installations.delete(tenant, "flights", 2, audit("delete")).await.unwrap();
    assert!(stores.canaries.list(tenant, "flights", canary.id).await.unwrap().is_empty());
}
