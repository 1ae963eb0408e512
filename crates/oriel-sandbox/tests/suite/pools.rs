//! Leases, drains, idleness, eviction.

use std::time::Duration;

use oriel_model::manifest::Reuse;
use oriel_sandbox::{CallError, Sandbox};

use super::support::*;

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn futures_can_move_between_threads() {
    fn check<T: Send>(_: &T) {}
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _entered = runtime.enter();
    let (pool, _) = Setup::guest("echo").pool();
    check(&pool.call(call("echo", "1")));
    check(&pool.lease(WAIT));
    check(&pool.health_check());
    check(&pool.check_config("{}"));
    check(&pool.drain());
    check(&sandbox().prepare(oriel_model::Digest::of(b""), b""));
}

#[tokio::test]
async fn draining_waits_for_leases_and_refuses_new_ones() {
    let (pool, _) = Setup::guest("echo").with(|spec| spec.limits.instances = 1).pool();
    let mut lease = pool.lease(WAIT).await.unwrap();
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.lease(WAIT).await.err() }
    });
    while pool.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let draining = tokio::spawn({
        let pool = pool.clone();
        async move { pool.drain().await }
    });
    assert!(
        matches!(waiting.await.unwrap(), Some(CallError::Draining)),
        "who waits is sent away"
    );
    assert!(matches!(pool.lease(WAIT).await, Err(CallError::Draining)));
    assert!(lease.is_stale());
    assert_eq!(shown(lease.call(call("echo", "1")).await), "1", "a lease that is out goes on");
    assert!(!draining.is_finished());
    drop(lease);
    draining.await.unwrap();
    assert_eq!((pool.stats().idle, pool.stats().busy), (0, 0));
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_the_instance_along() {
    let (pool, _) = Setup::guest("hostile").pool();
    assert_eq!(answer(&pool, "remember", "1").await, "1");
    let gone = tokio::time::timeout(Duration::from_millis(20), pool.call(call("sleep", "600000"))).await;
    assert!(gone.is_err());
    assert_eq!((pool.stats().busy, pool.stats().idle), (0, 0));
    assert_eq!(answer(&pool, "remember", "1").await, "1");
}

#[tokio::test]
async fn who_stops_waiting_leaves_the_queue() {
    let (pool, _) = Setup::guest("echo").with(|spec| spec.limits.instances = 1).pool();
    let held = pool.lease(WAIT).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(
            pool.lease(Duration::from_millis(1)).await,
            Err(CallError::Overloaded { .. })
        ));
    }
    assert_eq!(pool.stats().waiting, 0);
    drop(held);
    assert_eq!(answer(&pool, "echo", "1").await, "1");
}

#[tokio::test]
async fn idle_instances_are_reaped() {
    let mut options = options();
    options.idle_after = Duration::from_millis(1);
    let sandbox = Sandbox::new(options).unwrap();
    let (pool, _) = Setup::guest("echo").pool_in(&sandbox);
    assert_eq!(answer(&pool, "echo", "1").await, "1");
    while pool.stats().idle > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(answer(&pool, "echo", "2").await, "2", "and made again when needed");
    assert_eq!(pool.stats().started, 2);
}

#[tokio::test]
async fn the_longest_idle_instance_gives_way() {
    let mut options = options();
    options.max_instances = 2;
    let sandbox = Sandbox::new(options).unwrap();
    let pools: Vec<_> = (0..3).map(|_| Setup::guest("echo").pool_in(&sandbox).0).collect();
    for pool in &pools {
        assert_eq!(answer(pool, "echo", "1").await, "1");
    }
    let idle: Vec<_> = pools.iter().map(|pool| pool.stats().idle).collect();
    assert_eq!(idle, [0, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_too_few_slots_for_all_everybody_is_served() {
    for reuse in [Reuse::Reuse, Reuse::Fresh] {
        let mut options = options();
        options.max_instances = 2;
        let sandbox = Sandbox::new(options).unwrap();
        let mut tasks = Vec::new();
        for number in 0..6 {
            let (pool, _) = Setup::guest("echo").with(|spec| spec.reuse = reuse).pool_in(&sandbox);
            for _ in 0..4 {
                let pool = pool.clone();
                tasks.push(tokio::spawn(async move {
                    for _ in 0..20 {
                        let input = number.to_string();
                        assert_eq!(answer(&pool, "echo", &input).await, input);
                    }
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_pool_costs_nothing_until_it_is_called() {
    let setup = Setup::guest("echo");
    let wasm = oriel_test_guests::component("echo");
    let pools: Vec<_> = (0..10_000)
        .map(|number| {
            let spec = oriel_sandbox::PoolSpec::new(
                tenant(number),
                "acme".parse().unwrap(),
                "specimen".parse().unwrap(),
                "1.2.3".parse().unwrap(),
                setup.spec.code.clone(),
                setup.spec.services.clone(),
            );
            sandbox().pool(spec)
        })
        .collect();
    assert!(pools.iter().all(|pool| pool.stats().started == 0));
    assert_eq!(answer(&pools[9_999], "echo", "1").await, "1");
    drop(wasm);
}

#[tokio::test]
async fn a_pool_never_serves_another_tenants_instance() {
    // The same bytes for two tenants: compiled once, instantiated apart.
    let (first, _) = Setup::guest("hostile").with(|spec| spec.tenant = tenant(1)).pool();
    let (second, _) = Setup::guest("hostile").with(|spec| spec.tenant = tenant(2)).pool();
    assert_eq!(answer(&first, "remember", "1").await, "1");
    assert_eq!(answer(&first, "remember", "1").await, "2");
    assert_eq!(answer(&second, "remember", "1").await, "1");
}
