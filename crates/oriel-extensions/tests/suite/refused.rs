//! Packages that must not get in, each with its code, none leaving anything behind.

use bytes::Bytes;
use oriel_extensions::{Consent, ExtensionsOptions};
use oriel_model::page::PageRequest;
use oriel_model::{Coded, ErrorCode};
use serde_json::json;

use crate::support::{World, echo, kv, manifest, package};

async fn check(world: &World, package: Bytes, code: ErrorCode) {
    let error = world
        .extensions
        .install(&world.owner, package, Consent::All, true)
        .await
        .unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    let listed = world.extensions.list(&world.owner, PageRequest::first()).await.unwrap();
    assert!(listed.items.is_empty(), "something stayed: {listed:?}");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_its_code() {
    let world = World::new().await;
    let good = echo("1.0.0");
    check(&world, Bytes::new(), ErrorCode::PackageInvalid).await;
    check(&world, good.slice(..good.len() / 2), ErrorCode::PackageInvalid).await;
    check(&world, Bytes::from_static(b"not a tar at all"), ErrorCode::PackageInvalid).await;

    let undeclared = package("kv", manifest("kv", "1.0.0", &["count"]));
    check(&world, undeclared, ErrorCode::ComponentImport).await;

    let mut lifecycle = manifest("echo", "1.0.0", &["echo"]);
    lifecycle["lifecycle"] = json!(true);
    check(&world, package("echo", lifecycle), ErrorCode::ComponentExport).await;
}

#[tokio::test]
async fn a_known_version_never_means_other_content() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let again = world
        .extensions
        .install(&world.owner, echo("1.0.0"), Consent::All, true)
        .await
        .unwrap_err();
    assert_eq!(again.code(), ErrorCode::ExtensionExists);
    let mut other = manifest("echo", "1.0.0", &["echo"]);
    other["description"] = json!("The same version, but another package.");
    let other = package("echo", other);
    let upgraded = world
        .extensions
        .upgrade(&world.owner, "echo", other.clone(), Consent::All, None)
        .await
        .unwrap_err();
    assert_eq!(upgraded.code(), ErrorCode::VersionExists);
    world.extensions.uninstall(&world.owner, "echo", None).await.unwrap();
    let reinstalled = world.extensions.install(&world.owner, other, Consent::All, true).await.unwrap_err();
    assert_eq!(reinstalled.code(), ErrorCode::VersionExists, "also after an uninstall");
    let same = world
        .extensions
        .upgrade(&world.owner, "nothing", echo("1.0.0"), Consent::All, None)
        .await
        .unwrap_err();
    assert_eq!(same.code(), ErrorCode::ExtensionNotFound);
}

#[tokio::test]
async fn a_package_of_another_extension_is_no_upgrade() {
    let world = World::new().await;
    world.install(echo("1.0.0")).await;
    let error = world
        .extensions
        .upgrade(&world.owner, "echo", kv("1.1.0"), Consent::All, None)
        .await
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::RequestInvalid);
}

#[tokio::test]
async fn private_networks_are_the_operators_to_allow() {
    let mut private = manifest("echo", "1.0.0", &["echo"]);
    private["permissions"] = json!({ "network": ["127.0.0.1:9"], "privateNetwork": ["127.0.0.0/8"] });
    let private = package("echo", private);
    check(&World::new().await, private.clone(), ErrorCode::Forbidden).await;
    let options = ExtensionsOptions {
        private_networks: vec!["127.0.0.0/8".parse().unwrap()],
        ..Default::default()
    };
    World::with(options, |stores| stores).await.install(private).await;
}
