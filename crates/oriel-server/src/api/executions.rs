//! The record of every call.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oriel_model::Timestamp;
use oriel_model::execution::{ExecutionError, ExecutionStatus, Resources};
use oriel_model::id::{BatchId, ExecutionId, TaskId};
use oriel_model::page::Page;
use oriel_tasks::ExecutionFilter;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{Caller, Params, Query, json, page};
use crate::problem::Problem;

/// Which executions are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExecutionQuery {
    /// Of this task, by id or name.
    task_id: Option<String>,
    /// Of this extension.
    extension: Option<String>,
    /// That ended so.
    status: Option<ExecutionStatus>,
    /// Started at or after this moment.
    from: Option<Timestamp>,
    /// Started before this moment.
    to: Option<Timestamp>,
    /// Of this batch.
    batch_id: Option<BatchId>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// The `nextCursor` of the page before.
    #[param(min_length = 1, max_length = 1000)]
    cursor: Option<String>,
}

/// The record of a call.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", as = ExecutionRecord)]
#[expect(dead_code, reason = "describes what the model's own type writes")]
pub(crate) struct RecordShape {
    id: ExecutionId,
    /// The task; absent when a program was called directly.
    task_id: Option<TaskId>,
    /// The batch it belongs to.
    batch_id: Option<BatchId>,
    /// The caller's own id of the item within its batch or stream.
    item_id: Option<String>,
    /// The extension that answered.
    extension: String,
    /// Its version at the time.
    version: String,
    /// The program that answered.
    program: String,
    status: ExecutionStatus,
    /// The input as it came.
    #[schema(value_type = Value)]
    input: (),
    /// The output, when it succeeded.
    #[schema(value_type = Option<Value>)]
    output: Option<()>,
    /// Why it failed, when it did.
    error: Option<ExecutionError>,
    started_at: Timestamp,
    resources: Resources,
}

/// Search executions
///
/// Newest first. A page may be shorter than its limit and still have a `nextCursor`: then the search goes on there.
#[utoipa::path(get, path = "/api/v1/executions", operation_id = "listExecutions", tag = "executions", params(ExecutionQuery),
    responses((status = 200, description = "A page of executions.", body = Page<RecordShape>)))]
pub(crate) async fn list_executions(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<ExecutionQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    let filter = ExecutionFilter {
        task: query.task_id,
        extension: query.extension,
        status: query.status,
        from: query.from,
        to: query.to,
        batch: query.batch_id,
    };
    json(StatusCode::OK, &app.tasks.executions(&principal, &filter, page).await?)
}

/// Show an execution
#[utoipa::path(get, path = "/api/v1/executions/{executionId}", operation_id = "getExecution", tag = "executions",
    params(("executionId" = String, Path, description = "The execution's id.")),
    responses((status = 200, description = "The record.", body = RecordShape)))]
pub(crate) async fn get_execution(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.tasks.execution(&principal, &id).await?)
}
