//! The OpenAPI document of one tenant: this server's operations, and the routes of the tenant's extensions.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_model::Digest;
use oriel_model::access::Scope;
use oriel_model::contribution::RouteAccess;
use oriel_model::installation::InstallationState;
use oriel_model::manifest::Declaration;
use oriel_model::page::PageRequest;
use oriel_model::route;
use serde_json::{Value, json};

use crate::app::App;
use crate::extract::{Caller, json_bytes};
use crate::openapi;
use crate::problem::Problem;

/// The methods that a document can name. Routes take others too.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The OpenAPI document with the tenant's routes
///
/// What `/api/openapi.json` says, and a path for each route of the tenant's enabled extensions with who may call it. What a route takes and
/// answers is up to its extension; what lies below its path is meant too.
#[utoipa::path(get, path = "/api/v1/tenants/current/openapi.json", operation_id = "getTenantOpenApi", tag = "system",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value,
        headers(("ETag" = String, description = "Of its content.")))))]
pub(crate) async fn get_tenant_open_api(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = principal.tenant_name.as_str();
    let mut paths = BTreeMap::new();
    let mut page = PageRequest::first();
    loop {
        let listed = app.extensions.list(&principal, page.clone()).await?;
        for status in listed.items {
            let installation = status.installation;
            if installation.state != InstallationState::Enabled {
                continue;
            }
            let name = installation.name.as_str();
            let address = match &app.config.routes_origin {
                Some(origin) => origin.address(tenant, name),
                None => format!("/x/{tenant}/{name}"),
            };
            for declared in &installation.release.manifest.routes {
                let (place, item) = described(name, &address, declared);
                // Extensions with an origin each may have the same path; a fragment tells them apart.
                let place = if paths.contains_key(&place) {
                    format!("{place}#{name}")
                } else {
                    place
                };
                paths.insert(place, item);
            }
        }
        match listed.next_cursor {
            None => break,
            cursor => page.cursor = cursor,
        }
    }
    let mut document = openapi::document();
    if let Some(tags) = document["tags"].as_array_mut() {
        tags.push(json!({ "name": "routes", "description": "What the tenant's extensions answer themselves." }));
    }
    if let Some(all) = document["paths"].as_object_mut() {
        all.extend(paths);
    }
    let body = serde_json::to_vec(&document).unwrap_or_default();
    let tag = format!("\"{}\"", &Digest::of(&body).hex()[..16]);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known == Some(&tag) {
        json_bytes(StatusCode::NOT_MODIFIED, Vec::new())
    } else {
        json_bytes(StatusCode::OK, body)
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The path of a route in the document, and what stands there.
fn described(extension: &str, address: &str, declared: &Declaration) -> (String, Value) {
    let access = route::access(declared);
    let path = declared.path.as_deref().unwrap_or_default();
    let whole = format!("{address}{path}");
    // An origin of its own goes into `servers`; what remains is the path.
    let (server, place) = match whole
        .find("://")
        .and_then(|at| whole[at + 3..].find('/').map(|slash| at + 3 + slash))
    {
        Some(at) => (Some(&whole[..at]), whole[at..].to_owned()),
        None => (None, whole.clone()),
    };
    let mut item = json!({
        "summary": format!("Route `{}` of {extension}", declared.name),
        "description": format!("{}\n\nPaths below it are answered as well.", declared.description).trim(),
    });
    if let Some(server) = server {
        item["servers"] = json!([{ "url": server }]);
    }
    for method in METHODS {
        let mut operation = json!({
            "operationId": format!("route_{extension}_{}_{method}", declared.name),
            "tags": ["routes"],
            "security": if access == RouteAccess::Key { json!([{ "key": [] }]) } else { json!([]) },
            "responses": { "default": { "description": "Whatever the extension answers." } },
        });
        if access == RouteAccess::Key {
            operation["x-scope"] = Scope::TasksExecute.as_str().into();
        }
        item[method] = operation;
    }
    (place, item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_paths_and_servers() {
        let mut declared: Declaration = serde_json::from_value(json!({ "name": "notes", "path": "/notes", "access": "public" })).unwrap();
        let (place, item) = described("pad", "/x/acme/pad", &declared);
        assert_eq!(
            (&*place, &item["get"]["security"], item.get("servers")),
            ("/x/acme/pad/notes", &json!([]), None)
        );
        declared.path = Some("/".to_owned());
        let (place, item) = described("pad", "https://pad--acme.ext.example.com", &declared);
        assert_eq!(
            (&*place, &item["servers"]),
            ("/", &json!([{ "url": "https://pad--acme.ext.example.com" }]))
        );
    }
}
