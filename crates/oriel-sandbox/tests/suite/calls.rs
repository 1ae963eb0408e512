//! What a call answers and costs.

use oriel_model::id::{KeyId, TaskId};
use oriel_model::manifest::Reuse;
use oriel_sandbox::Call;

use super::support::*;

#[tokio::test]
async fn a_program_answers() {
    let (pool, _) = Setup::guest("echo").pool();
    assert_eq!(answer(&pool, "echo", r#"{"a":[1,"ü"]}"#).await, r#"{"a":[1,"ü"]}"#);
    assert_eq!(answer(&pool, "upper", r#""abc""#).await, r#""ABC""#);
    assert_eq!(
        answer(&pool, "nothing", "1").await,
        "execution.rejected: there is no program `nothing`"
    );
    let large = format!("\"{}\"", "x".repeat(1 << 20));
    assert_eq!(answer(&pool, "echo", &large).await, large);
}

#[tokio::test]
async fn each_error_of_a_guest_has_its_code() {
    let (pool, _) = Setup::guest("hostile").pool();
    for (case, code) in [
        ("invalid-input", "execution.rejected: words"),
        ("unavailable", "execution.unavailable: words"),
        ("denied", "execution.denied: words"),
        ("limit-exceeded", "execution.limit_exceeded: words"),
        ("deadline-exceeded", "execution.timeout: the call did not end within 60000 ms"),
        ("internal", "execution.failed: words"),
    ] {
        assert_eq!(answer(&pool, "fail", case).await, code);
    }
    assert_eq!(pool.stats().broken, 0, "an error is an answer, not a crash");
}

#[tokio::test]
async fn output_is_passed_on_as_it_is() {
    let (pool, _) = Setup::guest("hostile").pool();
    assert_eq!(answer(&pool, "garbage", "1").await, "{not json");
}

#[tokio::test]
async fn a_guests_words_are_cut() {
    let (pool, _) = Setup::guest("hostile").pool();
    let words = answer(&pool, "huge-error", "1000000").await;
    assert!(words.len() < 5_000, "{}", words.len());
}

#[tokio::test]
async fn a_call_reports_what_it_cost() {
    let (pool, _) = Setup::guest("hostile").pool();
    let outcome = pool.call(call("host-calls", "1234")).await;
    assert!(outcome.result.is_ok());
    assert_eq!(outcome.resources.host_calls, 1_234);
    assert!(outcome.resources.peak_memory >= 1 << 16);
    let computing = pool.call(call("spin-ms", "30")).await.resources;
    assert!(computing.guest_cpu_us >= 10_000, "{computing:?}");
    assert!(computing.wall_us >= computing.guest_cpu_us);
    let waiting = pool.call(call("sleep", "30")).await.resources;
    assert!(waiting.wall_us >= 30_000, "{waiting:?}");
    assert!(waiting.guest_cpu_us < waiting.wall_us / 2, "waiting is not computing: {waiting:?}");
}

#[tokio::test]
async fn a_guest_learns_where_it_runs() {
    let (pool, _) = Setup::guest("hostile").pool();
    let call = Call {
        task: Some(TaskId::from_ulid(ulid::Ulid::from_parts(1, 7))),
        principal: Some(KeyId::from_ulid(ulid::Ulid::from_parts(1, 8)).into()),
        user: None,
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ..call("context", "1")
    };
    let expected = format!(
        "\"acme {} specimen@1.2.3 {} {} 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"",
        call.principal.unwrap(),
        call.execution,
        call.task.unwrap()
    );
    assert_eq!(shown(pool.call(call).await), expected);
    // Nothing of one call is seen by the next.
    let next = super::support::call("context", "1");
    let expected = format!("\"acme - specimen@1.2.3 {} - -\"", next.execution);
    assert_eq!(shown(pool.call(next).await), expected);
}

#[tokio::test]
async fn a_guest_reads_its_configuration() {
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| spec.config = r#"{"colour":"green"}"#.into())
        .pool();
    assert_eq!(answer(&pool, "config", "1").await, r#"{"colour":"green"}"#);
}

#[tokio::test]
async fn reused_instances_remember_and_fresh_ones_do_not() {
    let (pool, _) = Setup::guest("hostile").pool();
    for expected in ["1", "2", "3"] {
        assert_eq!(answer(&pool, "remember", "1").await, expected);
    }
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.reuse = Reuse::Fresh).pool();
    for _ in 0..3 {
        assert_eq!(answer(&pool, "remember", "1").await, "1");
    }
    assert_eq!((pool.stats().started, pool.stats().idle), (3, 0));
}

#[tokio::test]
async fn after_a_crash_the_next_call_has_a_new_instance() {
    let (pool, traces) = Setup::guest("hostile").pool();
    let mut lease = pool.lease(std::time::Duration::from_secs(60)).await.unwrap();
    assert_eq!(shown(lease.call(call("remember", "1")).await), "1");
    let words = shown(lease.call(call("trap", "1")).await);
    assert!(
        words.starts_with("execution.trapped: the program crashed: wasm trap: wasm `unreachable`"),
        "{words}"
    );
    assert_eq!(shown(lease.call(call("remember", "1")).await), "1");
    assert!(
        traces.lines().iter().any(|line| line.contains("on purpose")),
        "the panic's message is in the log"
    );
    let words = shown(lease.call(call("exit", "1")).await);
    assert!(words.starts_with("execution.trapped"), "{words}");
    drop(lease);
    assert_eq!((pool.stats().started, pool.stats().calls, pool.stats().broken), (2, 4, 2));
}
