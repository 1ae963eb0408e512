//! Executions that were looked at, and what validators made of them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oriel_model::page::Page;
use oriel_model::sample::{Sample, SampleSummary};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Caller, Params, Query, json, page};
use crate::problem::Problem;

/// Which samples.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SampleQuery {
    /// Only those found valid, or not.
    valid: Option<bool>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// What the samples of a task came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SampleSummaries {
    /// By extension and version.
    items: Vec<SampleSummary>,
}

/// List the samples of a task
///
/// Executions that a sampler picked (all of them where a validator is bound and no sampler), with the verdicts of the validators that
/// judge in the background. Newest first.
#[utoipa::path(get, path = "/api/v1/tasks/{taskId}/samples", operation_id = "listSamples", tag = "tasks",
    params(("taskId" = String, Path, description = "The task's id or name."), SampleQuery),
    responses((status = 200, description = "A page of samples.", body = Page<Sample>)))]
pub(crate) async fn list_samples(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(task): Params<String>,
    Query(query): Query<SampleQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.tasks.samples(&principal, &task, query.valid, page).await?)
}

/// Sum up the samples of a task
///
/// How many were judged and found valid, by version.
#[utoipa::path(get, path = "/api/v1/tasks/{taskId}/samples/summary", operation_id = "summarizeSamples", tag = "tasks",
    params(("taskId" = String, Path, description = "The task's id or name.")),
    responses((status = 200, description = "By extension and version.", body = SampleSummaries)))]
pub(crate) async fn summarize_samples(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(task): Params<String>,
) -> Result<Response, Problem> {
    let items = app.tasks.sample_summary(&principal, &task).await?;
    json(StatusCode::OK, &SampleSummaries { items })
}

/// Show the sample of an execution
#[utoipa::path(get, path = "/api/v1/executions/{executionId}/sample", operation_id = "getSample", tag = "executions",
    params(("executionId" = String, Path, description = "The execution's id.")),
    responses((status = 200, description = "The sample.", body = Sample)))]
pub(crate) async fn get_sample(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(execution): Params<String>,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.tasks.sample_of(&principal, &execution).await?)
}
