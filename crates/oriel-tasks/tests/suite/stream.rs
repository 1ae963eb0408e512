//! Streams: every item answered once, bounded both ways, ended from either side.

use std::collections::HashSet;

use oriel_model::page::PageRequest;
use oriel_model::{Coded, ErrorCode};
use oriel_tasks::{ExecutionFilter, Fault, StreamRequest};
use serde_json::json;

use crate::batch::item;
use crate::manage::{Desk, any};

fn request(task: &str) -> StreamRequest {
    StreamRequest {
        task: task.to_owned(),
        max_concurrency: 4,
        traceparent: None,
        canary_key: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_item_is_answered_once_and_recorded() {
    let desk = Desk::new().await;
    desk.task("t", "echo", "echo", any()).await;
    let mut run = desk.tasks.stream(&desk.world.owner, request("t")).await.unwrap();
    let feeding = tokio::spawn(async move {
        for n in 0..3_000 {
            let line = if n == 1_000 {
                Err((
                    n.to_string(),
                    Fault::Malformed {
                        reason: "no JSON".to_owned(),
                    },
                ))
            } else {
                Ok(item(n, &json!(n)))
            };
            run.items.send(line).await.unwrap();
        }
    });
    let mut seen = HashSet::new();
    while let Some(result) = run.results.recv().await {
        match &result.result {
            Ok(output) => assert_eq!(output.get(), result.id),
            Err(fault) => assert_eq!((result.id.as_str(), fault.code()), ("1000", ErrorCode::RequestJson)),
        }
        assert!(seen.insert(result.id), "answered twice");
    }
    feeding.await.unwrap();
    assert_eq!(seen.len(), 3_000);
    let filter = ExecutionFilter::default();
    let page = PageRequest {
        limit: 1_000,
        cursor: None,
    };
    let found = desk.tasks.executions(&desk.world.owner, &filter, page).await.unwrap();
    assert_eq!(found.items.len(), 1_000);
    assert!(found.next_cursor.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_slows_the_sender() {
    let desk = Desk::new().await;
    desk.task("t", "echo", "echo", any()).await;
    let run = desk.tasks.stream(&desk.world.owner, request("t")).await.unwrap();
    let mut accepted = 0;
    // Nobody reads results: after a bounded number of items the sender has to wait.
    while tokio::time::timeout(std::time::Duration::from_millis(500), run.items.send(Ok(item(accepted, &json!(1)))))
        .await
        .is_ok()
    {
        accepted += 1;
        assert!(accepted < 100_000, "nothing bounds the stream");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_results_cancels() {
    let desk = Desk::new().await;
    desk.task("t", "hostile", "sleep", any()).await;
    let run = desk.tasks.stream(&desk.world.owner, request("t")).await.unwrap();
    let (items, results) = (run.items, run.results);
    drop(results);
    let mut sent = 0;
    while items.send(Ok(item(sent, &json!(10)))).await.is_ok() {
        sent += 1;
        assert!(sent < 100_000, "the workers went on");
    }
}
