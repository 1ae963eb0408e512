//! Managing tasks, and calling them one at a time.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_model::Timestamp;
use oriel_model::execution::{ExecutionStatus, Resources};
use oriel_model::id::{ExecutionId, TaskId};
use oriel_model::name::TaskName;
use oriel_model::page::Page;
use oriel_model::task::{ProgramRef, Task};
use oriel_model::validation::Judgement;
use oriel_tasks::{ExecuteRequest, Executed, NewTask, TaskChange, TaskError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::access::PageQuery;
use super::items::Milliseconds;
use crate::app::App;
use crate::extract::{Caller, Json, JsonBytes, Params, Query, Traceparent, Whole, if_match, json, page, parse, tagged};
use crate::problem::Problem;

/// What a new task shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "name": "flights.classify", "description": "How late is a flight?",
    "inputSchema": {"type": "object", "properties": {"delay": {"type": "number"}}, "required": ["delay"]},
    "program": {"extension": "flight-delays", "name": "classify"},
}))]
pub(crate) struct CreateTask {
    /// Its name, unique in the tenant.
    name: TaskName,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    /// JSON Schema 2020-12 of the input; without it, the program's own.
    input_schema: Option<Value>,
    /// JSON Schema 2020-12 of the output; without it, the program's own.
    output_schema: Option<Value>,
    /// The code behind it.
    program: ProgramRef,
}

/// What to change of a task. Fields that are left out stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"description": "How late will a flight be?"}))]
pub(crate) struct UpdateTask {
    /// A new name.
    name: Option<TaskName>,
    /// A new description.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// A new input schema.
    input_schema: Option<Value>,
    /// A new output schema.
    output_schema: Option<Value>,
    /// Other code.
    program: Option<ProgramRef>,
}

/// One call of a task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"taskId": "flights.classify", "input": {"delay": 42}, "timeoutMs": 1000}))]
pub(crate) struct ExecuteTask {
    /// The task's id or name.
    task_id: String,
    /// Any JSON that fits the task's input schema.
    #[schema(value_type = Value)]
    input: Box<RawValue>,
    /// Less time than the extension's limit.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 3600000)]
    timeout_ms: Option<Whole>,
    /// Who or what the call is about, such as a customer's id: while a canary runs, all calls with one key get the same release.
    #[schema(max_length = 256)]
    canary_key: Option<String>,
}

/// One call of a program.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"input": {"delay": 42}}))]
pub(crate) struct CallProgram {
    /// Any JSON that fits the program's input schema.
    #[schema(value_type = Value)]
    input: Box<RawValue>,
    /// Less time than the extension's limit.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 3600000)]
    timeout_ms: Option<Whole>,
}

/// A call that answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Execution<'a> {
    /// The execution's id; its record can be read with it.
    id: ExecutionId,
    /// The task; absent when a program was called directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<TaskId>,
    /// What the program answered.
    #[schema(value_type = Value)]
    output_data: &'a RawValue,
    /// From the request to the answer, in milliseconds.
    #[schema(value_type = f64, minimum = 0)]
    latency_ms: Milliseconds,
    /// When it started.
    executed_at: Timestamp,
    status: ExecutionStatus,
    /// What inline validators made of the output.
    #[serde(skip_serializing_if = "<[Judgement]>::is_empty")]
    #[schema(value_type = Vec<Judgement>)]
    judgements: &'a [Judgement],
    /// The version of the extension that answered.
    #[schema(value_type = String, example = "1.2.0")]
    version: &'a semver::Version,
    resources: Resources,
}

/// Create a task
///
/// Its program must be installed.
#[utoipa::path(post, path = "/api/v1/tasks", operation_id = "createTask", tag = "tasks", request_body = CreateTask,
    responses((status = 201, description = "The task.", body = Task,
        headers(("Location" = String, description = "Its address."), ("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn create_task(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<CreateTask>,
) -> Result<Response, Problem> {
    let new = NewTask {
        name: body.name,
        description: body.description,
        input_schema: body.input_schema,
        output_schema: body.output_schema,
        program: body.program,
    };
    let task = app.tasks.create(&principal, new).await?;
    let mut response = json(StatusCode::CREATED, &task)?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/tasks/{}", task.id)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    tag(&mut response, task.revision);
    Ok(response)
}

/// List tasks
///
/// By name.
#[utoipa::path(get, path = "/api/v1/tasks", operation_id = "listTasks", tag = "tasks", params(PageQuery),
    responses((status = 200, description = "A page of tasks.", body = Page<Task>)))]
pub(crate) async fn list_tasks(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.tasks.list(&principal, page).await?)
}

/// Show a task
#[utoipa::path(get, path = "/api/v1/tasks/{taskId}", operation_id = "getTask", tag = "tasks",
    params(("taskId" = String, Path, description = "The task's id or name."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has.")),
    responses((status = 200, description = "The task.", body = Task, headers(("ETag" = String, description = "Its revision."))),
        (status = 304, description = "The client has this revision.")))]
pub(crate) async fn get_task(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(task): Params<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let task = app.tasks.get(&principal, &task).await?;
    tagged(&headers, task.revision, &task)
}

/// Change a task
///
/// Calls that begin after the reply see the change.
#[utoipa::path(patch, path = "/api/v1/tasks/{taskId}", operation_id = "updateTask", tag = "tasks",
    params(("taskId" = String, Path, description = "The task's id or name.")), request_body = UpdateTask,
    responses((status = 200, description = "The task.", body = Task)))]
pub(crate) async fn update_task(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(task): Params<String>,
    headers: HeaderMap,
    Json(body): Json<UpdateTask>,
) -> Result<Response, Problem> {
    let change = TaskChange {
        name: body.name,
        description: body.description,
        input_schema: body.input_schema,
        output_schema: body.output_schema,
        program: body.program,
    };
    let task = app.tasks.update(&principal, &task, change, if_match(&headers)?).await?;
    let mut response = json(StatusCode::OK, &task)?;
    tag(&mut response, task.revision);
    Ok(response)
}

/// Delete a task
///
/// Its executions stay until their retention ends.
#[utoipa::path(delete, path = "/api/v1/tasks/{taskId}", operation_id = "deleteTask", tag = "tasks",
    params(("taskId" = String, Path, description = "The task's id or name.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete_task(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(task): Params<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.tasks.delete(&principal, &task, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Execute a task
///
/// One call, recorded before it answers. A call that fails answers a problem whose `executionId` names its record.
#[utoipa::path(post, path = "/api/v1/tasks/execute", operation_id = "executeTask", tag = "tasks", request_body = ExecuteTask,
    responses((status = 200, description = "What the program answered.", body = Execution<'_>)))]
pub(crate) async fn execute_task(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Traceparent(traceparent): Traceparent,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let body: ExecuteTask = parse(&body)?;
    let request = ExecuteRequest {
        input: body.input,
        timeout: timeout(body.timeout_ms)?,
        traceparent: traceparent.as_deref(),
        canary_key: canary_key(body.canary_key.as_deref())?,
    };
    answer(&app, app.tasks.execute(&principal, &body.task_id, request).await)
}

/// Call a program
///
/// Without a task: the schemas of the extension's manifest apply.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/programs/{program}/call", operation_id = "callProgram", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name."), ("program" = String, Path, description = "The program's name.")),
    request_body = CallProgram,
    responses((status = 200, description = "What the program answered.", body = Execution<'_>)))]
pub(crate) async fn call_program(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((extension, program)): Params<(String, String)>,
    Traceparent(traceparent): Traceparent,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let body: CallProgram = parse(&body)?;
    let request = ExecuteRequest {
        input: body.input,
        timeout: timeout(body.timeout_ms)?,
        traceparent: traceparent.as_deref(),
        canary_key: None,
    };
    answer(&app, app.tasks.call_program(&principal, &extension, &program, request).await)
}

fn answer(app: &App, result: Result<Executed, TaskError>) -> Result<Response, Problem> {
    match result {
        Ok(executed) => {
            app.metrics.succeeded(1);
            json(
                StatusCode::OK,
                &Execution {
                    id: executed.id,
                    task_id: executed.task_id,
                    output_data: &executed.output,
                    latency_ms: Milliseconds(executed.latency),
                    executed_at: executed.started_at,
                    status: ExecutionStatus::Succeeded,
                    judgements: &executed.judgements,
                    version: &executed.version,
                    resources: executed.resources,
                },
            )
        }
        Err(error) => {
            let execution = match &error {
                TaskError::Failed { id, .. } => Some(*id),
                _ => None,
            };
            let mut problem = Problem::from(error);
            if execution.is_some() {
                app.metrics.failed(problem.code);
            }
            problem.execution = execution.map(Box::new);
            Err(problem)
        }
    }
}

/// The time that a caller gives a call.
pub(super) fn timeout(ms: Option<Whole>) -> Result<Option<Duration>, Problem> {
    match ms {
        None => Ok(None),
        Some(Whole(ms)) if (1..=3_600_000).contains(&ms) => Ok(Some(Duration::from_millis(ms))),
        Some(_) => Err(Problem::invalid("`timeoutMs` must be from 1 to 3600000")),
    }
}

/// What calls are kept together by.
pub(super) fn canary_key(key: Option<&str>) -> Result<Option<&str>, Problem> {
    match key {
        Some(key) if key.len() > 256 => Err(Problem::invalid("`canaryKey` must have at most 256 bytes")),
        key => Ok(key),
    }
}

fn tag(response: &mut Response, revision: u64) {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{revision}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}
