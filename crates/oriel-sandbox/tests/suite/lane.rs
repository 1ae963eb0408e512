//! Calls that run for long: they go on in a lane of their own, and nobody can tell from their answers.

use oriel_model::ErrorCode;

use super::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_call_answers_and_is_charged_for_what_it_computed() {
    let (pool, _) = Setup::guest("hostile").pool();
    let outcome = pool.call(call("compute", "30000000")).await;
    let used = outcome.resources;
    assert_eq!(shown(outcome), "30000000");
    assert!(used.guest_cpu_us > 4_000, "long enough to have left: {used:?}");
    assert!(used.guest_cpu_us <= used.wall_us, "waiting for a seat is not computing: {used:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_long_calls_than_seats_all_end() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.cpu = ms(60_000)).pool();
    let calls: Vec<_> = (0..6)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { answer(&pool, "compute", "10000000").await })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "10000000");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_call_that_waits_gives_its_seat_up() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.timeout = ms(60_000)).pool();
    // More of them than there are seats sleep for as long as the test runs.
    let sleeping: Vec<_> = (0..8)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { answer(&pool, "compute-and-sleep", "10000000").await })
        })
        .collect();
    while pool.stats().busy < 8 {
        tokio::task::yield_now().await;
    }
    assert_eq!(answer(&pool, "compute", "10000000").await, "10000000");
    for call in sleeping {
        assert!(!call.is_finished());
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_in_the_lane() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.cpu = ms(50)).pool();
    for _ in 0..3 {
        let (code, used) = failure(&pool, "loop", "1").await;
        assert_eq!(code, ErrorCode::ExecutionCpu);
        assert!(used.guest_cpu_us >= 50_000, "{used:?}");
        // Whoever comes after a call that was stopped begins in the lane, and answers like any other.
        assert_eq!(answer(&pool, "echo", "1").await, "1");
    }
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.timeout = ms(50)).pool();
    assert_eq!(failure(&pool, "loop", "1").await.0, ErrorCode::ExecutionTimeout);
}
