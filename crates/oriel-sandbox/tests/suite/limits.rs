//! Each limit, gone over.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use oriel_model::{Coded, ErrorCode};

use super::support::*;

#[tokio::test]
async fn memory() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.memory = bytes(16 << 20)).pool();
    let (code, resources) = failure(&pool, "allocate", "1").await;
    assert_eq!(code, ErrorCode::ExecutionMemory);
    assert!((1 << 20..=16 << 20).contains(&resources.peak_memory), "{resources:?}");
    // A refusal that the guest copes with is no failure.
    assert_eq!(answer(&pool, "allocate-politely", "100000000").await, "false");
    assert_eq!(answer(&pool, "allocate-politely", "1000").await, "true");
    // A later crash of another kind is not blamed on it.
    assert_eq!(failure(&pool, "trap", "1").await.0, ErrorCode::ExecutionTrap);
}

#[tokio::test]
async fn memory_at_the_start() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.memory = bytes(64 << 10)).pool();
    let words = answer(&pool, "echo", "1").await;
    assert!(words.starts_with("extension.start_failed: ") && words.contains("memory"), "{words}");
}

#[tokio::test]
async fn stack() {
    let (pool, _) = Setup::guest("hostile").pool();
    let words = answer(&pool, "recurse", "1").await;
    // Which of its two stacks a guest exhausts first, the engine's or the one in its memory, is its compiler's choice.
    assert!(words.starts_with("execution.trapped: the program crashed: wasm trap: "), "{words}");
}

#[tokio::test]
async fn cpu() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.cpu = ms(20)).pool();
    assert_eq!(failure(&pool, "loop", "1").await.0, ErrorCode::ExecutionCpu);
    // Waiting does not count.
    assert_eq!(answer(&pool, "sleep", "100").await, "null");
}

#[tokio::test]
async fn timeout_of_a_guest_that_computes() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.timeout = ms(20)).pool();
    assert_eq!(failure(&pool, "loop", "1").await.0, ErrorCode::ExecutionTimeout);
}

#[tokio::test]
async fn timeout_of_a_guest_that_computes_in_host_calls() {
    let limits = |spec: &mut oriel_sandbox::PoolSpec| {
        spec.limits.timeout = ms(20);
        // A quick machine makes the default number of calls within the time.
        spec.limits.host_calls = u32::MAX;
    };
    let (pool, _) = Setup::guest("hostile").with(limits).pool();
    assert_eq!(failure(&pool, "wasi-calls", "1").await.0, ErrorCode::ExecutionTimeout);
}

#[tokio::test]
async fn timeout_of_a_guest_that_waits() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.timeout = ms(20)).pool();
    assert_eq!(failure(&pool, "sleep", "600000").await.0, ErrorCode::ExecutionTimeout);
}

#[tokio::test]
async fn a_caller_may_ask_for_less_time_but_not_for_more() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.timeout = ms(50)).pool();
    for (asked, told) in [(10, "within 10 ms"), (1_000_000, "within 50 ms")] {
        let mut call = call("loop", "1");
        call.timeout = Some(Duration::from_millis(asked));
        let words = shown(pool.call(call).await);
        assert!(words.ends_with(told), "{words}");
    }
}

#[tokio::test]
async fn after_the_soft_deadline_host_calls_answer_deadline_exceeded() {
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.limits.timeout = ms(20);
            spec.limits.host_calls = u32::MAX;
            spec.grant.key_value = true;
        })
        .pool();
    assert_eq!(answer(&pool, "after-deadline", "1").await, "\"deadline-exceeded\"");
}

#[tokio::test]
async fn a_store_that_never_answers_ends_at_the_deadline() {
    let (pool, traces) = Setup::guest("kv")
        .with(|spec| {
            spec.limits.timeout = ms(20);
            spec.grant.key_value = true;
        })
        .pool();
    traces.stuck.store(true, Relaxed);
    assert_eq!(failure(&pool, "get", "key").await.0, ErrorCode::ExecutionTimeout);
    assert_eq!(pool.stats().broken, 0, "the guest could end by itself");
}

#[tokio::test]
async fn start_timeout() {
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.limits.start_timeout = ms(50);
            spec.lifecycle = true;
            spec.config = r#"{"initialize":"loop"}"#.into();
        })
        .pool();
    let words = answer(&pool, "echo", "1").await;
    assert!(
        words.starts_with("extension.start_failed: the extension did not start: "),
        "{words}"
    );
}

/// A component whose core module has a table of `elements`, instantiated `times`.
fn tables(elements: u32, times: u32) -> Vec<u8> {
    let instances = "(core instance (instantiate $m))".repeat(times as usize);
    let text = format!("(component (core module $m (table {elements} funcref)) {instances})");
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn table_elements() {
    let start = async |limit| {
        let (pool, _) = Setup::wasm(tables(1_000, 3)).with(|spec| spec.limits.table_elements = limit).pool();
        pool.health_check().await.map_err(|error| error.to_string())
    };
    assert!(start(3_000).await.unwrap().healthy);
    let words = start(2_999).await.unwrap_err();
    assert!(words.contains("table elements"), "{words}");
}

#[tokio::test]
async fn core_instances() {
    let start = async |limit| {
        let (pool, _) = Setup::wasm(tables(1, 40)).with(|spec| spec.limits.core_instances = limit).pool();
        pool.health_check().await.map_err(|error| error.to_string())
    };
    assert!(start(100).await.unwrap().healthy);
    let words = start(39).await.unwrap_err();
    assert!(words.contains("instance"), "{words}");
}

#[tokio::test]
async fn instances_and_queue() {
    let (pool, _) = Setup::guest("echo")
        .with(|spec| {
            spec.limits.instances = 2;
            spec.limits.queue = 1;
        })
        .pool();
    let wait = Duration::from_secs(60);
    let first = pool.lease(wait).await.unwrap();
    let _second = pool.lease(wait).await.unwrap();
    let mut waiting = Box::pin(pool.lease(wait));
    assert!(futures_now(&mut waiting).is_none(), "the third has to wait");
    let refused = pool.lease(wait).await.err().unwrap();
    assert_eq!(refused.code(), ErrorCode::ExtensionOverloaded);
    assert_eq!((pool.stats().busy, pool.stats().waiting), (2, 1));
    drop(first);
    assert!(waiting.await.is_ok());
    assert_eq!((pool.stats().busy, pool.stats().waiting), (1, 0));
}

/// The output of a future that is ready.
fn futures_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn input_and_output() {
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.limits.input = bytes(10);
            spec.limits.output = bytes(100);
        })
        .pool();
    assert_eq!(failure(&pool, "echo", "12345678901").await.0, ErrorCode::InputTooLarge);
    assert_eq!(answer(&pool, "huge", "100").await.len(), 100);
    assert_eq!(failure(&pool, "huge", "101").await.0, ErrorCode::OutputTooLarge);
    assert_eq!(answer(&pool, "echo", "1").await, "1");
}

#[tokio::test]
async fn host_calls() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.host_calls = 100).pool();
    assert_eq!(answer(&pool, "host-calls", "100").await, "null");
    assert_eq!(failure(&pool, "host-calls", "101").await.0, ErrorCode::ExecutionHostCalls);
    assert_eq!(failure(&pool, "wasi-calls", "1").await.0, ErrorCode::ExecutionHostCalls);
    assert_eq!(answer(&pool, "host-calls", "100").await, "null", "each call counts anew");
}

#[tokio::test]
async fn host_call_bytes() {
    let (pool, _) = Setup::guest("hostile")
        .with(|spec| spec.limits.host_call_bytes = bytes(10 << 10))
        .pool();
    assert_eq!(answer(&pool, "flood-log", "10").await, "null");
    assert_eq!(failure(&pool, "flood-log", "11").await.0, ErrorCode::ExecutionHostCalls);
}

#[tokio::test]
async fn log_bytes() {
    let (pool, traces) = Setup::guest("hostile").with(|spec| spec.limits.log = bytes(4 << 10)).pool();
    assert_eq!(answer(&pool, "flood-log", "10").await, "null", "too many lines are no error");
    let lines = traces.lines();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[4], "6 log lines were dropped: the call went over its `log` limit");
    assert_eq!(answer(&pool, "flood-log", "1").await, "null");
    assert_eq!(traces.lines().len(), 6, "each call has its own budget");
    assert_eq!(answer(&pool, "flood-stdout", "10").await, "null");
    assert_eq!(traces.lines().len(), 10, "standard output is counted too: {:?}", traces.lines());
}

#[tokio::test]
async fn key_value_length() {
    let (pool, _) = Setup::guest("kv")
        .with(|spec| {
            spec.limits.kv_value = bytes(1_000);
            spec.grant.key_value = true;
        })
        .pool();
    assert_eq!(answer(&pool, "large", "1000").await, "1");
    let words = answer(&pool, "large", "1001").await;
    assert_eq!(
        words,
        "execution.limit_exceeded: kv_value: the value has 1001 bytes, the limit is 1000"
    );
}

#[tokio::test]
async fn an_instance_that_grew_is_replaced() {
    let (pool, _) = Setup::guest("hostile").with(|spec| spec.limits.memory = bytes(32 << 20)).pool();
    assert_eq!(answer(&pool, "remember", "1").await, "1");
    assert_eq!(answer(&pool, "leak", "1000000").await, "null");
    assert_eq!(answer(&pool, "remember", "1").await, "2", "a little growth is fine");
    assert_eq!(answer(&pool, "leak", "20000000").await, "null");
    assert_eq!(answer(&pool, "remember", "1").await, "1");
}

#[tokio::test]
async fn an_instance_is_replaced_after_many_calls() {
    let mut options = options();
    options.recycle_after_calls = 3;
    let sandbox = oriel_sandbox::Sandbox::new(options).unwrap();
    let (pool, _) = Setup::guest("hostile").pool_in(&sandbox);
    for expected in ["1", "2", "3", "1"] {
        assert_eq!(answer(&pool, "remember", "1").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_is_served_in_order() {
    let (pool, _) = Setup::guest("echo").with(|spec| spec.limits.instances = 1).pool();
    let wait = Duration::from_secs(60);
    let held = pool.lease(wait).await.unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..10 {
        let (waiting, order) = (pool.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let lease = waiting.lease(wait).await.unwrap();
            order.lock().unwrap().push(number);
            drop(lease);
        }));
        while pool.stats().waiting <= number {
            tokio::task::yield_now().await;
        }
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
}
