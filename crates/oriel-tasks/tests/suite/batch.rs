//! Batches: order, counts, stopping, progress, recovery.

use std::sync::Arc;

use oriel_model::id::BatchId;
use oriel_model::page::PageRequest;
use oriel_model::time::{Clock, SystemClock};
use oriel_model::{Coded, ErrorCode};
use oriel_store::{Batch, BatchState};
use oriel_tasks::{BatchRequest, BatchRun, ExecutionFilter, Item, ItemResult, TasksOptions};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::execute::FullDisk;
use crate::manage::{Desk, any};

pub(crate) fn item(id: u32, input: &Value) -> Item {
    Item {
        id: id.to_string(),
        input: RawValue::from_string(input.to_string()).unwrap(),
        timeout: None,
    }
}

pub(crate) fn request(task: &str, items: Vec<Item>) -> BatchRequest {
    BatchRequest {
        task: task.to_owned(),
        items,
        max_concurrency: 10,
        stop_on_first_error: false,
        traceparent: None,
        canary_key: None,
    }
}

pub(crate) async fn all(run: &mut BatchRun) -> Vec<ItemResult> {
    let mut results = Vec::new();
    while let Some(more) = run.next().await {
        results.extend(more);
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_come_in_the_order_of_the_request_and_all_are_recorded() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    desk.task("t", "echo", "echo", (json!({"not": {"const": 7}}), json!(true))).await;
    let items = (0..5_000).map(|n| item(n, &json!(n))).collect();
    let mut run = desk.tasks.batch(owner, request("t", items)).await.unwrap();
    let id = run.id;
    let results = all(&mut run).await;
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result.id, n.to_string());
        match &result.result {
            Ok(output) => assert_eq!(output.get(), n.to_string()),
            Err(fault) => assert_eq!((n, fault.code()), (7, ErrorCode::InputInvalid)),
        }
    }
    let progress = run.finish().await.unwrap();
    assert_eq!(
        (progress.state, progress.success_count, progress.failure_count),
        (BatchState::Completed, 4_999, 1)
    );
    assert_eq!(desk.tasks.batch_progress(owner, &id.to_string()).await.unwrap(), progress);
    let stranger = desk.tasks.batch_progress(&desk.world.stranger, &id.to_string()).await.unwrap_err();
    assert_eq!(stranger.code(), ErrorCode::BatchNotFound);

    let filter = ExecutionFilter {
        batch: Some(id),
        ..Default::default()
    };
    let (mut page, mut items) = (
        PageRequest {
            limit: 1_000,
            cursor: None,
        },
        Vec::new(),
    );
    loop {
        let found = desk.tasks.executions(owner, &filter, page.clone()).await.unwrap();
        items.extend(
            found
                .items
                .into_iter()
                .map(|execution| execution.item_id.unwrap().parse::<u32>().unwrap()),
        );
        match found.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => break,
        }
    }
    items.sort_unstable();
    assert!(items.into_iter().eq(0..5_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_error_can_stop_a_batch() {
    let desk = Desk::new().await;
    desk.task("t", "hostile", "fail", any()).await;
    let items = (0..100).map(|n| item(n, &json!("unavailable"))).collect();
    let request = BatchRequest {
        stop_on_first_error: true,
        max_concurrency: 1,
        ..request("t", items)
    };
    let mut run = desk.tasks.batch(&desk.world.owner, request).await.unwrap();
    let results = all(&mut run).await;
    assert_eq!(results.len(), 100, "every item is accounted for");
    let codes: Vec<_> = results.iter().map(|result| result.result.as_ref().unwrap_err().code()).collect();
    assert_eq!(codes[0], ErrorCode::ProgramUnavailable);
    assert!(codes[1..].iter().all(|code| *code == ErrorCode::ExecutionCancelled));
    let progress = run.finish().await.unwrap();
    assert_eq!((progress.state, progress.failure_count), (BatchState::Stopped, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_item_keeps_back_nothing_that_was_done_before_it() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    desk.task("t", "hostile", "sleep", any()).await;
    // One worker measures some quick items and then takes a run of many; the last of it is slow.
    let quick = 400;
    let items = (0..=quick).map(|n| item(n, &json!(if n == quick { 30_000 } else { 0 }))).collect();
    let request = BatchRequest {
        max_concurrency: 1,
        ..request("t", items)
    };
    let mut run = desk.tasks.batch(owner, request).await.unwrap();
    let mut seen = 0;
    while seen < quick as usize {
        seen += run.next().await.unwrap().len();
    }
    let progress = desk.tasks.batch_progress(owner, &run.id.to_string()).await.unwrap();
    assert_eq!((progress.state, progress.success_count), (BatchState::Running, u64::from(quick)));
    assert!(run.ready().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_batch_stops() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    desk.task("t", "hostile", "sleep", any()).await;
    let items = (0..10_000).map(|n| item(n, &json!(20))).collect();
    let run = desk.tasks.batch(owner, request("t", items)).await.unwrap();
    let id = run.id.to_string();
    let mut moved = desk.tasks.follow_batch(run.id).unwrap();
    moved.changed().await.unwrap();
    drop(run);
    while moved.changed().await.is_ok() {}
    let progress = desk.tasks.batch_progress(owner, &id).await.unwrap();
    assert_eq!(progress.state, BatchState::Stopped);
    assert!(progress.success_count < 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_batch_a_large_one_and_a_foreign_task() {
    let desk = Desk::with(
        TasksOptions {
            max_batch: 10,
            ..TasksOptions::default()
        },
        |stores| stores,
    )
    .await;
    let owner = &desk.world.owner;
    desk.task("t", "echo", "echo", any()).await;
    let mut run = desk.tasks.batch(owner, request("t", Vec::new())).await.unwrap();
    assert!(all(&mut run).await.is_empty());
    assert_eq!(run.finish().await.unwrap().state, BatchState::Completed);
    let eleven = (0..11).map(|n| item(n, &json!(n))).collect();
    assert_eq!(
        desk.tasks.batch(owner, request("t", eleven)).await.unwrap_err().code(),
        ErrorCode::BatchTooLarge
    );
    assert_eq!(
        desk.tasks
            .batch(&desk.world.stranger, request("t", Vec::new()))
            .await
            .unwrap_err()
            .code(),
        ErrorCode::TaskNotFound
    );
    for max_concurrency in [0, 1_001] {
        let request = BatchRequest {
            max_concurrency,
            ..request("t", Vec::new())
        };
        assert_eq!(
            desk.tasks.batch(owner, request).await.unwrap_err().code(),
            ErrorCode::RequestInvalid
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_cannot_be_recorded_says_so() {
    let full = |mut stores: oriel_store::Stores| {
        stores.executions = Arc::new(FullDisk);
        stores
    };
    let desk = Desk::with(TasksOptions::default(), full).await;
    desk.task("t", "echo", "echo", any()).await;
    let mut run = desk
        .tasks
        .batch(&desk.world.owner, request("t", vec![item(1, &json!(1))]))
        .await
        .unwrap();
    all(&mut run).await;
    assert_eq!(run.finish().await.unwrap_err().code(), ErrorCode::StoreFull);
}

#[tokio::test]
async fn batches_of_a_dead_server_are_marked() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    let task = desk.task("t", "echo", "echo", any()).await;
    let now = SystemClock.now();
    let batch = Batch {
        id: BatchId::new(now),
        tenant: owner.tenant,
        task: task.id,
        state: BatchState::Running,
        total: 10,
        succeeded: 0,
        failed: 0,
        started_at: now,
        finished_at: None,
        node: "local".to_owned(),
    };
    desk.world.stores.batches.put(batch.clone()).await.unwrap();
    assert_eq!(desk.tasks.recover().await.unwrap(), 1);
    let progress = desk.tasks.batch_progress(owner, &batch.id.to_string()).await.unwrap();
    assert_eq!(progress.state, BatchState::Interrupted);
    assert!(progress.finished_at.is_some());
}
