//! Searching records, merging small segments, forgetting old ones.

use std::time::Duration;

use oriel_model::access::Role;
use oriel_model::execution::{Execution, ExecutionStatus};
use oriel_model::page::PageRequest;
use oriel_model::{Coded, ErrorCode};
use oriel_tasks::{ExecutionFilter, TasksOptions};
use serde_json::json;

use crate::execute::input;
use crate::manage::{Desk, any};

/// All executions that match, read in pages of `limit`.
pub(crate) async fn read(desk: &Desk, filter: &ExecutionFilter, limit: u32) -> Vec<Execution> {
    let (mut page, mut all) = (PageRequest { limit, cursor: None }, Vec::new());
    loop {
        let found = desk.tasks.executions(&desk.world.owner, filter, page.clone()).await.unwrap();
        assert!(found.items.len() <= limit as usize);
        all.extend(found.items);
        match found.next_cursor {
            Some(cursor) => page.cursor = Some(cursor),
            None => return all,
        }
    }
}

fn ids(executions: &[Execution]) -> Vec<String> {
    executions.iter().map(|execution| execution.id.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_whole_newest_first_and_narrowed_by_filters() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    let even = desk.task("even", "echo", "echo", any()).await;
    desk.task("odd", "hostile", "fail", any()).await;
    for n in 0..200 {
        let task = if n % 2 == 0 { "even" } else { "odd" };
        let _ = desk.tasks.execute(owner, task, input(&json!("unavailable"))).await;
    }
    for limit in [1, 7, 100, 1_000] {
        let all = ids(&read(&desk, &ExecutionFilter::default(), limit).await);
        assert_eq!(all.len(), 200, "limit {limit}");
        assert!(all.is_sorted_by(|a, b| a > b), "newest first, each once");
    }
    let check = async |filter: ExecutionFilter, count: usize| assert_eq!(read(&desk, &filter, 30).await.len(), count, "{filter:?}");
    let all = read(&desk, &ExecutionFilter::default(), 1_000).await;
    check(
        ExecutionFilter {
            task: Some("even".to_owned()),
            ..Default::default()
        },
        100,
    )
    .await;
    check(
        ExecutionFilter {
            task: Some(even.id.to_string()),
            ..Default::default()
        },
        100,
    )
    .await;
    check(
        ExecutionFilter {
            extension: Some("hostile".to_owned()),
            ..Default::default()
        },
        100,
    )
    .await;
    check(
        ExecutionFilter {
            status: Some(ExecutionStatus::Failed),
            ..Default::default()
        },
        100,
    )
    .await;
    check(
        ExecutionFilter {
            task: Some("even".to_owned()),
            status: Some(ExecutionStatus::Failed),
            ..Default::default()
        },
        0,
    )
    .await;
    check(
        ExecutionFilter {
            to: Some(all[199].started_at),
            ..Default::default()
        },
        0,
    )
    .await;
    check(
        ExecutionFilter {
            from: Some(all[199].started_at),
            ..Default::default()
        },
        200,
    )
    .await;

    let foreign = desk
        .tasks
        .executions(
            owner,
            &ExecutionFilter::default(),
            PageRequest {
                limit: 1,
                cursor: Some("garbage".to_owned()),
            },
        )
        .await;
    assert_eq!(foreign.unwrap_err().code(), ErrorCode::RequestCursor);
    let stranger = desk
        .tasks
        .execution(&desk.world.stranger, &all[0].id.to_string())
        .await
        .unwrap_err();
    assert_eq!(stranger.code(), ErrorCode::ExecutionNotFound);
    let nobody = ExecutionFilter {
        task: Some("nothing".to_owned()),
        ..Default::default()
    };
    assert_eq!(
        desk.tasks
            .executions(owner, &nobody, PageRequest::first())
            .await
            .unwrap_err()
            .code(),
        ErrorCode::TaskNotFound
    );
    let viewer = desk.world.principal(Role::Viewer).await;
    assert!(desk.tasks.execution(&viewer, &all[0].id.to_string()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_records_are_forgotten_and_young_ones_stay() {
    let options = TasksOptions {
        keep_executions: Duration::ZERO,
        keep_batches: Duration::ZERO,
        ..TasksOptions::default()
    };
    let desk = Desk::with(options, |stores| stores).await;
    desk.task("t", "echo", "echo", any()).await;
    let executed = desk.tasks.execute(&desk.world.owner, "t", input(&json!(1))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(desk.tasks.maintain().await.unwrap().pruned_segments, 1);
    let gone = desk.tasks.execution(&desk.world.owner, &executed.id.to_string()).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::ExecutionNotFound);

    let keeping = Desk::new().await;
    keeping.task("t", "echo", "echo", any()).await;
    keeping.tasks.execute(&keeping.world.owner, "t", input(&json!(1))).await.unwrap();
    assert_eq!(keeping.tasks.maintain().await.unwrap(), Default::default());
}
