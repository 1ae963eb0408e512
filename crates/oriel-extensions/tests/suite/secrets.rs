//! Secrets of extensions: set, listed, sealed, kept, removed; and what is told of them.

use oriel_extensions::{Consent, SecretStatus};
use oriel_model::access::Role;
use oriel_model::id::ExecutionId;
use oriel_model::time::{Clock as _, SystemClock};
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::Call;
use serde_json::{Value, json};

use crate::support::{World, echo, manifest, package};

const VALUE: &str = "ghp_the-secret-itself";

/// The guest `caller` that asks for these secrets.
fn asking(version: &str, secrets: Value) -> bytes::Bytes {
    let mut manifest = manifest("sender", version, &["placeholder", "count"]);
    manifest["permissions"] = json!({ "call": ["nobody/nothing"], "network": ["*.example.com"], "secrets": secrets });
    package("caller", manifest)
}

async fn world() -> World {
    let world = World::new().await;
    world
        .install(asking("1.0.0", json!({ "token": ["api.example.com"], "other": ["b.example.com"] })))
        .await;
    world
}

fn shown(secrets: &[SecretStatus]) -> Vec<String> {
    let hosts = |hosts: &[oriel_model::permissions::HostPattern]| hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join("+");
    secrets
        .iter()
        .map(|secret| {
            let set = if secret.set_at.is_some() { "set" } else { "unset" };
            format!("{} {set} {}/{}", secret.name, hosts(&secret.wanted), hosts(&secret.granted))
        })
        .collect()
}

async fn ask(world: &World, program: &str, input: &str) -> String {
    let name = "sender".parse().unwrap();
    let handle = world.extensions.handle(world.owner.tenant, &world.owner.tenant_name, &name);
    let call = Call {
        program,
        input,
        execution: ExecutionId::new(SystemClock.now()),
        task: None,
        principal: None,
        user: None,
        traceparent: None,
        timeout: None,
    };
    let outcome = handle.active().await.unwrap().pool().call(call).await;
    outcome.result.unwrap_or_else(|error| error.to_string())
}

#[tokio::test]
async fn a_secret_is_set_used_and_removed_and_its_value_never_seen() {
    let world = world().await;
    let (extensions, owner) = (&world.extensions, &world.owner);
    assert!(
        ask(&world, "placeholder", "\"token\"")
            .await
            .starts_with("nobody has set the secret `token`")
    );
    let status = extensions.set_secret(owner, "sender", "token", VALUE, None).await.unwrap();
    assert_eq!(shown(&[status]), ["token set api.example.com/api.example.com"]);
    assert_eq!(
        shown(&extensions.secrets(owner, "sender").await.unwrap()),
        [
            "other unset b.example.com/b.example.com",
            "token set api.example.com/api.example.com"
        ]
    );
    assert!(ask(&world, "placeholder", "\"token\"").await.starts_with("\"oriel-secret-"));

    let installation = world.stores.installations.get(owner.tenant, "sender").await.unwrap().unwrap();
    let kept = serde_json::to_string(&installation).unwrap();
    assert!(kept.contains("sealed:v1:") && !kept.contains(VALUE), "{kept}");
    let audit = world.stores.audit.scan(owner.tenant, 1, 1_000).await.unwrap();
    let told = format!("{audit:?}");
    assert!(told.contains("extension.set_secret") && told.contains("secret token"), "{told}");
    assert!(!told.contains(VALUE) && !told.contains("sealed:v1:"), "{told}");

    // A sealed value does not open under another name.
    let mut moved = installation.clone();
    moved
        .secrets
        .insert("other".parse().unwrap(), installation.secrets["token"].clone());
    moved.revision += 1;
    let audit = audit_of(&world);
    world
        .stores
        .installations
        .update(moved, installation.revision, audit)
        .await
        .unwrap();
    let node = tempfile::tempdir().unwrap();
    let other = world.node(node.path());
    let handle = other.handle(owner.tenant, &owner.tenant_name, &"sender".parse().unwrap());
    let call = Call {
        program: "placeholder",
        input: "\"other\"",
        execution: ExecutionId::new(SystemClock.now()),
        task: None,
        principal: None,
        user: None,
        traceparent: None,
        timeout: None,
    };
    let error = handle.active().await.unwrap().pool().call(call).await.result.unwrap_err();
    assert!(error.to_string().starts_with("nobody has set the secret `other`"), "{error}");

    extensions.remove_secret(owner, "sender", "token", None).await.unwrap();
    assert!(
        ask(&world, "placeholder", "\"token\"")
            .await
            .starts_with("nobody has set the secret `token`")
    );
    let again = extensions.remove_secret(owner, "sender", "token", None).await.unwrap_err();
    assert_eq!(again.code(), ErrorCode::SecretNotFound);
}

fn audit_of(world: &World) -> oriel_store::NewAudit {
    oriel_access::Actor::Principal(&world.owner).did(SystemClock.now(), "test", "test", json!({}))
}

#[tokio::test]
async fn only_who_may_write_sets_secrets_and_only_those_that_are_asked_for() {
    let world = world().await;
    let extensions = &world.extensions;
    let viewer = world.principal(Role::Viewer).await;
    let developer = world.principal(Role::Developer).await;
    assert_eq!(extensions.secrets(&viewer, "sender").await.unwrap().len(), 2);
    for principal in [&viewer, &developer] {
        let error = extensions.set_secret(principal, "sender", "token", VALUE, None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Forbidden);
        let error = extensions.remove_secret(principal, "sender", "token", None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Forbidden);
    }
    let check = async |name: &str, secret: &str, value: &str, code: ErrorCode| {
        let error = extensions.set_secret(&world.owner, name, secret, value, None).await.unwrap_err();
        assert_eq!(error.code(), code, "{name} {secret}: {error}");
        assert!(value.len() < 4 || !error.to_string().contains(value), "{error}");
    };
    check("nobody", "token", VALUE, ErrorCode::ExtensionNotFound).await;
    check("sender", "tokens", VALUE, ErrorCode::SecretNotFound).await;
    check("sender", "../token", VALUE, ErrorCode::SecretNotFound).await;
    check("sender", "token", "", ErrorCode::SecretInvalid).await;
    check("sender", "token", "two\nlines", ErrorCode::SecretInvalid).await;
    let stranger = extensions
        .set_secret(&world.stranger, "sender", "token", VALUE, None)
        .await
        .unwrap_err();
    assert_eq!(
        stranger.code(),
        ErrorCode::ExtensionNotFound,
        "another tenant's is as if it were not there"
    );
    let revision = extensions.get(&world.owner, "sender").await.unwrap().installation.revision;
    let late = extensions
        .set_secret(&world.owner, "sender", "token", VALUE, Some(revision + 1))
        .await
        .unwrap_err();
    assert_eq!(late.code(), ErrorCode::PreconditionFailed);
}

#[tokio::test]
async fn a_secret_outlives_upgrades_and_waits_for_consent() {
    let world = world().await;
    let (extensions, owner) = (&world.extensions, &world.owner);
    extensions.set_secret(owner, "sender", "token", VALUE, None).await.unwrap();
    // The next release asks for another host and another secret, and nobody has consented.
    let wider = json!({ "token": ["api.example.com", "new.example.com"], "fresh": ["a.example.com"] });
    extensions
        .upgrade(owner, "sender", asking("1.1.0", wider), Consent::Withheld, None)
        .await
        .unwrap();
    extensions.set_secret(owner, "sender", "fresh", "early", None).await.unwrap();
    assert_eq!(
        shown(&extensions.secrets(owner, "sender").await.unwrap()),
        [
            "fresh set a.example.com/",
            "other unset b.example.com/b.example.com",
            "token set api.example.com+new.example.com/api.example.com",
        ]
    );
    let wants = extensions.get(owner, "sender").await.unwrap().wants;
    assert_eq!(wants, ["secrets fresh for a.example.com", "secrets token for new.example.com"]);
    assert!(
        ask(&world, "placeholder", "\"fresh\"")
            .await
            .contains("the grant does not cover secrets fresh")
    );
    extensions.consent(owner, "sender", Consent::All, None).await.unwrap();
    for name in ["\"fresh\"", "\"token\""] {
        assert!(ask(&world, "placeholder", name).await.starts_with("\"oriel-secret-"), "{name}");
    }
    extensions.roll_back(owner, "sender", None).await.unwrap();
    assert!(ask(&world, "placeholder", "\"token\"").await.starts_with("\"oriel-secret-"));
    assert_eq!(
        shown(&extensions.secrets(owner, "sender").await.unwrap()),
        [
            "fresh set /",
            "other unset b.example.com/b.example.com",
            "token set api.example.com/api.example.com"
        ]
    );
    extensions.uninstall(owner, "sender", None).await.unwrap();
    world
        .install(asking("1.0.0", json!({ "token": ["api.example.com"], "other": ["b.example.com"] })))
        .await;
    assert!(
        ask(&world, "placeholder", "\"token\"").await.starts_with("nobody has set"),
        "it went with the installation"
    );
}

#[tokio::test]
async fn measurements_stand_under_their_extension_until_it_is_uninstalled() {
    let world = world().await;
    world.install(echo("1.0.0")).await;
    for _ in 0..2 {
        ask(&world, "count", r#"{"name": "orders", "value": 1.5, "labels": {"kind": "new"}}"#).await;
    }
    ask(&world, "count", r#"{"name": "orders", "value": 1, "times": 150, "varied": true}"#).await;
    let all = world.extensions.guest_metrics();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].tenant_id, all[0].extension.as_str()), (world.owner.tenant, "sender"));
    assert_eq!((all[0].series.len(), all[0].dropped), (100, 51));
    let first = all[0].series.iter().find(|series| series.labels[0].0 == "kind").unwrap();
    assert_eq!(first.value, oriel_extensions::GuestValue::Counter(3.0));
    // They go on over a change, and go with the installation.
    world
        .extensions
        .set_secret(&world.owner, "sender", "token", VALUE, None)
        .await
        .unwrap();
    ask(&world, "count", r#"{"name": "orders", "value": 1, "labels": {"kind": "new"}}"#).await;
    assert_eq!(world.extensions.guest_metrics()[0].series.len(), 100);
    world.extensions.uninstall(&world.owner, "sender", None).await.unwrap();
    assert!(world.extensions.guest_metrics().is_empty());
}
