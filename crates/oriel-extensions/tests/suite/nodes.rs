//! Several nodes on one database: one is faster than another, and each compiles for itself.

use std::sync::Arc;

use bytes::Bytes;
use oriel_extensions::{CodeLookups, Consent, ExtensionsOptions};
use oriel_model::{Coded, Digest, ErrorCode};
use oriel_store::{Blobs, Result};
use tokio::sync::{Notify, Semaphore};

use crate::lifecycle::{call, call_on};
use crate::support::{World, echo};

/// Packages whose next writer, once told so, waits after its file is there and before anything refers to it.
struct Held {
    packages: Arc<dyn Blobs>,
    hold: Semaphore,
    written: Notify,
    go_on: Notify,
}

#[async_trait::async_trait]
impl Blobs for Held {
    async fn put(&self, digest: Digest, bytes: Bytes) -> Result<()> {
        self.packages.put(digest, bytes).await?;
        if let Ok(permit) = self.hold.try_acquire() {
            permit.forget();
            self.written.notify_one();
            self.go_on.notified().await;
        }
        Ok(())
    }

    async fn get(&self, digest: Digest) -> Result<Option<Bytes>> {
        self.packages.get(digest).await
    }

    async fn delete(&self, digest: Digest) -> Result<()> {
        self.packages.delete(digest).await
    }
}

/// A world whose packages can be held.
async fn world() -> (World, Arc<Held>) {
    let mut held = None;
    let world = World::with(ExtensionsOptions::default(), |mut stores| {
        let packages = Arc::new(Held {
            packages: stores.blobs.clone(),
            hold: Semaphore::new(0),
            written: Notify::new(),
            go_on: Notify::new(),
        });
        held = Some(packages.clone());
        stores.blobs = packages;
        stores
    })
    .await;
    (world, held.unwrap())
}

#[tokio::test]
async fn the_slower_change_leaves_nothing() {
    let (world, held) = world().await;
    let cache = tempfile::tempdir().unwrap();
    let (slow, fast, owner) = (&world.extensions, world.node(cache.path()), &world.owner);
    let kept = async |package: &Bytes| {
        let inspected = slow.inspect(owner, package.clone()).await.unwrap();
        held.get(inspected.release.package).await.unwrap().is_some()
    };

    // The other node installs another release of the same name meanwhile.
    let (mine, theirs) = (echo("1.0.0"), echo("1.1.0"));
    held.hold.add_permits(1);
    let (installed, ()) = tokio::join!(slow.install(owner, mine.clone(), Consent::All, true), async {
        held.written.notified().await;
        fast.install(owner, theirs.clone(), Consent::All, true).await.unwrap();
        held.go_on.notify_one();
    });
    assert_eq!(installed.unwrap_err().code(), ErrorCode::ExtensionConflict);
    assert!(!kept(&mine).await && kept(&theirs).await);

    // It switches off what is being upgraded here.
    let next = echo("1.2.0");
    held.hold.add_permits(1);
    let (upgraded, ()) = tokio::join!(slow.upgrade(owner, "echo", next.clone(), Consent::All, None), async {
        held.written.notified().await;
        fast.set_enabled(owner, "echo", false, None).await.unwrap();
        held.go_on.notify_one();
    });
    assert_eq!(upgraded.unwrap_err().code(), ErrorCode::ExtensionConflict);
    assert!(!kept(&next).await && kept(&theirs).await);
    assert_eq!(world.audited().await[2..], ["extension.install", "extension.disable"]);

    // Nothing stands in the way of another try.
    slow.upgrade(owner, "echo", next.clone(), Consent::All, None).await.unwrap();
    slow.set_enabled(owner, "echo", true, None).await.unwrap();
    assert!(kept(&next).await);
    assert_eq!(call(&world, "echo", "echo", "1").await, Ok("1".to_owned()));
}

/// The file is shared: one tenant takes it away in the moment between another's file and the installation that refers to it.
#[tokio::test]
async fn a_package_that_somebody_is_installing_is_not_taken_away() {
    let (world, held) = world().await;
    let package = echo("1.0.0");
    world.install(package.clone()).await;
    let release = world.extensions.inspect(&world.owner, package.clone()).await.unwrap().release;
    held.hold.add_permits(1);
    let install = world.extensions.install(&world.stranger, package, Consent::All, true);
    let (installed, ()) = tokio::join!(install, async {
        held.written.notified().await;
        let uninstall = world.extensions.uninstall(&world.owner, "echo", None);
        let (uninstalled, ()) = tokio::join!(uninstall, async { held.go_on.notify_one() });
        uninstalled.unwrap();
    });
    installed.unwrap();
    assert!(held.get(release.package).await.unwrap().is_some());

    world.extensions.uninstall(&world.stranger, "echo", None).await.unwrap();
    assert!(held.get(release.package).await.unwrap().is_none(), "nobody uses it any more");
}

#[tokio::test]
async fn each_look_for_compiled_code_is_counted() {
    let world = World::new().await;
    let lookups = |hits, misses| CodeLookups { hits, misses };
    assert_eq!(world.extensions.code_lookups(), lookups(0, 0));
    world.install(echo("1.0.0")).await;
    assert_eq!(world.extensions.code_lookups(), lookups(0, 1), "compiled at install");
    call(&world, "echo", "echo", "1").await.unwrap();
    assert_eq!(world.extensions.code_lookups(), lookups(0, 1), "a call looks for nothing");
    let upgrade = world.extensions.upgrade(&world.owner, "echo", echo("1.1.0"), Consent::All, None);
    upgrade.await.unwrap();
    assert_eq!(world.extensions.code_lookups(), lookups(1, 1), "the same component");

    // A node without compiled code compiles at the first call; its next start finds it.
    let cache = tempfile::tempdir().unwrap();
    for expected in [lookups(0, 1), lookups(1, 0)] {
        let node = world.node(cache.path());
        for _ in 0..3 {
            call_on(&node, &world.owner, "echo", "echo", "1").await.unwrap();
        }
        assert_eq!(node.code_lookups(), expected);
    }
}
