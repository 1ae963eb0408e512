//! How extensions do, and what they may use.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use oriel_extensions::{BudgetUse, HealthReport};
use oriel_model::Timestamp;
use oriel_model::budget::{BudgetAction, Budgets};
use oriel_model::health::{HealthChange, HealthState, Quarantine};
use oriel_model::health_policy::HealthPolicy;
use serde::Serialize;
use utoipa::ToSchema;

use super::extensions::Change;
use super::items::Milliseconds;
use crate::app::App;
use crate::extract::{Caller, Json, Params, json, tagged};
use crate::problem::Problem;

/// How an extension does on this node.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HealthView {
    state: HealthState,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    /// What its own health check said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Why it is in quarantine, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<Quarantine>,
    /// For how many milliseconds it is still left alone, if it has tripped.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, minimum = 0)]
    retry_after_ms: Option<Milliseconds>,
    /// Trips since it was last healthy.
    trips_in_a_row: u32,
    /// Trips within the last hour.
    trips_within_an_hour: u64,
    window: CallWindow,
    /// What is used of its budgets.
    budgets: Vec<BudgetView>,
    /// The last changes since the server started, the newest first; at most 50.
    history: Vec<HealthChange>,
}

/// Calls within the window that the circuit breaker looks at.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallWindow {
    /// Its length in milliseconds.
    #[schema(value_type = f64, minimum = 0)]
    span_ms: Milliseconds,
    /// Calls that tell something of the extension.
    calls: u64,
    /// Those that failed by its fault.
    failures: u64,
    /// Those in which it could not do what it should, by its own words.
    poor: u64,
    /// Those that took most of the time that they had.
    slow: u64,
}

/// How much of a budget is used.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BudgetView {
    /// Which.
    #[schema(pattern = "^(latencyP95|errorRate|cpu|memory|calls|outboundBytes|modelSpend)$", example = "cpu")]
    axis: &'static str,
    /// Milliseconds, bytes, calls, units of the currency or a share from 0 to 1, as the axis has it. Of `latencyP95`: the share of calls that took
    /// longer than the limit, of which 0.05 is allowed.
    #[schema(minimum = 0)]
    used: f64,
    /// Whether it is used up.
    over: bool,
    action: BudgetAction,
}

impl From<BudgetUse> for BudgetView {
    fn from(used: BudgetUse) -> Self {
        Self {
            axis: used.axis.as_str(),
            used: used.used,
            over: used.over,
            action: used.action,
        }
    }
}

impl From<HealthReport> for HealthView {
    fn from(report: HealthReport) -> Self {
        Self {
            state: report.state,
            reason: report.reason,
            since: report.since,
            detail: report.detail,
            quarantine: report.quarantine,
            retry_after_ms: report.retry_after.map(Milliseconds),
            trips_in_a_row: report.trips_in_a_row,
            trips_within_an_hour: report.trips_within_an_hour,
            window: CallWindow {
                span_ms: Milliseconds(report.window.span),
                calls: report.window.calls,
                failures: report.window.failures,
                poor: report.window.poor,
                slow: report.window.slow,
            },
            budgets: report.used.into_iter().map(BudgetView::from).collect(),
            history: report.history,
        }
    }
}

/// Show how an extension does
///
/// Its state on the node that answers, what the circuit breaker sees, what is used of its budgets, and how it came to that.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/health", operation_id = "getExtensionHealth", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.", example = "flight-delays")),
    responses((status = 200, description = "How it does.", body = HealthView)))]
pub(crate) async fn get_extension_health(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    let report = app.extensions.health(&principal, &name).await?;
    json(StatusCode::OK, &HealthView::from(report))
}

/// Let an extension out of quarantine
///
/// It is called again as if it were new. One that is not in quarantine stays as it is.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/release", operation_id = "releaseExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The installation.", body = super::dto::Extension)))]
pub(crate) async fn release_extension(State(app): State<Arc<App>>, change: Change) -> Result<Response, Problem> {
    let installation = app.extensions.release(&change.caller, &change.name, change.revision).await?;
    change.shown(&app, installation)
}

/// Read an extension's budgets
#[utoipa::path(get, path = "/api/v1/extensions/{name}/budgets", operation_id = "getExtensionBudgets", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The budgets; what is absent has none.", body = Budgets)))]
pub(crate) async fn get_extension_budgets(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.extensions.health(&principal, &name).await?.budgets)
}

/// Set an extension's budgets
///
/// Replaces all of them; what was used so far is forgotten. Budgets count on each node by itself.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/budgets", operation_id = "setExtensionBudgets", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    request_body(content = Budgets, example = json!({
        "cpu": {"limit": "30s", "window": "1m", "action": "throttle"},
        "errorRate": {"limit": 0.2, "window": "5m", "action": "warn"},
    })),
    responses((status = 200, description = "The installation.", body = super::dto::Extension)))]
pub(crate) async fn set_extension_budgets(
    State(app): State<Arc<App>>,
    change: Change,
    Json(budgets): Json<Budgets>,
) -> Result<Response, Problem> {
    let installation = app
        .extensions
        .set_budgets(&change.caller, &change.name, budgets, change.revision)
        .await?;
    change.shown(&app, installation)
}

/// An extension's health policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthPolicyView {
    /// What it says itself.
    policy: HealthPolicy,
    /// What holds after all: its own, then the operator's for extensions of its name, then the server's settings. Without a latency, a
    /// call is slow from four fifths of its time limit on.
    effective: HealthPolicy,
}

/// Read an extension's health policy
#[utoipa::path(get, path = "/api/v1/extensions/{name}/health-policy", operation_id = "getExtensionHealthPolicy", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The policy.", body = HealthPolicyView,
        headers(("ETag" = String, description = "The installation's revision.")))))]
pub(crate) async fn get_extension_health_policy(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let report = app.extensions.health_policy(&principal, &name).await?;
    let view = HealthPolicyView {
        policy: report.own,
        effective: report.effective,
    };
    tagged(&headers, report.revision, &view)
}

/// Set an extension's health policy
///
/// Replaces all of it; what is absent is as the server's settings say. What was counted so far stays. Who sets `releaseRole` must have
/// that role.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/health-policy", operation_id = "setExtensionHealthPolicy", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    request_body(content = HealthPolicy, example = json!({"errorRate": 20, "minCalls": 50, "backoff": "10s", "onAnomaly": "quarantine"})),
    responses((status = 200, description = "The installation.", body = super::dto::Extension)))]
pub(crate) async fn set_extension_health_policy(
    State(app): State<Arc<App>>,
    change: Change,
    Json(policy): Json<HealthPolicy>,
) -> Result<Response, Problem> {
    let installation = app
        .extensions
        .set_health_policy(&change.caller, &change.name, policy, change.revision)
        .await?;
    change.shown(&app, installation)
}
