//! Installations: from a package to what answers calls.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_extensions::{Consent, InstallOptions};
use oriel_model::access::Principal;
use oriel_model::installation::Installation;
use oriel_model::limits::LimitsRequest;
use oriel_model::page::Page;
use oriel_model::permissions::Permissions;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::access::PageQuery;
use super::dto::{Extension, PackageInspection};
use super::remote::{self, Remote};
use crate::app::App;
use crate::extract::{Caller, Json, OptionalJson, Package, Params, Query, if_match, json, page, tagged};
use crate::problem::Problem;

/// How a package is installed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InstallQuery {
    /// Grant all permissions that the package asks for. Without it, permissions wait for consent.
    #[serde(default)]
    grant: bool,
    /// Whether the installation shall answer calls at once; `true` unless said. What waits for consent answers once it is
    /// given, whatever is said here.
    enable: Option<bool>,
    /// Where the service of a remote extension runs, such as `https://orders.example.com`. Without it, where its manifest says.
    #[serde(rename = "remoteUrl")]
    remote_url: Option<String>,
}

/// How an installation is upgraded.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UpgradeQuery {
    /// Grant all permissions that the package asks for. Without it, a wider release waits for consent while the
    /// present one keeps running.
    #[serde(default)]
    grant: bool,
}

/// What is consented to.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"permissions": {"keyValue": true, "network": ["api.github.com"]}}))]
pub(crate) struct ConsentBody {
    /// The permissions to grant; without them, all that the waiting release asks for.
    permissions: Option<Permissions>,
}

/// An extension's configuration.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"config": {"greeting": "Hello"}}))]
pub(crate) struct ConfigBody {
    /// A JSON object that fits the extension's schema. Secrets are never shown: reading answers a mask in their place,
    /// and writing the mask back keeps them.
    #[schema(value_type = Object)]
    config: Value,
}

fn consent(grant: bool) -> Consent {
    if grant { Consent::All } else { Consent::Withheld }
}

/// The installation after a change.
fn shown(app: &App, caller: &Principal, status: StatusCode, installation: Installation) -> Result<Response, Problem> {
    shown_with(app, caller, status, installation, None)
}

/// The same, with what is shown of its service only once.
fn shown_with(
    app: &App,
    caller: &Principal,
    status: StatusCode,
    installation: Installation,
    remote: Option<Remote>,
) -> Result<Response, Problem> {
    let mut extension = Extension::from(app.extensions.describe(caller, installation));
    if remote.is_some() {
        extension.remote = remote;
    }
    let mut response = json(status, &extension)?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", extension.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// A change to the extension in the path: by whom, and at the revision that `If-Match` names, if it does.
pub(crate) struct Change {
    pub(super) caller: Arc<Principal>,
    pub(super) name: String,
    pub(super) revision: Option<u64>,
}

impl FromRequestParts<Arc<App>> for Change {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Caller(caller) = Caller::from_request_parts(parts, app).await?;
        let Params(name) = Params::from_request_parts(parts, app).await?;
        let revision = if_match(&parts.headers)?;
        Ok(Self { caller, name, revision })
    }
}

impl Change {
    async fn switch(self, app: &App, enabled: bool) -> Result<Response, Problem> {
        let installation = app.extensions.set_enabled(&self.caller, &self.name, enabled, self.revision).await?;
        self.shown(app, installation)
    }

    /// The installation that it led to.
    pub(super) fn shown(&self, app: &App, installation: Installation) -> Result<Response, Problem> {
        shown(app, &self.caller, StatusCode::OK, installation)
    }
}

/// Install an extension
///
/// The body is a package as `oriel pack` makes it. Without enough consent the installation waits in `pending-consent`;
/// when it needs a configuration first, or `enable` is false, it waits in `disabled`. Of a remote extension the reply shows, only
/// this once, the secret that requests to its service are signed with.
#[utoipa::path(post, path = "/api/v1/extensions", operation_id = "installExtension", tag = "extensions", params(InstallQuery),
    request_body(content = Vec<u8>, content_type = "application/vnd.oriel.package", description = "The package."),
    responses((status = 201, description = "The installation.", body = Extension,
        headers(("Location" = String, description = "Its address."), ("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn install_extension(
    State(app): State<Arc<App>>,
    Caller(caller): Caller,
    Query(query): Query<InstallQuery>,
    Package(package): Package,
) -> Result<Response, Problem> {
    let options = InstallOptions {
        consent: consent(query.grant),
        enable: query.enable.unwrap_or(true),
        remote_url: query.remote_url.as_deref().map(remote::url).transpose()?,
    };
    let installed = app.extensions.install_with(&caller, package, options).await?;
    let location = HeaderValue::from_str(&format!("/api/v1/extensions/{}", installed.installation.name));
    let remote = remote::shown(&installed);
    let mut response = shown_with(&app, &caller, StatusCode::CREATED, installed.installation, remote)?;
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// List extensions
///
/// The tenant's installations by name. Nobody is asked for health here: it is what is known.
#[utoipa::path(get, path = "/api/v1/extensions", operation_id = "listExtensions", tag = "extensions", params(PageQuery),
    responses((status = 200, description = "A page of installations.", body = Page<Extension>)))]
pub(crate) async fn list_extensions(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    let page = app.extensions.list(&principal, page).await?;
    json(StatusCode::OK, &page.map(Extension::from))
}

/// Show an extension
///
/// What it contributes, what it may do, how it is limited and how it does.
#[utoipa::path(get, path = "/api/v1/extensions/{name}", operation_id = "getExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.", example = "flight-delays"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has.")),
    responses((status = 200, description = "The installation.", body = Extension, headers(("ETag" = String, description = "Its revision."))),
        (status = 304, description = "The client has this revision.")))]
pub(crate) async fn get_extension(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let extension = Extension::from(app.extensions.get(&principal, &name).await?);
    tagged(&headers, extension.revision, &extension)
}

/// Uninstall an extension
///
/// With everything that it kept in this tenant. Calls in flight end first.
#[utoipa::path(delete, path = "/api/v1/extensions/{name}", operation_id = "uninstallExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn uninstall_extension(State(app): State<Arc<App>>, change: Change) -> Result<StatusCode, Problem> {
    let Change { caller, name, revision } = &change;
    app.extensions.uninstall(caller, name, *revision).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Enable an extension
///
/// It answers calls from then on.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/enable", operation_id = "enableExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn enable_extension(State(app): State<Arc<App>>, change: Change) -> Result<Response, Problem> {
    change.switch(&app, true).await
}

/// Disable an extension
///
/// Calls are refused with `extension.disabled` from then on; calls in flight end.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/disable", operation_id = "disableExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn disable_extension(State(app): State<Arc<App>>, change: Change) -> Result<Response, Problem> {
    change.switch(&app, false).await
}

/// Upgrade an extension
///
/// Moves it to the release in the body. Calls in flight end on the release that they began on. A release that asks for
/// more than the grant waits as `pending` while the present one keeps running.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/upgrade", operation_id = "upgradeExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name."), UpgradeQuery),
    request_body(content = Vec<u8>, content_type = "application/vnd.oriel.package", description = "The package."),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn upgrade_extension(
    State(app): State<Arc<App>>,
    change: Change,
    Query(query): Query<UpgradeQuery>,
    Package(package): Package,
) -> Result<Response, Problem> {
    let Change { caller, name, revision } = &change;
    let consent = consent(query.grant);
    let installation = app.extensions.upgrade(caller, name, package, consent, *revision).await?;
    change.shown(&app, installation)
}

/// Roll an extension back
///
/// To the release that ran before, with its grant and configuration.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/rollback", operation_id = "rollBackExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn roll_back_extension(State(app): State<Arc<App>>, change: Change) -> Result<Response, Problem> {
    let Change { caller, name, revision } = &change;
    let installation = app.extensions.roll_back(caller, name, *revision).await?;
    change.shown(&app, installation)
}

/// Consent to permissions
///
/// Grants what the pending release, or the first one, asks for; the release then runs.
#[utoipa::path(post, path = "/api/v1/extensions/{name}/consent", operation_id = "consentToExtension", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    request_body(content = Option<ConsentBody>, content_type = "application/json", description = "What to grant; all without a body."),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn consent_to_extension(
    State(app): State<Arc<App>>,
    change: Change,
    OptionalJson(body): OptionalJson<ConsentBody>,
) -> Result<Response, Problem> {
    let consent = body.unwrap_or_default().permissions.map_or(Consent::All, Consent::Exactly);
    let Change { caller, name, revision } = &change;
    let installation = app.extensions.consent(caller, name, consent, *revision).await?;
    change.shown(&app, installation)
}

/// Read an extension's configuration
///
/// Secrets are masked.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/config", operation_id = "getExtensionConfig", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The configuration.", body = ConfigBody)))]
pub(crate) async fn get_extension_config(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    let config = app.extensions.config(&principal, &name).await?;
    json(StatusCode::OK, &ConfigBody { config })
}

/// Configure an extension
///
/// Replaces the configuration, once it fits the extension's schema and its own check.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/config", operation_id = "setExtensionConfig", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")), request_body = ConfigBody,
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn set_extension_config(
    State(app): State<Arc<App>>,
    change: Change,
    Json(body): Json<ConfigBody>,
) -> Result<Response, Problem> {
    let Change { caller, name, revision } = &change;
    let installation = app.extensions.configure(caller, name, body.config, *revision).await?;
    change.shown(&app, installation)
}

/// Limit an extension
///
/// Replaces the limits that an administrator set; they win over the manifest's, and axes that are left out go back to it.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/limits", operation_id = "setExtensionLimits", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.")),
    request_body(content = LimitsRequest, example = json!({"memory": "128MiB", "timeout": "2s"})),
    responses((status = 200, description = "The installation.", body = Extension)))]
pub(crate) async fn set_extension_limits(
    State(app): State<Arc<App>>,
    change: Change,
    Json(limits): Json<LimitsRequest>,
) -> Result<Response, Problem> {
    let Change { caller, name, revision } = &change;
    let installation = app.extensions.set_limits(caller, name, limits, *revision).await?;
    change.shown(&app, installation)
}

/// Inspect a package
///
/// What a package holds and asks for. Nothing is kept, nothing is compiled.
#[utoipa::path(post, path = "/api/v1/packages/inspect", operation_id = "inspectPackage", tag = "extensions",
    request_body(content = Vec<u8>, content_type = "application/vnd.oriel.package", description = "The package."),
    responses((status = 200, description = "What it is.", body = PackageInspection)))]
pub(crate) async fn inspect_package(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Package(package): Package,
) -> Result<Response, Problem> {
    let inspection = app.extensions.inspect(&principal, package).await?;
    json(StatusCode::OK, &PackageInspection::from(inspection))
}
