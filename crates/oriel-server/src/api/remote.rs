//! Remote extensions: where their services run, what they are signed for, and the host calls that they make.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use oriel_extensions::{HostCallError, MAX_OVERLAP, WithSigningSecret};
use oriel_model::installation::RemoteService;
use oriel_model::limits::TimeSpan;
use oriel_model::{ErrorCode, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::extensions::Change;
use crate::app::App;
use crate::edge::bearer;
use crate::extract::{Json, JsonBytes, OptionalJson, Params, json as reply};
use crate::problem::Problem;

/// How long a former secret stays in force unless something else is said.
const OVERLAP: std::time::Duration = std::time::Duration::from_secs(24 * 3_600);

/// The service of a remote extension.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remote {
    /// Where it runs; absent as long as nobody has said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://orders.example.com")]
    url: Option<String>,
    /// The secrets that requests are signed with, the newest first, without their values.
    signing: Vec<Signing>,
    /// The newest secret: only in the reply that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(crate) secret: Option<String>,
}

/// A secret that requests are signed with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signing {
    made_at: Timestamp,
    /// When requests stop to be signed with it; absent of the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl From<&RemoteService> for Remote {
    fn from(service: &RemoteService) -> Self {
        let signing = service.signing.iter().map(|secret| Signing {
            made_at: secret.made_at,
            until: secret.until,
        });
        Self {
            url: service.url.as_ref().map(ToString::to_string),
            signing: signing.collect(),
            secret: None,
        }
    }
}

/// Where a service runs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"url": "https://orders.example.com"}))]
pub(crate) struct RemoteBody {
    /// Scheme, host, port and the path that the protocol's own paths are put after.
    #[schema(max_length = 512, pattern = "^https?://")]
    url: String,
}

/// How a secret is replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"overlap": "24h"}))]
pub(crate) struct RotationBody {
    /// For how long requests are signed with the former secret, too; 24h unless said, at most 7 days.
    overlap: Option<TimeSpan>,
}

/// The address, read as the API has it.
pub(super) fn url(text: &str) -> Result<oriel_model::remote::RemoteUrl, Problem> {
    text.parse()
        .map_err(|error: oriel_model::remote::RemoteUrlError| Problem::new(ErrorCode::RemoteUrlInvalid, error.to_string()))
}

/// Say where a remote extension's service runs
///
/// Calls go there from then on; calls that are under way end where they are.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/remote", operation_id = "setExtensionRemote", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")), request_body = RemoteBody,
    responses((status = 200, description = "The installation.", body = super::dto::Extension)))]
pub(crate) async fn set_extension_remote(
    State(app): State<Arc<App>>,
    change: Change,
    Json(body): Json<RemoteBody>,
) -> Result<Response, Problem> {
    let Change { caller, name, revision } = &change;
    let installation = app.extensions.set_remote_url(caller, name, url(&body.url)?, *revision).await?;
    change.shown(&app, installation)
}

/// Make a new signing secret
///
/// The reply shows it, and nothing ever does again. Requests carry signatures by both the new and the former one for as long as
/// `overlap` says, so that the service may learn the new one without losing a call.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/remote/rotate", operation_id = "rotateExtensionSecret", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    request_body(content = Option<RotationBody>, content_type = "application/json", description = "For how long the former one stays in force."),
    responses((status = 200, description = "The service with its new secret.", body = Remote)))]
pub(crate) async fn rotate_extension_secret(
    State(app): State<Arc<App>>,
    change: Change,
    OptionalJson(body): OptionalJson<RotationBody>,
) -> Result<Response, Problem> {
    let overlap = body.unwrap_or_default().overlap.map_or(OVERLAP, |span| span.0);
    if overlap > MAX_OVERLAP {
        return Err(Problem::invalid("`overlap` is at most 7 days (168h)"));
    }
    let Change { caller, name, revision } = &change;
    let made = app.extensions.rotate_signing_secret(caller, name, overlap, *revision).await?;
    reply(StatusCode::OK, &shown(&made))
}

/// The service with the secret that was just made.
pub(super) fn shown(made: &WithSigningSecret) -> Option<Remote> {
    let mut remote = made.installation.remote.as_deref().map(Remote::from)?;
    remote.secret.clone_from(&made.secret);
    Some(remote)
}

/// Who makes a host call: known before the body is read.
pub(crate) struct HostCaller(String);

impl FromRequestParts<Arc<App>> for HostCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = bearer(&parts.headers).filter(|token| app.extensions.is_under_way(token));
        let token = token.ok_or_else(|| Problem::new(ErrorCode::RemoteToken, HostCallError::Token.to_string()))?;
        Ok(Self(token.to_owned()))
    }
}

/// What a host function answers a service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"output": 1}))]
pub(crate) struct HostCallReply {
    /// What the function answers; `null` where it answers nothing.
    #[schema(value_type = Object)]
    output: Value,
}

/// Make a host call
///
/// For services of remote extensions, while they work on a call: the request of that call carries the token, which goes into
/// `Authorization: Bearer …`. The book's page on the protocol lists the functions with their arguments.
#[utoipa::path(post, path = "/oriel/v1/host/{function}", operation_id = "makeHostCall", tag = "extensions",
    params(("function" = String, Path, description = "Interface and function.", example = "key-value.get")),
    request_body(content = Object, description = "The function's arguments by name."),
    responses((status = 200, description = "What the function answers.", body = HostCallReply)))]
pub(crate) async fn make_host_call(
    State(app): State<Arc<App>>,
    Params(function): Params<String>,
    HostCaller(token): HostCaller,
    JsonBytes(arguments): JsonBytes,
) -> Result<Response, Problem> {
    let output = app.extensions.host_call(&token, &function, &arguments).await?;
    reply(StatusCode::OK, &HostCallReply { output })
}
