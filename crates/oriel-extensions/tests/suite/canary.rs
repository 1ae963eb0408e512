//! A release beside the running one: who may start it, who gets which call, and what other changes make of it.

use std::collections::BTreeSet;

use bytes::Bytes;
use oriel_extensions::{CanaryChange, Chosen, Consent, ExtensionError, Extensions, ExtensionsOptions};
use oriel_model::canary::{CanaryAdvice, CanaryEnd, CanaryPolicy};
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::{Coded, ErrorCode};
use serde_json::json;

use crate::lifecycle::call;
use crate::support::{World, echo, kv, manifest, package};

/// `echo` as a release that is a little worse.
pub(crate) fn flaky(version: &str) -> Bytes {
    package("flaky", manifest("echo", version, &["echo", "upper"]))
}

fn by_hand() -> CanaryPolicy {
    CanaryPolicy {
        auto: false,
        ..CanaryPolicy::default()
    }
}

async fn start(world: &World, package: Bytes, share: f64) -> Result<Installation, ExtensionError> {
    let (owner, extensions) = (&world.owner, &world.extensions);
    extensions.start_canary(owner, "echo", package, share, by_hand(), None).await
}

/// The release that a call with this key gets.
async fn chosen(node: &Extensions, world: &World, key: Option<&str>) -> Chosen {
    let owner = &world.owner;
    let handle = node.installed(owner.tenant, &owner.tenant_name, "echo").await.unwrap();
    Chosen::choose(handle.active().await.unwrap(), key)
}

async fn version(node: &Extensions, world: &World, key: Option<&str>) -> String {
    chosen(node, world, key).await.active.version().to_string()
}

#[tokio::test]
async fn a_canary_takes_its_share_and_a_key_always_gets_the_same_release() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let started = start(&world, flaky("1.1.0"), 0.3).await.unwrap();
    assert_eq!(started.release.manifest.version.to_string(), "1.0.0", "the running release stays");

    let mut canary = 0;
    for _ in 0..1_000 {
        canary += usize::from(version(&world.extensions, &world, None).await == "1.1.0");
    }
    assert!((230..370).contains(&canary), "{canary}");

    let second = tempfile::tempdir().unwrap();
    let node = world.node(second.path());
    let mut taken = BTreeSet::new();
    for number in 0..200 {
        let key = format!("customer-{number}");
        let first = version(&world.extensions, &world, Some(&key)).await;
        assert_eq!(first, version(&world.extensions, &world, Some(&key)).await);
        assert_eq!(first, version(&node, &world, Some(&key)).await, "another node agrees");
        if first == "1.1.0" {
            taken.insert(key);
        }
    }
    let more = CanaryChange {
        share: Some(0.6),
        ..CanaryChange::default()
    };
    world.extensions.change_canary(&world.owner, "echo", more, None).await.unwrap();
    let mut grown = 0;
    for number in 0..200 {
        let key = format!("customer-{number}");
        let canary = version(&world.extensions, &world, Some(&key)).await == "1.1.0";
        assert!(canary || !taken.contains(&key), "who had the canary keeps it");
        grown += usize::from(canary);
    }
    assert!(grown > taken.len());
    assert_eq!(
        call(&world, "echo", "echo", "{\"n\":5}").await,
        Ok("{\"n\":5}".to_owned()),
        "other calls get what runs"
    );
}

#[tokio::test]
async fn starting_a_canary_or_moving_its_share_leaves_the_running_instances_warm() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    call(&world, "echo", "echo", "1").await.unwrap();
    let before = chosen(&world.extensions, &world, None).await.active;
    let idle = before.pool().stats();
    start(&world, flaky("1.1.0"), 0.2).await.unwrap();
    let share = CanaryChange {
        share: Some(0.4),
        ..CanaryChange::default()
    };
    world.extensions.change_canary(&world.owner, "echo", share, None).await.unwrap();
    world.extensions.roll_back_canary(&world.owner, "echo", None).await.unwrap();
    let after = chosen(&world.extensions, &world, None).await.active;
    assert_eq!(format!("{:?}", after.pool().stats()), format!("{idle:?}"));
    assert_eq!(call(&world, "echo", "echo", "1").await, Ok("1".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_a_canary_is_refused_and_leaves_nothing_behind() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let mut wider = manifest("echo", "1.1.0", &["echo", "upper"]);
    wider["permissions"] = json!({ "keyValue": true });
    let cases = [
        (package("echo", wider), 0.2, ErrorCode::ConsentRequired, "oriel upgrade"),
        (
            package("echo", manifest("echo", "1.1.1", &["echo"])),
            0.2,
            ErrorCode::RequestInvalid,
            "lacks the program `upper`",
        ),
        (echo("1.0.0"), 0.2, ErrorCode::RequestInvalid, "is the running release"),
        (flaky("1.0.0"), 0.2, ErrorCode::VersionExists, "immutable"),
        (kv("1.0.0"), 0.2, ErrorCode::RequestInvalid, "not of `echo`"),
        (flaky("1.1.0"), 0.0, ErrorCode::RequestInvalid, "share"),
        (flaky("1.1.0"), 1.5, ErrorCode::RequestInvalid, "share"),
    ];
    for (package, share, code, words) in cases {
        let error = start(&world, package, share).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let status = world.extensions.canary(&world.owner, "echo").await.unwrap();
    assert!(status.running.is_none() && status.last.is_none());
    for error in [
        world.extensions.promote_canary(&world.owner, "echo", None).await.unwrap_err(),
        world.extensions.roll_back_canary(&world.owner, "echo", None).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), ErrorCode::CanaryNone);
    }
    let foreign = world.extensions.canary(&world.stranger, "echo").await.unwrap_err();
    assert_eq!(foreign.code(), ErrorCode::ExtensionNotFound);
}

#[tokio::test]
async fn a_promoted_canary_runs_and_can_be_rolled_back() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    start(&world, flaky("1.1.0"), 0.2).await.unwrap();
    let promoted = world.extensions.promote_canary(&world.owner, "echo", None).await.unwrap();
    assert_eq!(promoted.release.manifest.version.to_string(), "1.1.0");
    assert!(promoted.canary.is_none());
    let outcome = promoted.last_canary.clone().unwrap();
    assert_eq!((outcome.end, outcome.automatic), (CanaryEnd::Promoted, false));
    assert_eq!(version(&world.extensions, &world, None).await, "1.1.0");
    let back = world.extensions.roll_back(&world.owner, "echo", None).await.unwrap();
    assert_eq!(back.release.manifest.version.to_string(), "1.0.0");
    let actions = world.audited().await;
    assert_eq!(
        actions[actions.len() - 3..],
        ["extension.canary_start", "extension.canary_promote", "extension.rollback"]
    );
}

#[tokio::test]
async fn a_canary_that_is_taken_away_takes_its_package_along() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let package = |installation: &Installation| installation.canary.as_ref().unwrap().release.package;
    let first = package(&start(&world, flaky("1.1.0"), 0.2).await.unwrap());
    assert!(world.stores.blobs.get(first).await.unwrap().is_some());
    let replaced = start(&world, flaky("1.2.0"), 0.2).await.unwrap();
    assert_eq!(replaced.last_canary.as_ref().unwrap().end, CanaryEnd::Replaced);
    assert!(world.stores.blobs.get(first).await.unwrap().is_none(), "nobody can return to it");
    let second = package(&replaced);
    let gone = world.extensions.roll_back_canary(&world.owner, "echo", None).await.unwrap();
    assert_eq!(gone.last_canary.as_ref().unwrap().end, CanaryEnd::RolledBack);
    assert!(world.stores.blobs.get(second).await.unwrap().is_none());
    assert_eq!(version(&world.extensions, &world, None).await, "1.0.0");
    assert_eq!(world.extensions.canary_counts().rolled_back, 2);
}

#[tokio::test]
async fn other_changes_beside_a_canary_are_defined() {
    let world = World::new().await;
    let (owner, extensions) = (&world.owner, &world.extensions);
    world.install(echo("1.0.0")).await;
    extensions
        .upgrade(owner, "echo", echo("1.1.0"), Consent::Withheld, None)
        .await
        .unwrap();
    start(&world, flaky("1.2.0"), 1.0).await.unwrap();

    let refused = extensions
        .upgrade(owner, "echo", echo("1.3.0"), Consent::All, None)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CanaryRunning);

    // Switched off, both rest; switched on again, both go on.
    extensions.set_enabled(owner, "echo", false, None).await.unwrap();
    assert_eq!(call(&world, "echo", "echo", "1").await, Err(ErrorCode::ExtensionDisabled));
    let status = extensions.canary(owner, "echo").await.unwrap();
    assert_eq!((status.state, status.running.is_some()), (InstallationState::Disabled, true));
    extensions.set_enabled(owner, "echo", true, None).await.unwrap();
    assert_eq!(version(extensions, &world, None).await, "1.2.0");

    // A limit holds for both.
    extensions
        .set_limits(owner, "echo", serde_json::from_value(json!({"input": "1KiB"})).unwrap(), None)
        .await
        .unwrap();
    assert_eq!(chosen(extensions, &world, None).await.active.limits().input.0, 1_024);

    // Rolling back is for emergencies: it waits for no canary.
    let back = extensions.roll_back(owner, "echo", None).await.unwrap();
    assert_eq!(
        (back.release.manifest.version.to_string().as_str(), back.canary.is_none()),
        ("1.0.0", true)
    );
    assert!(back.last_canary.unwrap().reason.contains("rolled back"));

    let canary = start(&world, flaky("1.4.0"), 0.5).await.unwrap().canary.unwrap();
    chosen(extensions, &world, Some("a")).await.ended(None, 5);
    extensions.judge_canaries().await;
    assert_eq!(world.stores.canaries.list(owner.tenant, "echo", canary.id).await.unwrap().len(), 1);
    extensions.uninstall(owner, "echo", None).await.unwrap();
    assert!(world.stores.blobs.get(canary.release.package).await.unwrap().is_none());
    assert!(
        world
            .stores
            .canaries
            .list(owner.tenant, "echo", canary.id)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_grant_cannot_shrink_below_what_the_canary_has() {
    let world = World::new().await;
    let (owner, extensions) = (&world.owner, &world.extensions);
    world.install(kv("1.0.0")).await;
    extensions
        .start_canary(owner, "kv", kv("1.1.0"), 0.5, by_hand(), None)
        .await
        .unwrap();
    let less = Consent::Exactly(serde_json::from_value(json!({})).unwrap());
    let refused = extensions.consent(owner, "kv", less.clone(), None).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::CanaryRunning);
    extensions.roll_back_canary(owner, "kv", None).await.unwrap();
    extensions.consent(owner, "kv", less, None).await.unwrap();
}

#[tokio::test]
async fn an_upgrade_that_waits_for_consent_keeps_canaries_out() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let mut wider = manifest("echo", "2.0.0", &["echo"]);
    wider["permissions"] = json!({ "keyValue": true });
    let (owner, extensions) = (&world.owner, &world.extensions);
    extensions
        .upgrade(owner, "echo", package("echo", wider), Consent::Withheld, None)
        .await
        .unwrap();
    let refused = start(&world, flaky("1.1.0"), 0.2).await.unwrap_err();
    assert!(refused.to_string().contains("waits for consent"), "{refused}");
}

#[tokio::test]
async fn what_nodes_saw_adds_up_and_survives_a_restart() {
    let options = |node: &str| ExtensionsOptions {
        node: node.to_owned(),
        ..ExtensionsOptions::default()
    };
    let world = World::with(options("one"), |stores| stores).await;
    world.install(echo("1.0.0")).await;
    start(&world, flaky("1.1.0"), 0.5).await.unwrap();
    let caches: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let two = world.node_with(options("two"), caches[0].path());
    for (node, calls) in [(&world.extensions, 40), (&two, 60)] {
        for _ in 0..calls {
            chosen(node, &world, None).await.ended(None, 100);
        }
        node.judge_canaries().await;
    }
    let seen = |status: oriel_extensions::CanaryStatus| {
        let (_, comparison) = status.running.unwrap();
        assert_eq!(comparison.advice, CanaryAdvice::Wait);
        comparison.running.calls + comparison.canary.calls
    };
    assert_eq!(seen(world.extensions.canary(&world.owner, "echo").await.unwrap()), 100);
    // The second node is started again and goes on where it was.
    let again = world.node_with(options("two"), caches[1].path());
    chosen(&again, &world, None).await.ended(None, 100);
    again.judge_canaries().await;
    chosen(&again, &world, None).await.ended(None, 100);
    again.judge_canaries().await;
    for node in [&again, &world.node_with(options("three"), caches[2].path())] {
        assert_eq!(seen(node.canary(&world.owner, "echo").await.unwrap()), 102);
    }
}

#[tokio::test]
async fn scores_of_both_versions_are_compared() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    start(&world, flaky("1.1.0"), 0.5).await.unwrap();
    chosen(&world.extensions, &world, None).await;
    let name = "echo".parse().unwrap();
    for number in 0..300 {
        let (version, score) = if number % 2 == 0 { ("1.0.0", 0.9) } else { ("1.1.0", 0.4) };
        let version = version.parse().unwrap();
        world.extensions.observe_score(world.owner.tenant, &name, &version, score);
        world.extensions.observe_score(world.stranger.tenant, &name, &version, 1.0);
        world
            .extensions
            .observe_score(world.owner.tenant, &name, &semver::Version::new(9, 9, 9), 1.0);
    }
    for _ in 0..100 {
        chosen(&world.extensions, &world, None).await.ended(None, 100);
    }
    let (_, comparison) = world.extensions.canary(&world.owner, "echo").await.unwrap().running.unwrap();
    assert_eq!((comparison.running.scored, comparison.canary.scored), (150, 150));
    assert_eq!(comparison.advice, CanaryAdvice::Rollback);
    assert!(comparison.reason.contains("validators"), "{}", comparison.reason);
    // It is for the administrator to act on.
    world.extensions.judge_canaries().await;
    assert!(world.extensions.canary(&world.owner, "echo").await.unwrap().running.is_some());
}
