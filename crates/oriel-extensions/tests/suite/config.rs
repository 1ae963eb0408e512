//! Configuration: schema, secrets, the extension's own check, and starting with it.

use oriel_extensions::{Consent, SECRET_MASK};
use oriel_model::installation::InstallationState;
use oriel_model::{Coded, ErrorCode};
use serde_json::{Value, json};

use crate::lifecycle::call;
use crate::support::{World, manifest, package};

fn configurable(version: &str, required: &[&str]) -> Value {
    let mut manifest = manifest("hostile", version, &["config", "echo"]);
    manifest["lifecycle"] = json!(true);
    manifest["permissions"] = json!({ "keyValue": true, "network": ["api.example.com"] });
    manifest["configSchema"] = json!({
        "type": "object",
        "additionalProperties": false,
        "required": required,
        "properties": {
            "token": { "type": "string", "minLength": 3, "writeOnly": true },
            "channel": { "type": "string", "default": "#general" },
            "initialize": { "enum": ["trap", "error", "loop", "fine"] },
        }
    });
    manifest
}

#[tokio::test]
async fn an_extension_that_needs_configuration_waits_for_it() {
    let world = World::new().await;
    let installed = world
        .extensions
        .install(
            &world.owner,
            package("hostile", configurable("1.0.0", &["token"])),
            Consent::All,
            true,
        )
        .await
        .unwrap();
    assert_eq!(installed.state, InstallationState::Disabled);
    let enabled = world.extensions.set_enabled(&world.owner, "hostile", true, None).await.unwrap_err();
    assert_eq!(enabled.code(), ErrorCode::ConfigInvalid);
    for bad in [
        json!({}),
        json!({"token": 1}),
        json!({"token": "xoxb", "colour": "red"}),
        json!("text"),
    ] {
        let error = world.extensions.configure(&world.owner, "hostile", bad, None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::ConfigInvalid);
    }
    world
        .extensions
        .configure(&world.owner, "hostile", json!({"token": "xoxb-1"}), None)
        .await
        .unwrap();
    world.extensions.set_enabled(&world.owner, "hostile", true, None).await.unwrap();
    let seen: Value = serde_json::from_str(&call(&world, "hostile", "config", "1").await.unwrap()).unwrap();
    assert_eq!(seen, json!({"token": "xoxb-1", "channel": "#general"}));

    let shown = world.extensions.get(&world.owner, "hostile").await.unwrap().installation.config;
    assert_eq!(shown, json!({"token": SECRET_MASK}));
    let stored = world
        .stores
        .installations
        .get(world.owner.tenant, "hostile")
        .await
        .unwrap()
        .unwrap();
    assert!(
        !serde_json::to_string(&stored).unwrap().contains("xoxb-1"),
        "secrets are sealed at rest"
    );

    // What was shown can be sent back with a change, and the secret stays.
    world
        .extensions
        .configure(&world.owner, "hostile", json!({"token": SECRET_MASK, "channel": "#ops"}), None)
        .await
        .unwrap();
    let seen: Value = serde_json::from_str(&call(&world, "hostile", "config", "1").await.unwrap()).unwrap();
    assert_eq!(seen, json!({"token": "xoxb-1", "channel": "#ops"}));
}

#[tokio::test]
async fn what_does_not_start_never_replaces_what_works() {
    let world = World::new().await;
    world.install(package("hostile", configurable("1.0.0", &[]))).await;
    for bad in ["trap", "error"] {
        let error = world
            .extensions
            .configure(&world.owner, "hostile", json!({ "initialize": bad }), None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::ExtensionStartFailed, "{error}");
        assert_eq!(
            call(&world, "hostile", "echo", "1").await,
            Ok("1".to_owned()),
            "the old configuration still runs"
        );
    }
    // An upgrade whose schema does not accept the present configuration is refused whole.
    world
        .extensions
        .configure(&world.owner, "hostile", json!({"channel": "#a"}), None)
        .await
        .unwrap();
    let strict = package("hostile", configurable("2.0.0", &["token"]));
    let error = world
        .extensions
        .upgrade(&world.owner, "hostile", strict, Consent::All, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::ConfigInvalid);
    assert_eq!(call(&world, "hostile", "echo", "1").await, Ok("1".to_owned()));
}
