//! Routes of extensions: what there is, and where.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use oriel_model::contribution::RouteAccess;
use oriel_model::name::ContributionName;
use oriel_model::route;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Caller, Params, json};
use crate::problem::Problem;

/// A route.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RouteView {
    /// Its name.
    name: ContributionName,
    /// One line for people.
    description: String,
    /// Its path below the extension's address; what lies below it is meant too.
    #[schema(example = "/notes")]
    path: String,
    access: RouteAccess,
    /// Where it answers. Relative to this server, unless routes have an origin of their own.
    #[schema(example = "/x/acme/notes/notes")]
    address: String,
}

/// The routes of an extension.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteList {
    items: Vec<RouteView>,
}

/// List an extension's routes
///
/// With the addresses at which they answer. What they take and answer is up to the extension; calls of routes leave no
/// execution records.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/routes", operation_id = "listExtensionRoutes", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name.", example = "notes")),
    responses((status = 200, description = "Its routes.", body = RouteList)))]
pub(crate) async fn list_extension_routes(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    let declared = app.extensions.routes(&principal, &name).await?;
    let tenant = principal.tenant_name.as_str();
    let base = match &app.config.routes_origin {
        Some(origin) => origin.address(tenant, &name),
        None => format!("/x/{tenant}/{name}"),
    };
    let routes = declared.into_iter().map(|declared| {
        let access = route::access(&declared);
        let path = declared.path.unwrap_or_default();
        RouteView {
            name: declared.name,
            description: declared.description,
            address: format!("{base}{path}"),
            path,
            access,
        }
    });
    json(StatusCode::OK, &RouteList { items: routes.collect() })
}
