//! What one installation's breaker does otherwise, who may end its quarantine, and that a canary's calls say nothing of the running release.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_extensions::{Chosen, Consent, ExtensionsOptions, HealthOptions, ManualStopwatch};
use oriel_model::access::Role;
use oriel_model::canary::CanaryPolicy;
use oriel_model::health::HealthState::{self, Healthy, Quarantined, Tripped};
use oriel_model::health_policy::HealthPolicy;
use oriel_model::id::ExecutionId;
use oriel_model::limits::TimeSpan;
use oriel_model::time::{Clock, SystemClock};
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::Call;
use serde_json::json;

use crate::lifecycle::call;
use crate::support::{World, manifest, package};

fn hostile(name: &str, version: &str) -> bytes::Bytes {
    let mut manifest = manifest(name, version, &["echo", "trap", "fail"]);
    manifest["lifecycle"] = json!(true);
    manifest["configSchema"] = json!({ "type": "object" });
    manifest["permissions"] = json!({ "keyValue": true, "network": ["example.com"] });
    package("hostile", manifest)
}

async fn world(change: impl FnOnce(&mut HealthOptions)) -> (World, Arc<ManualStopwatch>) {
    let stopwatch = Arc::new(ManualStopwatch::default());
    let mut health = HealthOptions {
        jitter: false,
        check_interval: Duration::ZERO,
        ..HealthOptions::default()
    };
    change(&mut health);
    let options = ExtensionsOptions {
        health,
        stopwatch: stopwatch.clone(),
        ..ExtensionsOptions::default()
    };
    let world = World::with(options, |stores| stores).await;
    world.install(hostile("hostile", "1.0.0")).await;
    (world, stopwatch)
}

async fn state(world: &World, name: &str) -> HealthState {
    world.extensions.health(&world.owner, name).await.unwrap().state
}

/// So many crashes; answers after how many it tripped.
async fn crashes(world: &World, name: &str) -> usize {
    for count in 0..20 {
        if call(world, name, "trap", "1").await == Err(ErrorCode::ExtensionTripped) {
            return count;
        }
    }
    usize::MAX
}

#[tokio::test]
async fn an_installation_goes_over_the_file_and_that_over_the_settings() {
    let named = HealthPolicy {
        crashes: Some(3),
        backoff: Some(TimeSpan(Duration::from_secs(60))),
        ..HealthPolicy::default()
    };
    let (world, stopwatch) = world(|health| {
        health.by_extension = BTreeMap::from([("hostile".parse().unwrap(), named)]);
    })
    .await;
    world.install(hostile("other", "1.0.0")).await;
    assert_eq!(crashes(&world, "other").await, 5);
    assert_eq!(crashes(&world, "hostile").await, 3);
    let rest = world.extensions.health(&world.owner, "hostile").await.unwrap().retry_after;
    assert_eq!(rest, Some(Duration::from_secs(60)));

    let own = HealthPolicy {
        crashes: Some(2),
        probes: Some(1),
        ..HealthPolicy::default()
    };
    let (extensions, owner) = (&world.extensions, &world.owner);
    let revision = extensions.health_policy(owner, "hostile").await.unwrap().revision;
    let stale = extensions
        .set_health_policy(owner, "hostile", own.clone(), Some(revision + 1))
        .await;
    assert_eq!(stale.unwrap_err().code(), ErrorCode::PreconditionFailed);
    extensions.set_health_policy(owner, "hostile", own, Some(revision)).await.unwrap();
    let report = extensions.health_policy(owner, "hostile").await.unwrap();
    assert_eq!(
        (report.revision, report.own.crashes, report.effective.min_calls),
        (revision + 1, Some(2), Some(20))
    );
    assert_eq!(
        report.effective.backoff,
        Some(TimeSpan(Duration::from_secs(60))),
        "the file still holds for the rest"
    );
    assert_eq!(state(&world, "hostile").await, Tripped, "a policy is no cure");

    stopwatch.advance(Duration::from_secs(61));
    call(&world, "hostile", "echo", "1").await.unwrap();
    stopwatch.advance(Duration::from_secs(11));
    call(&world, "hostile", "echo", "1").await.unwrap();
    extensions.look_after().await;
    assert_eq!(state(&world, "hostile").await, Healthy, "one probe was enough");
    assert_eq!(crashes(&world, "hostile").await, 2);
    let audited = world.audited().await;
    assert!(audited.contains(&"extension.set_health_policy".to_owned()), "{audited:?}");
    // Others neither see nor set it.
    let theirs = extensions.health_policy(&world.stranger, "hostile").await;
    assert_eq!(theirs.unwrap_err().code(), ErrorCode::ExtensionNotFound);
    let viewer = world.principal(Role::Viewer).await;
    let refused = extensions
        .set_health_policy(&viewer, "hostile", HealthPolicy::default(), None)
        .await;
    assert_eq!(refused.unwrap_err().code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn two_who_set_it_at_once_do_not_both_win() {
    let (world, _) = world(|_| {}).await;
    let revision = world.extensions.health_policy(&world.owner, "hostile").await.unwrap().revision;
    let mut all = tokio::task::JoinSet::new();
    for crashes in 1..=8 {
        let (extensions, owner) = (world.extensions.clone(), world.owner.clone());
        all.spawn(async move {
            let policy = HealthPolicy {
                crashes: Some(crashes),
                ..HealthPolicy::default()
            };
            let set = extensions.set_health_policy(&owner, "hostile", policy, Some(revision)).await;
            set.map(|_| crashes).map_err(|error| error.code())
        });
    }
    let ends = all.join_all().await;
    let won: Vec<_> = ends.iter().filter_map(|end| end.as_ref().ok()).collect();
    assert_eq!(won.len(), 1, "{ends:?}");
    assert!(
        ends.iter()
            .filter_map(|end| end.as_ref().err())
            .all(|code| *code == ErrorCode::PreconditionFailed)
    );
    let report = world.extensions.health_policy(&world.owner, "hostile").await.unwrap();
    assert_eq!(report.own.crashes.as_ref(), Some(won[0]));
}

#[tokio::test]
async fn only_the_named_role_ends_a_quarantine_whatever_way() {
    let (world, stopwatch) = world(|health| health.quarantine_trips = 2).await;
    let (extensions, owner) = (&world.extensions, &world.owner);
    let admin = world.principal(Role::Admin).await;
    let held = HealthPolicy {
        release_role: Some(Role::Owner),
        ..HealthPolicy::default()
    };
    let above = extensions.set_health_policy(&admin, "hostile", held.clone(), None).await;
    assert_eq!(above.unwrap_err().code(), ErrorCode::QuarantineHeld, "nobody locks themselves out");
    extensions.set_health_policy(owner, "hostile", held, None).await.unwrap();
    let lets_itself_in = extensions.set_health_policy(&admin, "hostile", HealthPolicy::default(), None).await;
    assert_eq!(lets_itself_in.unwrap_err().code(), ErrorCode::QuarantineHeld);

    crashes(&world, "hostile").await;
    stopwatch.advance(Duration::from_secs(2));
    assert_eq!(call(&world, "hostile", "trap", "1").await, Err(ErrorCode::ExecutionTrap));
    while state(&world, "hostile").await != Quarantined {
        extensions.look_after().await;
    }
    extensions.look_after().await;
    let refused = extensions.release(&admin, "hostile", None).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::QuarantineHeld);
    assert!(refused.to_string().contains("owner"), "{refused}");
    extensions
        .upgrade(&admin, "hostile", hostile("hostile", "1.1.0"), Consent::All, None)
        .await
        .unwrap();
    assert_eq!(state(&world, "hostile").await, Quarantined, "another release does not end it");
    extensions.roll_back(&admin, "hostile", None).await.unwrap();
    assert_eq!(state(&world, "hostile").await, Quarantined);
    extensions.release(owner, "hostile", None).await.unwrap();
    call(&world, "hostile", "echo", "1").await.unwrap();
}

#[tokio::test]
async fn good_calls_of_a_canary_do_not_hide_a_running_release_that_fails() {
    let (world, _) = world(|_| {}).await;
    let (extensions, owner) = (&world.extensions, &world.owner);
    let by_hand = CanaryPolicy {
        auto: false,
        ..CanaryPolicy::default()
    };
    let canary = hostile("hostile", "1.1.0");
    extensions.start_canary(owner, "hostile", canary, 0.5, by_hand, None).await.unwrap();
    let handle = extensions.installed(owner.tenant, &owner.tenant_name, "hostile").await.unwrap();
    let ask = async |version: &str, program: &str| {
        for number in 0..10_000 {
            let chosen = Chosen::choose(handle.active().await.unwrap(), Some(&format!("customer-{number}")));
            if chosen.active.version().to_string() == version {
                let call = Call {
                    program,
                    input: "1",
                    execution: ExecutionId::new(SystemClock.now()),
                    task: None,
                    principal: None,
                    user: None,
                    traceparent: None,
                    timeout: None,
                };
                return chosen.active.pool().call(call).await.result.map_err(|error| error.code());
            }
        }
        panic!("nobody gets {version}")
    };
    // The canary alone brings the running release to no state at all.
    for _ in 0..60 {
        ask("1.1.0", "echo").await.unwrap();
    }
    let report = extensions.health(owner, "hostile").await.unwrap();
    assert_eq!((report.state, report.window.calls), (HealthState::Starting, 0));
    let mut tripped_after = None;
    for count in 1..=25 {
        match ask("1.0.0", "fail").await {
            Err(ErrorCode::ExtensionTripped) => {
                tripped_after = Some(count);
                break;
            }
            end => assert_eq!(end, Err(ErrorCode::ProgramInternal)),
        }
    }
    assert_eq!(tripped_after, Some(21), "twenty calls, all failed, however well the canary does");
    extensions.roll_back_canary(owner, "hostile", None).await.unwrap();
}
