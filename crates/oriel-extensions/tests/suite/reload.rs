//! Hot reload: calls in flight end on their release, later ones begin on the next, none is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use oriel_extensions::Consent;
use oriel_model::id::ExecutionId;
use oriel_model::time::{Clock, SystemClock};
use oriel_sandbox::{Call, CallError};

use crate::support::{World, echo};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_releases_change() {
    let world = Arc::new(World::new().await);
    world.install(echo("1.0.0")).await;
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (world, stop, answered) = (world.clone(), stop.clone(), answered.clone());
            tokio::spawn(async move {
                let handle = world
                    .extensions
                    .handle(world.owner.tenant, &world.owner.tenant_name, &"echo".parse().unwrap());
                while !stop.load(Ordering::Relaxed) {
                    let execution = ExecutionId::new(SystemClock.now());
                    let call = Call {
                        program: "upper",
                        input: "\"a\"",
                        execution,
                        task: None,
                        principal: None,
                        user: None,
                        traceparent: None,
                        timeout: None,
                    };
                    let result = loop {
                        match handle.active().await.unwrap().pool().call(call).await.result {
                            // The one error that tells to ask for the next release.
                            Err(CallError::Draining) => tokio::task::yield_now().await,
                            result => break result,
                        }
                    };
                    assert_eq!(result.unwrap(), "\"A\"");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for minor in 1..=20 {
        let before = answered.load(Ordering::Relaxed);
        world
            .extensions
            .upgrade(&world.owner, "echo", echo(&format!("1.{minor}.0")), Consent::All, None)
            .await
            .unwrap();
        // Every release answers something before the next one comes.
        while answered.load(Ordering::Relaxed) < before + 10 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
}
