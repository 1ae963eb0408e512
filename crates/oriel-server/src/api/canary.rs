//! Canaries: a release tried out beside the running one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oriel_extensions::{CanaryChange, CanaryStatus};
use oriel_model::Timestamp;
use oriel_model::access::Principal;
use oriel_model::canary::{CanaryComparison, CanaryOutcome, CanaryPolicy, DEFAULT_SHARE};
use oriel_model::id::CanaryId;
use oriel_model::installation::InstallationState;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::dto::Extension;
use super::extensions::Change;
use super::tag;
use crate::app::App;
use crate::extract::{Caller, Json, Package, Params, Query, Whole, json};
use crate::problem::Problem;

/// How a canary is tried out. What is left out has its default.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StartCanary {
    /// The share of calls of tasks that it takes, above 0 and at most 1.
    #[param(default = 0.2)]
    share: Option<f64>,
    /// Calls that it must have had before the comparison decides anything.
    #[param(minimum = 1, default = 20)]
    min_calls: Option<u64>,
    /// How likely a canary that is as good may be rolled back by mistake, over its whole life.
    #[param(default = 0.01)]
    alpha: Option<f64>,
    /// Calls after which it is promoted when nothing speaks against it.
    #[param(minimum = 1, default = 1000)]
    promote_after: Option<u64>,
    /// By how much calls may become slower: 0.5 is half as long again. Less than a millisecond never counts.
    #[param(minimum = 0, maximum = 1000, default = 0.5)]
    max_latency_increase: Option<f64>,
    /// By how much the mean score of validators may drop; 1 leaves scores out.
    #[param(minimum = 0, maximum = 1, default = 0.05)]
    max_score_drop: Option<f64>,
    /// Crashes in a row that roll it back at once.
    #[param(minimum = 1, default = 5)]
    hard_failures: Option<u32>,
    /// Whether the platform promotes and rolls back on its own; otherwise it only says what it would do.
    #[param(default = true)]
    auto: Option<bool>,
}

/// What to change of a canary that runs. Fields that are left out stay. What it is measured by (`alpha`, `maxLatencyIncrease`,
/// `maxScoreDrop`) is settled when it begins.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"share": 0.5}))]
pub(crate) struct ChangeCanary {
    /// The share of calls of tasks that it takes, above 0 and at most 1. The same key keeps its release; a larger share only adds some.
    share: Option<f64>,
    /// Calls that it must have had before the comparison decides anything.
    #[schema(value_type = Option<u64>, minimum = 1)]
    min_calls: Option<Whole>,
    /// Calls after which it is promoted when nothing speaks against it.
    #[schema(value_type = Option<u64>, minimum = 1)]
    promote_after: Option<Whole>,
    /// Crashes in a row that roll it back at once.
    #[schema(value_type = Option<u32>, minimum = 1)]
    hard_failures: Option<Whole>,
    /// Whether the platform promotes and rolls back on its own.
    auto: Option<bool>,
}

/// A canary that runs, compared with the running release.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunningCanary {
    id: CanaryId,
    /// Its version.
    #[schema(example = "1.3.0")]
    version: String,
    /// The share of calls that it takes.
    share: f64,
    policy: CanaryPolicy,
    /// When it began.
    since: Timestamp,
    comparison: CanaryComparison,
}

/// The canary of an extension, if it has one, and what came of the one before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CanaryReport {
    /// `running` when one runs, `paused` when the extension is not enabled meanwhile, `none` when none does.
    state: CanaryState,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<RunningCanary>,
    /// What came of the last one that ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<CanaryOutcome>,
}

/// Whether a canary runs.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CanaryState {
    Running,
    Paused,
    None,
}

impl From<CanaryStatus> for CanaryReport {
    fn from(status: CanaryStatus) -> Self {
        let state = match (&status.running, status.state) {
            (None, _) => CanaryState::None,
            (Some(_), InstallationState::Enabled) => CanaryState::Running,
            (Some(_), InstallationState::Disabled | InstallationState::PendingConsent) => CanaryState::Paused,
        };
        Self {
            state,
            canary: status.running.map(|(canary, comparison)| RunningCanary {
                id: canary.id,
                version: canary.release.manifest.version.to_string(),
                share: canary.share,
                policy: canary.policy,
                since: canary.since,
                comparison,
            }),
            last: status.last,
        }
    }
}

async fn report(app: &App, caller: &Principal, name: &str) -> Result<Response, Problem> {
    let status = app.extensions.canary(caller, name).await?;
    let revision = status.revision;
    let mut response = json(StatusCode::OK, &CanaryReport::from(status))?;
    tag(&mut response, revision);
    Ok(response)
}

/// Start a canary
///
/// Runs the release in the body beside the installed one: it takes a share of the calls of tasks and is compared with the
/// running release by tests that may be looked at after every call. Program calls without a task, and everything else, get
/// the running release. It must ask for no more than the present grant; a release that does is an upgrade. A canary that
/// runs already is replaced.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/canary", operation_id = "startCanary", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name."), StartCanary),
    request_body(content = Vec<u8>, content_type = "application/vnd.oriel.package", description = "The package."),
    responses((status = 200, description = "The canary.", body = CanaryReport, headers(("ETag" = String, description = "The installation's revision.")))))]
pub(crate) async fn start_canary(
    State(app): State<Arc<App>>,
    change: Change,
    Query(query): Query<StartCanary>,
    Package(package): Package,
) -> Result<Response, Problem> {
    let usual = CanaryPolicy::default();
    let policy = CanaryPolicy {
        min_calls: query.min_calls.unwrap_or(usual.min_calls),
        alpha: query.alpha.unwrap_or(usual.alpha),
        promote_after: query.promote_after.unwrap_or(usual.promote_after),
        max_latency_increase: query.max_latency_increase.unwrap_or(usual.max_latency_increase),
        max_score_drop: query.max_score_drop.unwrap_or(usual.max_score_drop),
        hard_failures: query.hard_failures.unwrap_or(usual.hard_failures),
        auto: query.auto.unwrap_or(usual.auto),
    };
    let share = query.share.unwrap_or(DEFAULT_SHARE);
    let Change { caller, name, revision } = &change;
    app.extensions.start_canary(caller, name, package, share, policy, *revision).await?;
    report(&app, caller, name).await
}

/// Show a canary
///
/// Both releases side by side by what all nodes have seen: calls, success rate, latency, scores; for each test how strong the
/// evidence against the canary is and what it would take; and what the policy makes of it. Without a canary, what came of
/// the last one.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/canary", operation_id = "getCanary", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The canary.", body = CanaryReport)))]
pub(crate) async fn get_canary(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    report(&app, &caller, &name).await
}

/// Change a canary
///
/// Its share of calls, and when it is promoted or rolled back.
#[utoipa::path(patch, path = "/api/v1/extensions/{name}/canary", operation_id = "changeCanary", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")), request_body = ChangeCanary,
    responses((status = 200, description = "The canary.", body = CanaryReport)))]
pub(crate) async fn change_canary(
    State(app): State<Arc<App>>,
    change: Change,
    Json(body): Json<ChangeCanary>,
) -> Result<Response, Problem> {
    let wanted = CanaryChange {
        share: body.share,
        min_calls: body.min_calls.map(|count| count.0),
        promote_after: body.promote_after.map(|count| count.0),
        hard_failures: body.hard_failures.map(|count| u32::try_from(count.0).unwrap_or(u32::MAX)),
        auto: body.auto,
    };
    let Change { caller, name, revision } = &change;
    app.extensions.change_canary(caller, name, wanted, *revision).await?;
    report(&app, caller, name).await
}

/// Promote a canary
///
/// Makes it the running release, whatever the numbers say. The release that ran before stays for rolling back.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/canary/promote", operation_id = "promoteCanary", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn promote_canary(State(app): State<Arc<App>>, change: Change) -> Result<Response, Problem> {
    let Change { caller, name, revision } = &change;
    let installation = app.extensions.promote_canary(caller, name, *revision).await?;
    change.shown(&app, installation)
}

/// Roll a canary back
///
/// Takes it away, whatever the numbers say. Calls in flight end on it.
#[utoipa::path(delete, path = "/api/v1/extensions/{name}/canary", operation_id = "rollBackCanary", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn roll_back_canary(State(app): State<Arc<App>>, change: Change) -> Result<Response, Problem> {
    let Change { caller, name, revision } = &change;
    let installation = app.extensions.roll_back_canary(caller, name, *revision).await?;
    change.shown(&app, installation)
}
