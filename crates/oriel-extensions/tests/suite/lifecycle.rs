//! Install, consent, upgrade, roll back, uninstall.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oriel_extensions::{Consent, ExtensionError, Extensions};
use oriel_model::access::{Principal, Role};
use oriel_model::id::ExecutionId;
use oriel_model::installation::InstallationState;
use oriel_model::page::PageRequest;
use oriel_model::time::{Clock, SystemClock};
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::Call;
use serde_json::json;

use crate::support::{World, echo, kv, manifest, package};

/// Calls a program the way services do.
pub(crate) async fn call(world: &World, extension: &str, program: &str, input: &str) -> Result<String, ErrorCode> {
    call_on(&world.extensions, &world.owner, extension, program, input).await
}

/// The same on any node.
pub(crate) async fn call_on(
    node: &Extensions,
    owner: &Principal,
    extension: &str,
    program: &str,
    input: &str,
) -> Result<String, ErrorCode> {
    let handle = node
        .installed(owner.tenant, &owner.tenant_name, extension)
        .await
        .map_err(|error| error.code())?;
    let active = handle.active().await.map_err(|error| error.code())?;
    active.program(program).map_err(|error| error.code())?;
    let execution = ExecutionId::new(SystemClock.now());
    let call = Call {
        program,
        input,
        execution,
        task: None,
        principal: None,
        user: None,
        traceparent: None,
        timeout: None,
    };
    active.pool().call(call).await.result.map_err(|error| error.code())
}

#[tokio::test]
async fn an_installed_extension_answers_and_an_uninstalled_one_is_gone() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    assert_eq!(call(&world, "echo", "upper", "\"a\"").await, Ok("\"A\"".to_owned()));
    assert_eq!(call(&world, "echo", "lower", "1").await, Err(ErrorCode::ProgramNotFound));
    let listed = world.extensions.list(&world.owner, PageRequest::first()).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    let package = listed.items[0].installation.release.package;

    world.extensions.uninstall(&world.owner, "echo", None).await.unwrap();
    assert_eq!(call(&world, "echo", "upper", "1").await, Err(ErrorCode::ExtensionNotFound));
    assert!(world.stores.blobs.get(package).await.unwrap().is_none(), "the package is deleted");
    assert_eq!(world.audited().await[2..], ["extension.install", "extension.uninstall"]);
}

#[tokio::test]
async fn other_tenants_and_lesser_roles_see_nothing_and_change_nothing() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let stranger = &world.stranger;
    let not_found = |error: ExtensionError| assert_eq!(error.code(), ErrorCode::ExtensionNotFound);
    not_found(world.extensions.get(stranger, "echo").await.unwrap_err());
    not_found(world.extensions.uninstall(stranger, "echo", None).await.unwrap_err());
    not_found(world.extensions.configure(stranger, "echo", json!({}), None).await.unwrap_err());
    not_found(
        world
            .extensions
            .installed(stranger.tenant, &stranger.tenant_name, "echo")
            .await
            .map(|_| ())
            .unwrap_err(),
    );
    // The same name is free for them.
    world.extensions.install(stranger, echo("2.0.0"), Consent::All, true).await.unwrap();

    for role in [Role::Viewer, Role::Developer] {
        let principal = world.principal(role).await;
        assert!(world.extensions.get(&principal, "echo").await.is_ok());
        let refused = world.extensions.set_enabled(&principal, "echo", false, None).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::Forbidden);
    }
}

#[tokio::test]
async fn permissions_wait_for_consent() {
    let world = World::new().await;
    let installed = world
        .extensions
        .install(&world.owner, kv("1.0.0"), Consent::Withheld, true)
        .await
        .unwrap();
    assert_eq!(installed.state, InstallationState::PendingConsent);
    assert_eq!(call(&world, "kv", "count", "1").await, Err(ErrorCode::ConsentRequired));
    let enabled = world.extensions.set_enabled(&world.owner, "kv", true, None).await.unwrap_err();
    assert_eq!(enabled.code(), ErrorCode::ConsentRequired);
    let status = world.extensions.get(&world.owner, "kv").await.unwrap();
    assert_eq!(status.wants, ["key_value"]);

    world.extensions.consent(&world.owner, "kv", Consent::All, None).await.unwrap();
    assert_eq!(call(&world, "kv", "count", "1").await, Ok("1".to_owned()));
    assert_eq!(call(&world, "kv", "count", "1").await, Ok("2".to_owned()));
}

#[tokio::test]
async fn a_release_that_never_ran_can_be_replaced_and_then_granted() {
    let world = World::new().await;
    let (owner, extensions) = (&world.owner, &world.extensions);
    extensions.install(owner, kv("1.0.0"), Consent::Withheld, true).await.unwrap();
    let waiting = extensions.upgrade(owner, "kv", kv("2.0.0"), Consent::Withheld, None).await.unwrap();
    assert_eq!(waiting.state, InstallationState::PendingConsent);
    let granted = extensions.consent(owner, "kv", Consent::All, None).await.unwrap();
    assert_eq!(granted.state, InstallationState::Enabled);
    assert_eq!(granted.release.manifest.version.to_string(), "2.0.0");
    assert!(granted.previous.is_none(), "what nobody granted is not returned to");
    assert_eq!(call(&world, "kv", "count", "1").await, Ok("1".to_owned()));

    extensions.uninstall(owner, "kv", None).await.unwrap();
    extensions.install(owner, kv("1.0.0"), Consent::Withheld, true).await.unwrap();
    let granted = extensions.upgrade(owner, "kv", kv("2.0.0"), Consent::All, None).await.unwrap();
    assert_eq!((granted.state, granted.previous), (InstallationState::Enabled, None));
    assert_eq!(call(&world, "kv", "count", "1").await, Ok("1".to_owned()));
}

#[tokio::test]
async fn a_wider_upgrade_waits_while_the_old_release_runs() {
    let world = World::new().await;
    world.install(package("echo", manifest("app", "1.0.0", &["echo"]))).await;
    let mut wider = manifest("app", "2.0.0", &["upper"]);
    wider["permissions"] = json!({ "keyValue": true, "network": ["api.example.com"] });
    let waiting = world
        .extensions
        .upgrade(&world.owner, "app", package("echo", wider), Consent::Withheld, None)
        .await
        .unwrap();
    assert_eq!(waiting.release.manifest.version.to_string(), "1.0.0");
    assert_eq!(waiting.pending.unwrap().manifest.version.to_string(), "2.0.0");
    assert_eq!(call(&world, "app", "echo", "1").await, Ok("1".to_owned()));

    let foreign = Consent::Exactly(serde_json::from_value(json!({ "network": ["evil.example.com"] })).unwrap());
    let refused = world.extensions.consent(&world.owner, "app", foreign, None).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::RequestInvalid);
    let narrower = Consent::Exactly(serde_json::from_value(json!({ "keyValue": true })).unwrap());
    let granted = world.extensions.consent(&world.owner, "app", narrower, None).await.unwrap();
    assert_eq!(granted.grant.describe(), ["key_value"]);
    assert!(granted.pending.is_none());
    assert_eq!(call(&world, "app", "upper", "\"a\"").await, Ok("\"A\"".to_owned()));
    assert_eq!(call(&world, "app", "echo", "1").await, Err(ErrorCode::ProgramNotFound));
}

#[tokio::test]
async fn a_rollback_restores_the_former_release_once() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let nothing = world.extensions.roll_back(&world.owner, "echo", None).await.unwrap_err();
    assert_eq!(nothing.code(), ErrorCode::NothingToRollBack);
    world
        .extensions
        .upgrade(&world.owner, "echo", echo("1.1.0"), Consent::All, None)
        .await
        .unwrap();
    let back = world.extensions.roll_back(&world.owner, "echo", None).await.unwrap();
    assert_eq!(back.release.manifest.version.to_string(), "1.0.0");
    assert_eq!(call(&world, "echo", "echo", "1").await, Ok("1".to_owned()));
    assert!(world.extensions.roll_back(&world.owner, "echo", None).await.is_err());
    // A package that ran before can be installed again: its version still means the same content.
    world
        .extensions
        .upgrade(&world.owner, "echo", echo("1.1.0"), Consent::All, None)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_disabled_extension_refuses_and_answers_again() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let first = world.extensions.set_enabled(&world.owner, "echo", false, None).await.unwrap();
    assert_eq!(call(&world, "echo", "echo", "1").await, Err(ErrorCode::ExtensionDisabled));
    let again = world.extensions.set_enabled(&world.owner, "echo", false, None).await.unwrap();
    assert_eq!(first.revision, again.revision, "nothing changed");
    world
        .extensions
        .set_enabled(&world.owner, "echo", true, Some(first.revision))
        .await
        .unwrap();
    assert_eq!(call(&world, "echo", "echo", "1").await, Ok("1".to_owned()));
    let stale = world
        .extensions
        .set_enabled(&world.owner, "echo", false, Some(first.revision))
        .await
        .unwrap_err();
    assert_eq!(stale.code(), ErrorCode::PreconditionFailed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_installed_disabled_answers_no_call_in_between() {
    let world = Arc::new(World::new().await);
    let done = Arc::new(AtomicBool::new(false));
    let caller = tokio::spawn({
        let (world, done) = (world.clone(), done.clone());
        async move {
            let mut refused = BTreeSet::new();
            // Once more after the install, so that the last answer is of what it left.
            loop {
                let last = done.load(Ordering::Acquire);
                let answer = call(&world, "echo", "echo", "1").await;
                refused.insert(answer.expect_err("a call was answered").as_str());
                if last {
                    return refused;
                }
            }
        }
    });
    let installed = world.extensions.install(&world.owner, echo("1.0.0"), Consent::All, false).await;
    done.store(true, Ordering::Release);
    let installed = installed.unwrap();
    assert_eq!((installed.state, installed.revision), (InstallationState::Disabled, 1));
    let refused = caller.await.unwrap();
    assert!(refused.contains(ErrorCode::ExtensionDisabled.as_str()), "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|code| [ErrorCode::ExtensionNotFound.as_str(), ErrorCode::ExtensionDisabled.as_str()].contains(code)),
        "{refused:?}"
    );
    let entries = world.stores.audit.scan(world.owner.tenant, 1, 1_000).await.unwrap();
    let acts: Vec<_> = entries.iter().filter(|entry| entry.action.starts_with("extension.")).collect();
    assert_eq!(acts.len(), 1, "{acts:?}");
    assert_eq!(
        (&*acts[0].action, &acts[0].details["state"]),
        ("extension.install", &json!("disabled"))
    );

    world.extensions.set_enabled(&world.owner, "echo", true, None).await.unwrap();
    assert_eq!(call(&world, "echo", "echo", "1").await, Ok("1".to_owned()));
}

#[tokio::test]
async fn consent_comes_before_the_wish_to_wait() {
    let world = World::new().await;
    let waiting = world
        .extensions
        .install(&world.owner, kv("1.0.0"), Consent::Withheld, false)
        .await
        .unwrap();
    assert_eq!(waiting.state, InstallationState::PendingConsent);
    assert_eq!(call(&world, "kv", "count", "1").await, Err(ErrorCode::ConsentRequired));
}

#[tokio::test]
async fn dependencies_must_be_there_and_stay() {
    let world = World::new().await;
    let needing = |range: &str| {
        let mut manifest = manifest("needy", "1.0.0", &["echo"]);
        manifest["dependencies"] = json!({ "echo": range });
        package("echo", manifest)
    };
    let missing = world
        .extensions
        .install(&world.owner, needing("^1"), Consent::All, true)
        .await
        .unwrap_err();
    assert_eq!(missing.code(), ErrorCode::DependencyMissing);
    world.install(echo("1.2.0")).await;
    assert!(
        world
            .extensions
            .install(&world.owner, needing("^2"), Consent::All, true)
            .await
            .is_err()
    );
    world.install(needing("^1")).await;
    let gone = world.extensions.uninstall(&world.owner, "echo", None).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::DependencyInUse);
    let moved = world
        .extensions
        .upgrade(&world.owner, "echo", echo("2.0.0"), Consent::All, None)
        .await
        .unwrap_err();
    assert_eq!(moved.code(), ErrorCode::DependencyInUse);
    world
        .extensions
        .upgrade(&world.owner, "echo", echo("1.3.0"), Consent::All, None)
        .await
        .unwrap();
    world.extensions.uninstall(&world.owner, "needy", None).await.unwrap();
    world.extensions.uninstall(&world.owner, "echo", None).await.unwrap();
}

#[tokio::test]
async fn concurrent_changes_end_in_one_of_their_states() {
    let world = World::new().await;
    for round in 0..10 {
        world.install(echo("1.0.0")).await;
        let next = echo(&format!("1.{}.0", round + 1));
        let (upgraded, uninstalled) = tokio::join!(
            world.extensions.upgrade(&world.owner, "echo", next, Consent::All, None),
            world.extensions.uninstall(&world.owner, "echo", None),
        );
        let gone = matches!(call(&world, "echo", "echo", "1").await, Err(ErrorCode::ExtensionNotFound));
        assert_eq!(gone, uninstalled.is_ok(), "{upgraded:?} {uninstalled:?}");
        if !gone {
            world.extensions.uninstall(&world.owner, "echo", None).await.unwrap();
        }
    }
    assert!(world.access.verify_audit(&world.owner).await.unwrap().broken.is_none());
}
