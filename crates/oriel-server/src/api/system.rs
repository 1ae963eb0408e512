//! Health, metrics and the document of the API itself.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_access::Access;
use oriel_model::access::Scope;
use serde::Serialize;

use crate::app::App;
use crate::extract::{Caller, json};
use crate::metrics::{Code, Metrics, bytes_below};
use crate::problem::Problem;

/// How the server is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// `ok`, or `unavailable` when it is not ready.
    #[schema(pattern = "^(ok|unavailable)$", example = "ok")]
    status: &'static str,
    /// Whether the process works; if not, restart it.
    live: bool,
    /// Whether it takes new work; if not, send requests elsewhere.
    ready: bool,
    /// The server's version.
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// What readiness was judged by.
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    /// What.
    #[schema(example = "database")]
    name: &'static str,
    /// Whether it is well.
    ok: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Whether the server is live and ready
///
/// Answers 200 when it is ready and 503 when it is not: while it drains, and while its database does not answer.
#[utoipa::path(get, path = "/api/v1/health", operation_id = "getHealth", tag = "system", responses(
    (status = 200, description = "It is ready.", body = Health),
    (status = 503, description = "It is live, but not ready.", body = Health),
))]
pub(crate) async fn get_health(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let draining = !app.is_ready();
    let database = app.stores.tenants.by_name("default").await.err();
    let checks = vec![
        Check {
            name: "accepting",
            ok: !draining,
            detail: draining.then(|| "the server is shutting down".to_owned()),
        },
        Check {
            name: "database",
            ok: database.is_none(),
            detail: database.map(|error| error.to_string()),
        },
    ];
    let ready = checks.iter().all(|check| check.ok);
    let health = Health {
        status: if ready { "ok" } else { "unavailable" },
        live: true,
        ready,
        version: env!("CARGO_PKG_VERSION"),
        checks,
    };
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &health)
}

/// Metrics for Prometheus
///
/// Needs a key only when the operator sets `public_metrics` to false. What extensions measure of themselves is shown to keys
/// only: of all tenants to owners of the tenant `default`, of their own to keys with
/// `extensions:read`.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "system", responses(
    (status = 200, description = "Metrics in the text format of Prometheus.", body = String, content_type = "text/plain; version=0.0.4"),
))]
pub(crate) async fn get_metrics(State(app): State<Arc<App>>, caller: Result<Caller, Problem>) -> Response {
    let directory = app.config.code_dir();
    let bytes = tokio::task::spawn_blocking(move || bytes_below(&directory)).await;
    let code = Code {
        unsampled: app.tasks.unsampled(),
        canaries: app.extensions.canary_counts(),
        lookups: app.extensions.code_lookups(),
        bytes: bytes.unwrap_or_default(),
    };
    let mut text = app
        .metrics
        .render(app.is_ready(), app.extensions.instances(), code, &app.extensions.health_numbers());
    if let Ok(Caller(principal)) = caller {
        let mut guests = app.extensions.guest_metrics();
        if !Access::manages_platform(&principal) {
            guests.retain(|guest| principal.may(Scope::ExtensionsRead) && guest.tenant_id == principal.tenant);
        }
        Metrics::guests(&mut text, &guests);
    }
    let mut response = Response::new(Body::from(text));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}

/// The OpenAPI document
///
/// OpenAPI 3.1; what it says is what the server does.
#[utoipa::path(get, path = "/api/openapi.json", operation_id = "getOpenApi", tag = "system", responses(
    (status = 200, description = "The document.", body = serde_json::Value, content_type = "application/json"),
))]
pub(crate) async fn get_open_api(headers: HeaderMap) -> Response {
    let (body, tag) = crate::openapi::bytes();
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|value| value == tag);
    let mut response = Response::new(if known {
        Body::empty()
    } else {
        Body::from(Bytes::from_static(body))
    });
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ETAG, tag.clone());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
    response
}
