//! Judging outputs, and what the records of a task advise.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oriel_model::comparison::ComparisonRules;
use oriel_model::recommendation::Recommendations;
use oriel_model::validation::{BatchValidation, Validation};
use oriel_tasks::{RecommendRequest, ValidateBatch, ValidateItem, ValidateRequest};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{Caller, Json, JsonBytes, Params, Query, json, object, parse_large};
use crate::problem::Problem;

/// One recorded execution to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"taskId": "flights.classify", "executionId": "exec_01jd3yq8m3v5n4x2c7b9k0r6ts", "expectedOutput": {"late": true},
    "comparison": {"absoluteTolerance": 0.01}}))]
pub(crate) struct ValidateExecution {
    /// The task's id or name.
    task_id: String,
    /// The execution, which must be of that task.
    execution_id: String,
    /// What it should have answered. Left out, only the output schema and validators decide.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Value>)]
    expected_output: Option<Value>,
    /// How both are compared; exactly, unless said.
    #[serde(default, deserialize_with = "object")]
    comparison: ComparisonRules,
}

/// Outputs to judge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"taskId": "flights.classify", "items": [
    {"id": "1", "input": {"delay": 42}, "output": {"late": true}, "expectedOutput": {"late": true}}]}))]
pub(crate) struct ValidateOutputs {
    /// The task's id or name.
    task_id: String,
    /// The outputs.
    #[schema(min_items = 1, max_items = 10000)]
    items: Vec<OutputBody>,
    /// How outputs and expectations are compared; exactly, unless said.
    #[serde(default, deserialize_with = "object")]
    comparison: ComparisonRules,
}

/// One output with what was expected.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OutputBody {
    /// The caller's own id.
    id: String,
    /// What went in, for validators.
    #[serde(default)]
    input: Value,
    /// What came out.
    output: Value,
    /// What should have come out. Left out, only the output schema and validators decide.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Value>)]
    expected_output: Option<Value>,
}

/// `null` is an expectation, too; only what is left out is none.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// How sure the advice on sampling shall make.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RecommendQuery {
    /// How sure, above 0 and below 1.
    #[param(default = 0.95)]
    confidence: Option<f64>,
    /// To how much on either side the success rate shall be known, above 0 and below 1.
    #[param(default = 0.02)]
    margin: Option<f64>,
}

/// Validate an execution
///
/// Whether a recorded output fits the task's output schema, is what was expected, and passes the validators that are bound to the
/// task.
#[utoipa::path(post, path = "/api/v1/validation/validate", operation_id = "validateExecution", tag = "tasks",
    request_body = ValidateExecution,
    responses((status = 200, description = "What was found.", body = Validation)))]
pub(crate) async fn validate_execution(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<ValidateExecution>,
) -> Result<Response, Problem> {
    let request = ValidateRequest {
        task: body.task_id,
        execution: body.execution_id,
        expected: body.expected_output,
        rules: body.comparison,
    };
    let validation = app.tasks.validate(&principal, request, &app.tasks).await?;
    json(StatusCode::OK, &validation)
}

/// Validate many outputs
///
/// Outputs that the caller has, against what was expected of them. Nothing is recorded, and the task is not called.
#[utoipa::path(post, path = "/api/v1/validation/batch", operation_id = "validateBatch", tag = "tasks", request_body = ValidateOutputs,
    responses((status = 200, description = "What was found, in the order of the request.", body = BatchValidation)))]
pub(crate) async fn validate_batch(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let body: ValidateOutputs = parse_large(body).await?;
    let items = body.items.into_iter().map(|item| ValidateItem {
        id: item.id,
        input: item.input,
        output: item.output,
        expected: item.expected_output,
    });
    let request = ValidateBatch {
        task: body.task_id,
        items: items.collect(),
        rules: body.comparison,
    };
    let validation = app.tasks.validate_batch(&principal, request, &app.tasks).await?;
    json(StatusCode::OK, &validation)
}

/// Recommend
///
/// What the newest records of a task advise: how each version does, which inputs fail or are slow together, how much to sample, and
/// what to do with a canary. Each piece of advice says what it rests on.
#[utoipa::path(get, path = "/api/v1/tasks/{taskId}/recommendations", operation_id = "getRecommendations", tag = "tasks",
    params(("taskId" = String, Path, description = "The task's id or name."), RecommendQuery),
    responses((status = 200, description = "The advice, the weightiest first, and the figures behind it.", body = Recommendations)))]
pub(crate) async fn get_recommendations(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(task): Params<String>,
    Query(query): Query<RecommendQuery>,
) -> Result<Response, Problem> {
    let usual = RecommendRequest::default();
    let request = RecommendRequest {
        confidence: query.confidence.unwrap_or(usual.confidence),
        margin: query.margin.unwrap_or(usual.margin),
    };
    json(StatusCode::OK, &app.tasks.recommend(&principal, &task, request).await?)
}
