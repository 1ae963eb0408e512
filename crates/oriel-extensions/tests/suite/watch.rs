//! A watched directory installs what appears in it.

use std::time::Duration;

use oriel_model::ErrorCode;

use crate::lifecycle::call;
use crate::support::{World, echo};

/// Waits for something that another task brings about.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting)
        .await
        .expect("it happens in time");
}

async fn version(world: &World) -> Option<String> {
    let status = world.extensions.get(&world.owner, "echo").await.ok()?;
    Some(status.installation.release.manifest.version.to_string())
}

#[tokio::test]
async fn packages_in_the_directory_are_installed_and_upgraded() {
    let world = World::new().await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("echo-1.0.0.oriel"), echo("1.0.0")).unwrap();
    std::fs::write(directory.path().join("broken.oriel"), "not a package").unwrap();
    std::fs::write(directory.path().join("README.md"), "not a package either").unwrap();
    let tenant = world.access.tenant_of(&world.owner).await.unwrap();
    let _watcher = world.extensions.watch(directory.path().to_owned(), tenant).unwrap();
    until(async || version(&world).await.as_deref() == Some("1.0.0")).await;
    assert_eq!(call(&world, "echo", "echo", "1").await, Ok("1".to_owned()));

    std::fs::write(directory.path().join("echo-1.1.0.oriel"), echo("1.1.0")).unwrap();
    until(async || version(&world).await.as_deref() == Some("1.1.0")).await;
    std::fs::write(directory.path().join("echo-0.9.0.oriel"), echo("0.9.0")).unwrap();
    std::fs::remove_file(directory.path().join("echo-1.0.0.oriel")).unwrap();
    std::fs::write(directory.path().join("echo-1.2.0.oriel"), echo("1.2.0")).unwrap();
    until(async || version(&world).await.as_deref() == Some("1.2.0")).await;
    assert_ne!(call(&world, "echo", "echo", "1").await, Err(ErrorCode::ExtensionNotFound));
}
