//! Running jobs, and what became of their runs.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use oriel_extensions::NewJobRun;
use oriel_model::job::{JobRun, JobState};
use oriel_model::limits::TimeSpan;
use oriel_model::name::ContributionName;
use oriel_model::page::Page;
use oriel_store::JobFilter;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Caller, Json, Params, Query, Whole, json, page};
use crate::problem::Problem;

/// The longest that a request waits for a run.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A run that is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"input": {"olderThanDays": 365}, "key": "nightly"}))]
pub(crate) struct RunJob {
    /// Any JSON that fits the job's input schema; null when left out.
    #[schema(value_type = Option<Value>)]
    input: Option<Box<RawValue>>,
    /// Not before so many milliseconds from now.
    #[schema(value_type = Option<u64>, maximum = 2_592_000_000_u64)]
    delay_ms: Option<Whole>,
    /// As long as a run of the job with this key is not over, the answer is that one and no other is taken.
    #[schema(min_length = 1, max_length = 256)]
    key: Option<String>,
    /// How often it is tried; what the manifest says when left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 20)]
    attempts: Option<Whole>,
}

/// How long to wait.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WaitQuery {
    /// Answer when the run is over, or after this time, such as `10s`, at most `60s`.
    #[param(value_type = Option<String>, example = "10s")]
    wait: Option<TimeSpan>,
}

/// Which runs.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobRunQuery {
    /// Of this job.
    #[param(value_type = Option<String>)]
    job: Option<ContributionName>,
    /// In this state.
    state: Option<JobState>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

fn patience(wait: Option<TimeSpan>) -> Result<Duration, Problem> {
    match wait {
        Some(TimeSpan(wait)) if wait > LONGEST_WAIT => Err(Problem::invalid("`wait`: it is at most `60s`")),
        wait => Ok(wait.map_or(Duration::ZERO, |TimeSpan(wait)| wait)),
    }
}

/// 200 for a run that is over, 202 for one that is not, and where to look again.
fn shown(run: &JobRun) -> Result<Response, Problem> {
    let status = if run.state.is_over() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let mut response = json(status, run)?;
    let place = format!("/api/v1/extensions/{}/job-runs/{}", run.extension, run.id);
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// Run a job
///
/// Accepts a run and answers 202: it is done from then on, whatever happens to the server. With `wait` the answer comes when the run
/// is over, as 200, or after that time.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/jobs/{job}/run", operation_id = "runJob", tag = "jobs",
    params(("name" = String, Path, description = "The extension."), ("job" = String, Path, description = "The job."), WaitQuery),
    request_body = RunJob,
    responses((status = 202, description = "The run, which is accepted.", body = JobRun,
            headers(("Location" = String, description = "Where the run is shown."))),
        (status = 200, description = "The run, which is over.", body = JobRun)))]
pub(crate) async fn run_job(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, job)): Params<(String, String)>,
    Query(query): Query<WaitQuery>,
    Json(body): Json<RunJob>,
) -> Result<Response, Problem> {
    let patience = patience(query.wait)?;
    let whole = |value: Option<Whole>| value.map(|Whole(value)| value);
    let new = NewJobRun {
        input: body.input.unwrap_or_else(|| RawValue::NULL.to_owned()),
        delay: Duration::from_millis(whole(body.delay_ms).unwrap_or(0)),
        key: body.key,
        attempts: whole(body.attempts).map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX)),
    };
    let run = app.extensions.start_job(&principal, &name, &job, new).await?;
    if patience.is_zero() {
        return shown(&run);
    }
    shown(&app.extensions.job_run_over(&principal, &name, &run, patience).await?)
}

/// List the runs of an extension's jobs
///
/// Newest first. Runs that are over are kept for `retention.jobs`.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/job-runs", operation_id = "listJobRuns", tag = "jobs",
    params(("name" = String, Path, description = "The extension."), JobRunQuery),
    responses((status = 200, description = "A page of runs.", body = Page<JobRun>)))]
pub(crate) async fn list_job_runs(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    Query(query): Query<JobRunQuery>,
) -> Result<Response, Problem> {
    let filter = JobFilter {
        job: query.job,
        state: query.state,
    };
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.extensions.job_runs(&principal, &name, &filter, page).await?)
}

/// Show a run
///
/// With `wait` the answer comes when the run is over, or after that time.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/job-runs/{runId}", operation_id = "getJobRun", tag = "jobs",
    params(("name" = String, Path, description = "The extension."), ("runId" = String, Path, description = "The run's id."), WaitQuery),
    responses((status = 200, description = "The run.", body = JobRun)))]
pub(crate) async fn get_job_run(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, run)): Params<(String, String)>,
    Query(query): Query<WaitQuery>,
) -> Result<Response, Problem> {
    let patience = patience(query.wait)?;
    json(StatusCode::OK, &app.extensions.await_job(&principal, &name, &run, patience).await?)
}

/// Cancel a run
///
/// One that is running is broken off: the job learns nothing of it.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/job-runs/{runId}/cancel", operation_id = "cancelJobRun", tag = "jobs",
    params(("name" = String, Path, description = "The extension."), ("runId" = String, Path, description = "The run's id.")),
    responses((status = 200, description = "The run, which is cancelled.", body = JobRun)))]
pub(crate) async fn cancel_job_run(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, run)): Params<(String, String)>,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.extensions.cancel_job(&principal, &name, &run).await?)
}

/// Try a run again
///
/// Begins a run anew that failed, is dead, or was cancelled: with the same input and all its attempts.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/job-runs/{runId}/retry", operation_id = "retryJobRun", tag = "jobs",
    params(("name" = String, Path, description = "The extension."), ("runId" = String, Path, description = "The run's id.")),
    responses((status = 202, description = "The run, which waits.", body = JobRun)))]
pub(crate) async fn retry_job_run(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, run)): Params<(String, String)>,
) -> Result<Response, Problem> {
    shown(&app.extensions.retry_job(&principal, &name, &run).await?)
}
