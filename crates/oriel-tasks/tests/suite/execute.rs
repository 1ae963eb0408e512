//! One call: what it answers, how it fails, what it leaves behind.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::access::Role;
use oriel_model::execution::ExecutionStatus;
use oriel_model::id::TenantId;
use oriel_model::page::PageRequest;
use oriel_model::{Coded, ErrorCode, Timestamp};
use oriel_store::{Executions, Segment, SegmentFilter, SegmentHead, StoreError};
use oriel_tasks::{ExecuteRequest, Executed, ExecutionFilter, TaskError, TasksOptions};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::manage::{Desk, any};

pub(crate) fn input(value: &Value) -> ExecuteRequest<'static> {
    ExecuteRequest {
        input: RawValue::from_string(value.to_string()).unwrap(),
        timeout: None,
        traceparent: None,
        canary_key: None,
    }
}

async fn execute(desk: &Desk, task: &str, value: Value) -> Result<Executed, TaskError> {
    desk.tasks.execute(&desk.world.owner, task, input(&value)).await
}

#[tokio::test]
async fn an_answer_is_recorded_with_what_it_cost() {
    let desk = Desk::new().await;
    let task = desk
        .task("shout", "echo", "upper", (json!({"type": "string"}), json!({"type": "string"})))
        .await;
    let executed = execute(&desk, "shout", json!("a")).await.unwrap();
    assert_eq!((executed.task_id, executed.output.get()), (Some(task.id), "\"A\""));

    let record = desk.tasks.execution(&desk.world.owner, &executed.id.to_string()).await.unwrap();
    assert_eq!((record.status, record.task_id), (ExecutionStatus::Succeeded, Some(task.id)));
    assert_eq!((record.input.get(), record.output.unwrap().get()), ("\"a\"", "\"A\""));
    assert_eq!((record.version.to_string().as_str(), record.program.as_str()), ("1.0.0", "upper"));
    assert_eq!(record.resources, executed.resources);
    assert!(record.resources.peak_memory > 0);
}

#[tokio::test]
async fn each_failure_has_its_code_and_its_record() {
    let desk = Desk::new().await;
    let text = json!({"type": "string"});
    desk.task("typed", "echo", "echo", (json!({"type": "integer"}), text.clone())).await;
    desk.task("garbage", "hostile", "garbage", any()).await;
    desk.task("fail", "hostile", "fail", any()).await;
    desk.task("trap", "hostile", "trap", any()).await;
    let cases = [
        ("typed", json!("not a number"), ErrorCode::InputInvalid),
        ("typed", json!(1), ErrorCode::OutputInvalid),
        ("garbage", json!(1), ErrorCode::OutputInvalid),
        ("fail", json!("invalid-input"), ErrorCode::ProgramInvalidInput),
        ("fail", json!("unavailable"), ErrorCode::ProgramUnavailable),
        ("fail", json!("denied"), ErrorCode::ProgramDenied),
        ("fail", json!("limit-exceeded"), ErrorCode::ProgramLimit),
        ("trap", json!(1), ErrorCode::ExecutionTrap),
    ];
    for (task, value, code) in cases {
        let error = execute(&desk, task, value.clone()).await.unwrap_err();
        assert_eq!(error.code(), code, "{task} {value}: {error}");
        let TaskError::Failed { id, .. } = error else { panic!("{error}") };
        let record = desk.tasks.execution(&desk.world.owner, &id.to_string()).await.unwrap();
        assert_eq!(record.error.unwrap().code, code.as_str());
        assert_eq!(record.status, ExecutionStatus::Failed);
    }
    let failed = ExecutionFilter {
        status: Some(ExecutionStatus::Failed),
        ..Default::default()
    };
    let found = desk
        .tasks
        .executions(&desk.world.owner, &failed, PageRequest::first())
        .await
        .unwrap();
    assert_eq!(found.items.len(), 8);
}

#[tokio::test]
async fn a_call_can_be_given_less_time() {
    let desk = Desk::new().await;
    desk.task("loop", "hostile", "loop", any()).await;
    let request = ExecuteRequest {
        timeout: Some(Duration::from_millis(50)),
        ..input(&json!(1))
    };
    let error = desk.tasks.execute(&desk.world.owner, "loop", request).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ExecutionTimeout);
    desk.task("echo", "hostile", "echo", any()).await;
    assert_eq!(execute(&desk, "echo", json!([1])).await.unwrap().output.get(), "[1]");
}

#[tokio::test]
async fn programs_can_be_called_without_a_task() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    let executed = desk.tasks.call_program(owner, "echo", "upper", input(&json!("a"))).await.unwrap();
    assert_eq!((executed.task_id, executed.output.get()), (None, "\"A\""));
    let record = desk.tasks.execution(owner, &executed.id.to_string()).await.unwrap();
    assert_eq!(record.task_id, None);
    for (extension, program, code) in [
        ("echo", "nothing", ErrorCode::ProgramNotFound),
        ("nothing", "echo", ErrorCode::ExtensionNotFound),
        ("../x", "y", ErrorCode::ExtensionNotFound),
    ] {
        let error = desk
            .tasks
            .call_program(owner, extension, program, input(&json!(1)))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code);
    }
    let viewer = desk.world.principal(Role::Viewer).await;
    let refused = desk
        .tasks
        .call_program(&viewer, "echo", "echo", input(&json!(1)))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn a_changed_task_and_a_disabled_extension_are_felt_at_once() {
    let desk = Desk::new().await;
    let owner = &desk.world.owner;
    desk.task("t", "echo", "echo", any()).await;
    execute(&desk, "t", json!("a")).await.unwrap();
    let program = oriel_model::task::ProgramRef {
        extension: "echo".parse().unwrap(),
        name: "upper".parse().unwrap(),
    };
    let change = oriel_tasks::TaskChange {
        program: Some(program),
        ..Default::default()
    };
    desk.tasks.update(owner, "t", change, None).await.unwrap();
    assert_eq!(execute(&desk, "t", json!("a")).await.unwrap().output.get(), "\"A\"");
    desk.world.extensions.set_enabled(owner, "echo", false, None).await.unwrap();
    assert_eq!(
        execute(&desk, "t", json!("a")).await.unwrap_err().code(),
        ErrorCode::ExtensionDisabled
    );
    desk.tasks.delete(owner, "t", None).await.unwrap();
    assert_eq!(execute(&desk, "t", json!("a")).await.unwrap_err().code(), ErrorCode::TaskNotFound);
}

/// A store whose disk is full.
pub(crate) struct FullDisk;

#[async_trait]
impl Executions for FullDisk {
    async fn append(&self, _: Vec<Segment>) -> oriel_store::Result<()> {
        Err(StoreError::Full)
    }
    async fn find(&self, _: TenantId, _: &SegmentFilter, _: u32, _: u32) -> oriel_store::Result<Vec<SegmentHead>> {
        Ok(Vec::new())
    }
    async fn body(&self, _: &SegmentHead) -> oriel_store::Result<Option<Bytes>> {
        Ok(None)
    }
    async fn replace(&self, _: &[SegmentHead], _: Segment) -> oriel_store::Result<bool> {
        Ok(false)
    }
    async fn prune(&self, _: Timestamp, _: u32) -> oriel_store::Result<u64> {
        Ok(0)
    }
    async fn fragmented(&self, _: u32, _: u32) -> oriel_store::Result<Vec<TenantId>> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn an_execution_that_cannot_be_recorded_does_not_count() {
    let full = |mut stores: oriel_store::Stores| {
        stores.executions = Arc::new(FullDisk);
        stores
    };
    let desk = Desk::with(TasksOptions::default(), full).await;
    desk.task("t", "echo", "echo", any()).await;
    assert_eq!(execute(&desk, "t", json!(1)).await.unwrap_err().code(), ErrorCode::StoreFull);

    let unrecorded = Desk::with(
        TasksOptions {
            recording: false,
            ..TasksOptions::default()
        },
        full,
    )
    .await;
    unrecorded.task("t", "echo", "echo", any()).await;
    assert_eq!(execute(&unrecorded, "t", json!(1)).await.unwrap().output.get(), "1");
}
