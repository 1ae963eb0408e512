//! What a hostile guest does to others: nothing.

use super::support::*;

/// On one thread, guests that never wait share it with one that answers: it gets its turns.
#[tokio::test]
async fn guests_that_spin_do_not_starve_a_neighbour() {
    let (hostile, _) = Setup::guest("hostile").pool();
    let spinning: Vec<_> = (0..4)
        .map(|_| {
            let pool = hostile.clone();
            tokio::spawn(async move { answer(&pool, "loop", "1").await })
        })
        .collect();
    let (echo, _) = Setup::guest("echo").pool();
    for number in 0..50 {
        let input = number.to_string();
        assert_eq!(answer(&echo, "echo", &input).await, input);
        tokio::task::yield_now().await;
    }
    for task in spinning {
        assert!(!task.is_finished(), "the neighbour was served while they were spinning");
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
    assert_eq!(
        (hostile.stats().busy, hostile.stats().idle),
        (0, 0),
        "and whoever gave up took its instance along"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_evil_at_once_leaves_a_neighbour_unharmed() {
    let (hostile, _) = Setup::guest("hostile")
        .with(|spec| {
            spec.limits.timeout = ms(100);
            spec.limits.memory = bytes(16 << 20);
        })
        .pool();
    let evils = [
        ("loop", "1"),
        ("allocate", "1"),
        ("recurse", "1"),
        ("trap", "1"),
        ("flood-log", "100000"),
        ("wasi-calls", "1"),
        ("sleep", "600000"),
        ("huge", "10000000"),
    ];
    let attacks: Vec<_> = (0..3)
        .flat_map(|_| evils)
        .map(|(program, input)| {
            let pool = hostile.clone();
            tokio::spawn(async move { pool.call(call(program, input)).await.result.is_err() })
        })
        .collect();
    let (echo, _) = Setup::guest("echo").pool();
    for number in 0..200 {
        let input = number.to_string();
        assert_eq!(answer(&echo, "echo", &input).await, input);
        tokio::task::yield_now().await;
    }
    for attack in attacks {
        attack.await.unwrap();
    }
    assert_eq!(answer(&hostile, "echo", "1").await, "1", "and the hostile one itself goes on");
}
