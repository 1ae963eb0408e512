//! What extensions keep in collections, for administrators.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_model::ErrorCode;
use oriel_model::collection::{AccessRule, CollectionIndex, Document, DocumentOrder, Filter};
use oriel_model::limits::ByteSize;
use oriel_model::name::ContributionName;
use oriel_model::page::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Caller, Json, Params, Query, if_match, json, page, tagged};
use crate::problem::Problem;

/// A collection with what it holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CollectionReply {
    /// Its name within the extension.
    name: ContributionName,
    /// One line for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    /// JSON Schema 2020-12 of a document; absent when any JSON object will do.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
    /// By what it can be ordered, and searched without reading all of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    indexes: Vec<CollectionIndex>,
    /// Who sees and changes which document in calls on behalf of a user; absent when all do.
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<AccessRule>,
    /// The most documents that it holds; absent when only the installation's own limit counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_documents: Option<u32>,
    /// The most bytes that its documents have together; absent when only the installation's own limit counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    max_bytes: Option<ByteSize>,
    /// Whether the running release still has it. One that was dropped keeps its documents until the extension is uninstalled.
    declared: bool,
    /// How many documents there are.
    documents: u64,
    /// Bytes of their ids and bodies.
    bytes: u64,
}

/// An installation's collections.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionList {
    /// By name.
    items: Vec<CollectionReply>,
}

/// How many documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DocumentCount {
    count: u64,
}

/// Which documents.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DocumentsQuery {
    /// A filter as JSON, such as `{"/status": "open", "/total": {"gte": 10}}`; without it every document.
    filter: Option<String>,
    /// Fields of an index, with `,` between them, such as `/createdAt`; or all with `-` before them for the largest first.
    order: Option<String>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Which documents are counted or exported.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FilterQuery {
    /// A filter as JSON; without it every document.
    filter: Option<String>,
}

fn filter(text: Option<&str>) -> Result<Filter, Problem> {
    let Some(text) = text else { return Ok(Filter::everything()) };
    Filter::parse(text).map_err(|error| Problem::new(ErrorCode::DocumentQuery, error.to_string()))
}

fn order(text: Option<&str>) -> Result<DocumentOrder, Problem> {
    let fields: Vec<String> = text
        .into_iter()
        .flat_map(|text| text.split(','))
        .map(|field| field.trim().to_owned())
        .collect();
    DocumentOrder::parse(&fields).map_err(|error| Problem::new(ErrorCode::DocumentQuery, error.to_string()))
}

/// List an extension's collections
///
/// With how many documents each has. Collections that the running release no longer declares keep their documents until the extension is
/// uninstalled, and are listed too.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/collections", operation_id = "listCollections", tag = "collections",
    params(("name" = String, Path, description = "The extension's name.")),
    responses((status = 200, description = "The collections.", body = CollectionList)))]
pub(crate) async fn list_collections(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    let states = app.extensions.collections(&principal, &name).await?;
    let items = states.into_iter().map(|state| CollectionReply {
        name: state.manifest.name,
        description: state.manifest.description,
        schema: state.manifest.schema,
        indexes: state.manifest.indexes,
        access: state.manifest.access,
        max_documents: state.manifest.max_documents,
        max_bytes: state.manifest.max_bytes,
        declared: state.declared,
        documents: state.documents,
        bytes: state.bytes,
    });
    json(StatusCode::OK, &CollectionList { items: items.collect() })
}

/// Query documents
///
/// Whoever owns them: access rules are for calls on behalf of users.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/collections/{collection}/documents", operation_id = "queryDocuments", tag = "collections",
    params(("name" = String, Path, description = "The extension's name."),
        ("collection" = String, Path, description = "The collection's name."), DocumentsQuery),
    responses((status = 200, description = "A page of documents.", body = Page<Document>)))]
pub(crate) async fn query_documents(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, collection)): Params<(String, String)>,
    Query(query): Query<DocumentsQuery>,
) -> Result<Response, Problem> {
    let (filter, order) = (filter(query.filter.as_deref())?, order(query.order.as_deref())?);
    let limit = page(query.limit, None)?.limit;
    // The place of a document in an order can be long.
    if query
        .cursor
        .as_ref()
        .is_some_and(|cursor| cursor.is_empty() || cursor.len() > 16_000)
    {
        return Err(Problem::bare(ErrorCode::RequestCursor));
    }
    let found = app
        .extensions
        .documents(&principal, &name, &collection, &filter, &order, (limit, query.cursor.as_deref()))
        .await?;
    let found = Page {
        items: found.documents,
        next_cursor: found.next_cursor,
    };
    json(StatusCode::OK, &found)
}

/// Count documents
#[utoipa::path(get, path = "/api/v1/extensions/{name}/collections/{collection}/count", operation_id = "countDocuments", tag = "collections",
    params(("name" = String, Path, description = "The extension's name."),
        ("collection" = String, Path, description = "The collection's name."), FilterQuery),
    responses((status = 200, description = "How many documents the filter means.", body = DocumentCount)))]
pub(crate) async fn count_documents(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, collection)): Params<(String, String)>,
    Query(query): Query<FilterQuery>,
) -> Result<Response, Problem> {
    let filter = filter(query.filter.as_deref())?;
    let count = app.extensions.count_documents(&principal, &name, &collection, &filter).await?;
    json(StatusCode::OK, &DocumentCount { count })
}

/// Export documents
///
/// All documents of a collection, or those that a filter means, as lines of JSON by id. An export that breaks off ends without its last
/// line, `{"end": COUNT}`.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/collections/{collection}/export", operation_id = "exportDocuments", tag = "collections",
    params(("name" = String, Path, description = "The extension's name."),
        ("collection" = String, Path, description = "The collection's name."), FilterQuery),
    responses((status = 200, description = "The documents.", content_type = "application/x-ndjson", body = Document)))]
pub(crate) async fn export_documents(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, collection)): Params<(String, String)>,
    Query(query): Query<FilterQuery>,
) -> Result<Response, Problem> {
    let filter = filter(query.filter.as_deref())?;
    let order = DocumentOrder::default();
    let read = move |cursor: Option<String>| {
        let (app, principal, name, collection) = (app.clone(), principal.clone(), name.clone(), collection.clone());
        let (filter, order) = (filter.clone(), order.clone());
        async move {
            let page = (PageRequest::MAX_LIMIT, cursor.as_deref());
            app.extensions
                .documents(&principal, &name, &collection, &filter, &order, page)
                .await
        }
    };
    // Whoever may not, or asks for what is not there, is told so before the first line.
    let first = read(None).await?;
    let lines = futures::stream::unfold(Some((Some(first), None, 0_u64)), move |state| {
        let read = read.clone();
        async move {
            let (page, cursor, mut count) = state?;
            let page = match page {
                Some(page) => page,
                None => match read(cursor).await {
                    Ok(page) => page,
                    // Cut off without its end, which whoever reads it sees.
                    Err(error) => return Some((Err(std::io::Error::other(error)), None)),
                },
            };
            let mut text = Vec::new();
            for document in &page.documents {
                count += 1;
                text.extend(serde_json::to_vec(document).unwrap_or_default());
                text.push(b'\n');
            }
            let Some(cursor) = page.next_cursor else {
                text.extend(format!("{{\"end\":{count}}}\n").into_bytes());
                return Some((Ok(Bytes::from(text)), None));
            };
            Some((Ok(Bytes::from(text)), Some((None, Some(cursor), count))))
        }
    });
    let mut response = Response::new(Body::from_stream(futures::StreamExt::fuse(lines)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// Show a document
#[utoipa::path(get, path = "/api/v1/extensions/{name}/collections/{collection}/documents/{documentId}", operation_id = "getDocument", tag = "collections",
    params(("name" = String, Path, description = "The extension's name."),
        ("collection" = String, Path, description = "The collection's name."),
        ("documentId" = String, Path, description = "The document's id."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has.")),
    responses((status = 200, description = "The document.", body = Document, headers(("ETag" = String, description = "Its version."))),
        (status = 304, description = "The client has this version.")))]
pub(crate) async fn get_document(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, collection, id)): Params<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let document = app.extensions.document(&principal, &name, &collection, &id).await?;
    tagged(&headers, document.version, &document)
}

/// Write a document
///
/// Makes it or replaces it; with `If-Match` only the version that the tag names. It is checked as the extension's own writes are.
#[utoipa::path(put, path = "/api/v1/extensions/{name}/collections/{collection}/documents/{documentId}", operation_id = "putDocument", tag = "collections",
    params(("name" = String, Path, description = "The extension's name."),
        ("collection" = String, Path, description = "The collection's name."),
        ("documentId" = String, Path, description = "The document's id.")),
    request_body(content = Value, description = "The document, a JSON object."),
    responses((status = 200, description = "The document as it is now.", body = Document, headers(("ETag" = String, description = "Its version.")))))]
pub(crate) async fn put_document(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, collection, id)): Params<(String, String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, Problem> {
    let expected = if_match(&headers)?;
    let document = app
        .extensions
        .put_document(&principal, &name, (&collection, &id), body, expected)
        .await?;
    tagged(&HeaderMap::new(), document.version, &document)
}

/// Delete a document
#[utoipa::path(delete, path = "/api/v1/extensions/{name}/collections/{collection}/documents/{documentId}", operation_id = "deleteDocument", tag = "collections",
    params(("name" = String, Path, description = "The extension's name."),
        ("collection" = String, Path, description = "The collection's name."),
        ("documentId" = String, Path, description = "The document's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete_document(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params((name, collection, id)): Params<(String, String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let expected = if_match(&headers)?;
    app.extensions
        .delete_document(&principal, &name, (&collection, &id), expected)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
