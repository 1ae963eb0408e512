//! What extensions did that they never did before, what is usual of them, and reports of what happened around it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_extensions::BaselineReport;
use oriel_model::Timestamp;
use oriel_model::anomaly::{Anomaly, AnomalyMetric, AnomalyState, UsualRange};
use oriel_model::contribution::ContributionKind;
use oriel_model::incident::IncidentReport;
use oriel_model::name::{ContributionName, ExtensionName};
use oriel_model::page::Page;
use oriel_store::AnomalyFilter;
use oriel_tasks::{IncidentRequest, incident_markdown};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::tag;
use crate::app::App;
use crate::extract::{Caller, Json, OptionalJson, Params, Query, if_match, json, page, tagged};
use crate::problem::Problem;

/// Which anomalies.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnomalyQuery {
    /// Of this extension.
    extension: Option<String>,
    /// `open`, `acknowledged` or `dismissed`.
    #[param(pattern = "^(open|acknowledged|dismissed)$")]
    state: Option<String>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// What somebody says about an anomaly.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"note": "a load test of ours"}))]
pub(crate) struct SettleBody {
    /// For others; at most 2000 characters.
    #[schema(max_length = 2000)]
    note: Option<String>,
}

/// What an incident report is about: `anomaly`, or `extension` with `from`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"extension": "flight-delays", "from": "2026-11-21T08:00:00Z", "to": "2026-11-21T09:00:00Z"}))]
pub(crate) struct IncidentBody {
    /// An anomaly's id: a quarter of an hour before and after it.
    anomaly: Option<String>,
    /// An extension's name, installed or not.
    extension: Option<String>,
    /// From when on.
    from: Option<Timestamp>,
    /// Until when; now unless said. At most 31 days after `from`.
    to: Option<Timestamp>,
}

/// In which form the report is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct IncidentQuery {
    /// `json` or `markdown`.
    #[param(pattern = "^(json|markdown)$", default = "json")]
    format: Option<String>,
}

/// What is usual of an extension, as the node that answers has learned it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BaselineView {
    node: String,
    /// Windows of time that were seen.
    windows: u64,
    /// Windows that must be seen before rates are judged.
    needed: u64,
    /// What is usual in the present hour of the week.
    series: Vec<SeriesView>,
    /// Hosts that it has contacted, on any node.
    hosts: Vec<HostView>,
}

/// What is usual of one quantity.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeriesView {
    metric: AnomalyMetric,
    /// The contribution's kind; absent when it is about all together.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ContributionKind>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    contribution: Option<ContributionName>,
    /// Observations so far.
    learned_from: u64,
    /// What is usual; absent while too little was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    usual: Option<UsualRange>,
}

/// A host that an extension has contacted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostView {
    host: String,
    first_seen: Timestamp,
}

impl From<BaselineReport> for BaselineView {
    fn from(report: BaselineReport) -> Self {
        let series = report.series.into_iter().map(|series| {
            let (kind, contribution) = series.contribution.unzip();
            SeriesView {
                metric: series.metric,
                kind,
                contribution,
                learned_from: series.learned_from,
                usual: series.usual,
            }
        });
        let hosts = report.hosts.into_iter().map(|known| HostView {
            host: known.host,
            first_seen: known.first_seen,
        });
        Self {
            node: report.node,
            windows: report.windows,
            needed: report.needed,
            series: series.collect(),
            hosts: hosts.collect(),
        }
    }
}

/// List anomalies
///
/// What extensions did that they never did before, newest first.
#[utoipa::path(get, path = "/api/v1/anomalies", operation_id = "listAnomalies", tag = "extensions", params(AnomalyQuery),
    responses((status = 200, description = "A page of anomalies.", body = Page<Anomaly>)))]
pub(crate) async fn list_anomalies(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<AnomalyQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    let state = query.state.as_deref().map(str::parse::<AnomalyState>).transpose();
    let extension = query.extension.as_deref().map(str::parse::<ExtensionName>).transpose();
    let filter = AnomalyFilter {
        extension: extension.map_err(|error| Problem::invalid(format!("`extension`: {error}")))?,
        state: state.map_err(|error| Problem::invalid(format!("`state`: {error}")))?,
    };
    json(StatusCode::OK, &app.extensions.anomalies(&principal, &filter, page).await?)
}

/// Show an anomaly
#[utoipa::path(get, path = "/api/v1/anomalies/{anomalyId}", operation_id = "getAnomaly", tag = "extensions",
    params(("anomalyId" = String, Path, description = "The anomaly's id.")),
    responses((status = 200, description = "The anomaly.", body = Anomaly, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn get_anomaly(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let anomaly = app.extensions.anomaly(&principal, &id).await?;
    tagged(&headers, anomaly.revision, &anomaly)
}

/// Acknowledge an anomaly
///
/// Somebody knows of it. It is counted on, and not told again.
#[utoipa::path(post, path = "/api/v1/anomalies/{anomalyId}/acknowledge", operation_id = "acknowledgeAnomaly", tag = "extensions",
    params(("anomalyId" = String, Path, description = "The anomaly's id.")), request_body = Option<SettleBody>,
    responses((status = 200, description = "The anomaly.", body = Anomaly, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn acknowledge_anomaly(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<SettleBody>,
) -> Result<Response, Problem> {
    settle(&app, &principal, &id, false, &headers, body).await
}

/// Dismiss an anomaly
///
/// It was nothing. The like of it, up to a quarter farther off, is usual for this installation from now on.
#[utoipa::path(post, path = "/api/v1/anomalies/{anomalyId}/dismiss", operation_id = "dismissAnomaly", tag = "extensions",
    params(("anomalyId" = String, Path, description = "The anomaly's id.")), request_body = Option<SettleBody>,
    responses((status = 200, description = "The anomaly.", body = Anomaly, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn dismiss_anomaly(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<SettleBody>,
) -> Result<Response, Problem> {
    settle(&app, &principal, &id, true, &headers, body).await
}

async fn settle(
    app: &App,
    principal: &oriel_model::access::Principal,
    id: &str,
    dismiss: bool,
    headers: &HeaderMap,
    body: Option<SettleBody>,
) -> Result<Response, Problem> {
    let (note, revision) = (body.unwrap_or_default().note, if_match(headers)?);
    let anomaly = app.extensions.settle_anomaly(principal, id, dismiss, note, revision).await?;
    let mut response = json(StatusCode::OK, &anomaly)?;
    tag(&mut response, anomaly.revision);
    Ok(response)
}

/// Show what is usual of an extension
///
/// What the node that answers has learned: rates by the hour of the week, averages of calls by contribution, and the hosts that were
/// contacted from any node.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/baseline", operation_id = "getExtensionBaseline", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.", example = "flight-delays")),
    responses((status = 200, description = "What is usual.", body = BaselineView)))]
pub(crate) async fn get_extension_baseline(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    let report = app.extensions.baseline(&principal, &name).await?;
    json(StatusCode::OK, &BaselineView::from(report))
}

/// Report what happened around an anomaly
///
/// Gathers the calls, refusals, log lines, changes of health, grants and configuration, uses of secrets and hosts of one extension around
/// an anomaly or within a span of time. Nothing is stored. Inputs and outputs of calls are not part of it.
#[utoipa::path(post, path = "/api/v1/incidents", operation_id = "reportIncident", tag = "extensions", params(IncidentQuery),
    request_body = IncidentBody,
    responses((status = 200, description = "The report.", content((IncidentReport = "application/json"), (String = "text/markdown")))))]
pub(crate) async fn report_incident(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<IncidentQuery>,
    Json(body): Json<IncidentBody>,
) -> Result<Response, Problem> {
    let markdown = match query.format.as_deref() {
        None | Some("json") => false,
        Some("markdown") => true,
        Some(_) => return Err(Problem::invalid("`format` should be `json` or `markdown`")),
    };
    let request = IncidentRequest {
        anomaly: body.anomaly,
        extension: body.extension,
        from: body.from,
        to: body.to,
    };
    app.access.flush().await;
    let report = app.tasks.incident(&principal, &request).await?;
    if !markdown {
        return json(StatusCode::OK, &report);
    }
    let mut response = Response::new(incident_markdown(&report).into());
    let kind = HeaderValue::from_static("text/markdown; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
