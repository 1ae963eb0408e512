//! Members, and their sessions.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use oriel_access::{MemberChange, NewMember};
use oriel_model::access::Role;
use oriel_model::member::{Member, MemberKind, Session};
use oriel_model::page::Page;
use serde::Deserialize;
use utoipa::ToSchema;

use super::access::PageQuery;
use crate::app::App;
use crate::extract::{Caller, Json, Params, Query, if_match, json, page, tagged};
use crate::problem::Problem;

/// A member to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"kind": "user", "name": "ann@example.com", "role": "admin"}))]
pub(crate) struct AddMember {
    /// What it is.
    kind: MemberKind,
    /// A user's e-mail address, or a service account's name.
    #[schema(min_length = 1, max_length = 254)]
    name: String,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    display_name: String,
    /// What it may do at most; not above the one who adds it.
    role: Role,
}

/// What to change of a member; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"role": "viewer"}))]
pub(crate) struct ChangeMember {
    /// What it may do at most.
    role: Option<Role>,
    /// For people.
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    display_name: Option<String>,
}

/// List members
///
/// Users, then service accounts, each in the order in which they were added.
#[utoipa::path(get, path = "/api/v1/members", operation_id = "listMembers", tag = "access", params(PageQuery),
    responses((status = 200, description = "A page of members.", body = Page<Member>)))]
pub(crate) async fn list_members(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.access.list_members(&principal, page).await?)
}

/// Add a member
///
/// A user can sign in from then on; a service account needs a key (`createKey` with `serviceAccount`).
#[utoipa::path(post, path = "/api/v1/members", operation_id = "addMember", tag = "access", request_body = AddMember,
    responses((status = 201, description = "The member.", body = Member)))]
pub(crate) async fn add_member(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<AddMember>,
) -> Result<Response, Problem> {
    let new = NewMember {
        kind: body.kind,
        name: body.name,
        display_name: body.display_name,
        role: body.role,
    };
    let member = app.access.add_member(&principal, new).await?;
    let mut response = json(StatusCode::CREATED, &member)?;
    super::tag(&mut response, member.revision);
    Ok(response)
}

/// Show a member
#[utoipa::path(get, path = "/api/v1/members/{member}", operation_id = "getMember", tag = "access",
    params(("member" = String, Path, description = "Its id, e-mail address or name."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has.")),
    responses((status = 200, description = "The member.", body = Member, headers(("ETag" = String, description = "Its revision."))),
        (status = 304, description = "The client has this revision.")))]
pub(crate) async fn get_member(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let member = app.access.member(&principal, &id).await?;
    tagged(&headers, member.revision, &member)
}

/// Change a member
///
/// A new role holds at once on this node, and on others within five seconds; for keys of a service account too.
#[utoipa::path(patch, path = "/api/v1/members/{member}", operation_id = "changeMember", tag = "access",
    params(("member" = String, Path, description = "Its id, e-mail address or name.")), request_body = ChangeMember,
    responses((status = 200, description = "The member.", body = Member)))]
pub(crate) async fn change_member(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
    Json(body): Json<ChangeMember>,
) -> Result<Response, Problem> {
    let change = MemberChange {
        role: body.role,
        display_name: body.display_name,
    };
    let member = app.access.change_member(&principal, &id, change, if_match(&headers)?).await?;
    let mut response = json(StatusCode::OK, &member)?;
    super::tag(&mut response, member.revision);
    Ok(response)
}

/// Remove a member
///
/// A user's sessions end; the keys of a service account are revoked. The last owner stays.
#[utoipa::path(delete, path = "/api/v1/members/{member}", operation_id = "removeMember", tag = "access",
    params(("member" = String, Path, description = "Its id, e-mail address or name.")),
    responses((status = 204, description = "It is no member any more.")))]
pub(crate) async fn remove_member(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<StatusCode, Problem> {
    app.access.remove_member(&principal, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List sessions
///
/// Of everybody, for those with the scope `access:read`; for others who are signed in, their own.
#[utoipa::path(get, path = "/api/v1/sessions", operation_id = "listSessions", tag = "access", params(PageQuery),
    responses((status = 200, description = "A page of sessions, newest first.", body = Page<Session>)))]
pub(crate) async fn list_sessions(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.access.list_sessions(&principal, page).await?)
}

/// End a session
///
/// One's own, or with the scope `access:write` anybody's who is not above oneself.
#[utoipa::path(delete, path = "/api/v1/sessions/{session}", operation_id = "endSession", tag = "access",
    params(("session" = String, Path, description = "The session's id.")),
    responses((status = 204, description = "It has ended.")))]
pub(crate) async fn end_session(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<StatusCode, Problem> {
    app.access.end_session(&principal, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
