//! Secrets of extensions: set and removed, never shown.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use oriel_extensions::SecretStatus;
use oriel_model::Timestamp;
use oriel_model::access::Principal;
use oriel_model::page::Page;
use oriel_model::permissions::HostPattern;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Caller, Json, Params, if_match, json};
use crate::problem::Problem;

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Secret {
    #[schema(example = "github-token")]
    name: String,
    /// Whether it has a value.
    set: bool,
    /// When its value was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_at: Option<Timestamp>,
    /// The hosts that the extension asks to send it to; empty when it no longer asks for the secret.
    wanted: Vec<HostPattern>,
    /// The hosts that it may be sent to.
    granted: Vec<HostPattern>,
}

impl From<SecretStatus> for Secret {
    fn from(status: SecretStatus) -> Self {
        Self {
            name: status.name.to_string(),
            set: status.set_at.is_some(),
            set_at: status.set_at,
            wanted: status.wanted,
            granted: status.granted,
        }
    }
}

/// The value of a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"value": "the token itself"}))]
pub(crate) struct SecretBody {
    /// 1 to 4096 visible ASCII characters and spaces, without a space at either end.
    #[schema(min_length = 1, max_length = 4096, write_only)]
    value: String,
}

/// A change to the secret in the path: by whom, and at the extension's revision that `If-Match` names, if it does.
pub(crate) struct Change {
    caller: Arc<Principal>,
    extension: String,
    secret: String,
    revision: Option<u64>,
}

impl FromRequestParts<Arc<App>> for Change {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Caller(caller) = Caller::from_request_parts(parts, app).await?;
        let Params((extension, secret)) = Params::from_request_parts(parts, app).await?;
        let revision = if_match(&parts.headers)?;
        Ok(Self {
            caller,
            extension,
            secret,
            revision,
        })
    }
}

/// List an extension's secrets
///
/// Those that it asks for and those that are set. Values are never shown.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/secrets", operation_id = "listExtensionSecrets", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "All of them by name, on one page.", body = Page<Secret>)))]
pub(crate) async fn list_extension_secrets(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    let secrets = app.extensions.secrets(&principal, &name).await?;
    let items = secrets.into_iter().map(Secret::from).collect();
    json(StatusCode::OK, &Page { items, next_cursor: None })
}

/// Set an extension's secret
///
/// Replaces its value. It is sealed at rest, can never be read again, and goes out only in headers of requests to its hosts.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/secrets/{secret}", operation_id = "setExtensionSecret", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name."),
        ("secret" = String, Path, description = "The secret's name, which the extension's permissions ask for.", example = "github-token")),
    request_body = SecretBody,
    responses((status = 200, description = "The secret, without its value.", body = Secret)))]
pub(crate) async fn set_extension_secret(
    State(app): State<Arc<App>>,
    change: Change,
    Json(body): Json<SecretBody>,
) -> Result<Response, Problem> {
    let Change {
        caller,
        extension,
        secret,
        revision,
    } = &change;
    let status = app.extensions.set_secret(caller, extension, secret, &body.value, *revision).await?;
    json(StatusCode::OK, &Secret::from(status))
}

/// Remove an extension's secret
///
/// Requests that would carry it are refused from then on.
#[utoipa::path(delete, path = "/api/v1/extensions/{name}/secrets/{secret}", operation_id = "removeExtensionSecret", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name."), ("secret" = String, Path, description = "The secret's name.")),
    responses((status = 204, description = "It has no value any more.")))]
pub(crate) async fn remove_extension_secret(State(app): State<Arc<App>>, change: Change) -> Result<StatusCode, Problem> {
    let Change {
        caller,
        extension,
        secret,
        revision,
    } = &change;
    app.extensions.remove_secret(caller, extension, secret, *revision).await?;
    Ok(StatusCode::NO_CONTENT)
}
