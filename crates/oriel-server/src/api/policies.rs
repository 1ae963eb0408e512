//! Policies, and the question what they say.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use oriel_access::{AccessQuestion, NewPolicy, Who};
use oriel_model::Timestamp;
use oriel_model::access::{PrincipalId, ResourceKind, Role, Scope};
use oriel_model::policy::Policy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::extract::{Caller, Json, Params, if_match, json, object, tagged};
use crate::problem::Problem;

/// A policy to be written.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"description": "No refunds by machines.", "text": "forbid(principal is Oriel::Key, action, resource == Oriel::Task::\"refund\");"}))]
pub(crate) struct PutPolicy {
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 500, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
    /// One `permit` or `forbid`, in Cedar.
    #[schema(max_length = 16384)]
    text: String,
    /// Whether it counts.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// All policies of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyList {
    /// By id.
    items: Vec<Policy>,
}

/// The vocabulary of policies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicySchema<'a> {
    /// A Cedar schema: types, operations and their context.
    schema: &'a str,
}

/// A question about access.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"principal": {"role": "viewer"}, "action": "executeTask", "resource": {"type": "Task", "id": "echo"}, "context": {"ip": "192.0.2.7"}}))]
pub(crate) struct CheckAccess {
    /// Who would ask; the caller, when nothing is said.
    principal: Option<CheckPrincipal>,
    /// The operation's id in this document, such as `executeTask`.
    #[schema(max_length = 100)]
    action: String,
    /// What it would be done to; the tenant itself, when nothing is said.
    resource: Option<CheckResource>,
    /// Under which circumstances.
    #[serde(default, deserialize_with = "object")]
    context: CheckContext,
}

/// Who would ask: a key or member, or anybody of a role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum CheckPrincipal {
    /// A key, user or service account of this tenant.
    Id(PrincipalId),
    /// Anybody with a key of this role.
    Anybody(CheckRole),
}

/// Anybody with a key of this role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckRole {
    /// The role.
    role: Role,
    /// What the key is narrowed to; empty for all that the role has.
    #[serde(default)]
    scopes: Vec<Scope>,
}

/// What something would be done to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckResource {
    /// A type of the policies' schema, such as `Task`.
    #[serde(rename = "type")]
    #[schema(max_length = 40, example = "Task")]
    kind: String,
    /// Its name, or its id where it has no name.
    id: String,
}

/// The longest method and path, in characters, that are asked about; the same as in the schema below.
const MAX_METHOD: usize = 40;
const MAX_PATH: usize = 8_192;

/// Under which circumstances.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckContext {
    /// From where; unknown, when nothing is said.
    #[schema(value_type = Option<String>, max_length = 45, example = "192.0.2.7")]
    ip: Option<IpAddr>,
    /// When; now, when nothing is said.
    time: Option<Timestamp>,
    /// Whether the sign-in asked for a second factor.
    #[serde(default)]
    mfa: bool,
    /// The method, of `callRoute`.
    #[schema(max_length = 40, example = "POST")]
    method: Option<String>,
    /// The path below the extension's address, of `callRoute`.
    #[schema(max_length = 8192, example = "/notes")]
    path: Option<String>,
}

/// An answer about access.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AccessAnswer {
    /// `allow` or `deny`.
    #[schema(pattern = "^(allow|deny)$")]
    decision: &'static str,
    /// The policies that decided: those of the tenant by their ids, and the default ones, `role.…`, `key.scopes` and
    /// `tenants.owners-only`. None, when nothing permits it.
    reasons: Vec<String>,
    /// Policies that could not be evaluated. One of them is enough for a no.
    errors: Vec<String>,
    /// The same in a sentence.
    explanation: String,
}

/// List policies
///
/// Those that the tenant added to the rules of roles, by id.
#[utoipa::path(get, path = "/api/v1/access/policies", operation_id = "listPolicies", tag = "access",
    responses((status = 200, description = "All of them.", body = PolicyList)))]
pub(crate) async fn list_policies(State(app): State<Arc<App>>, Caller(principal): Caller) -> Result<Response, Problem> {
    let items = app.access.list_policies(&principal).await?;
    json(StatusCode::OK, &PolicyList { items })
}

/// Show a policy
#[utoipa::path(get, path = "/api/v1/access/policies/{id}", operation_id = "getPolicy", tag = "access",
    params(("id" = String, Path, description = "The policy's id."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has.")),
    responses((status = 200, description = "The policy.", body = Policy, headers(("ETag" = String, description = "Its revision."))),
        (status = 304, description = "The client has this revision.")))]
pub(crate) async fn get_policy(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let policy = app.access.policy(&principal, &id).await?;
    tagged(&headers, policy.revision, &policy)
}

/// Write a policy
///
/// A new one, or a new text of the present one. It holds at once on this node, and on others within five seconds.
#[utoipa::path(put, path = "/api/v1/access/policies/{id}", operation_id = "putPolicy", tag = "access",
    params(("id" = String, Path, description = "The policy's id, chosen by you.")), request_body = PutPolicy,
    responses((status = 200, description = "The policy, changed.", body = Policy, headers(("ETag" = String, description = "Its revision."))),
        (status = 201, description = "The policy, new.", body = Policy, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn put_policy(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
    Json(body): Json<PutPolicy>,
) -> Result<Response, Problem> {
    let new = NewPolicy {
        description: body.description,
        text: body.text,
        enabled: body.enabled,
    };
    let (policy, is_new) = app.access.put_policy(&principal, &id, new, if_match(&headers)?).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &policy)?;
    super::tag(&mut response, policy.revision);
    Ok(response)
}

/// Delete a policy
#[utoipa::path(delete, path = "/api/v1/access/policies/{id}", operation_id = "deletePolicy", tag = "access",
    params(("id" = String, Path, description = "The policy's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete_policy(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.access.delete_policy(&principal, &id, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show what policies can speak of
///
/// Every operation, type and attribute, as a Cedar schema that editors understand.
#[utoipa::path(get, path = "/api/v1/access/policy-schema", operation_id = "getPolicySchema", tag = "access",
    responses((status = 200, description = "The schema.", body = PolicySchema<'_>)))]
pub(crate) async fn get_policy_schema(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let schema = app.access.policy_schema();
    json(StatusCode::OK, &PolicySchema { schema })
}

/// Ask what would be answered
///
/// Decides exactly as for a real request, says why, and does nothing.
#[utoipa::path(post, path = "/api/v1/access/check", operation_id = "checkAccess", tag = "access", request_body = CheckAccess,
    responses((status = 200, description = "The answer.", body = AccessAnswer)))]
pub(crate) async fn check_access(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<CheckAccess>,
) -> Result<Response, Problem> {
    let resource = match body.resource {
        None => None,
        Some(resource) => {
            let kind = ResourceKind::ALL.iter().copied().find(|kind| kind.as_str() == resource.kind);
            let kind = kind.ok_or_else(|| {
                let known: Vec<&str> = ResourceKind::ALL.iter().map(|kind| kind.as_str()).collect();
                Problem::invalid(format!("`resource.type` should be one of {}", known.join(", ")))
            })?;
            // There is one tenant that somebody can ask about, whatever it is called.
            (kind != ResourceKind::Tenant).then_some((kind, resource.id))
        }
    };
    let route = match (body.context.method, body.context.path) {
        (Some(method), Some(path)) if method.chars().count() > MAX_METHOD || path.chars().count() > MAX_PATH => {
            return Err(Problem::invalid("`context`: `method` or `path` is too long"));
        }
        (Some(method), Some(path)) => Some((method, path)),
        (None, None) => None,
        _ => return Err(Problem::invalid("`context`: `method` and `path`, both or none")),
    };
    let question = AccessQuestion {
        who: match body.principal {
            None => Who::Myself,
            Some(CheckPrincipal::Id(id)) => Who::Member(id),
            Some(CheckPrincipal::Anybody(one)) => Who::Role(one.role, one.scopes),
        },
        operation: body.action,
        resource,
        ip: body.context.ip,
        time: body.context.time,
        mfa: body.context.mfa,
        route,
    };
    let verdict = app.access.check_access(&principal, question).await?;
    let answer = AccessAnswer {
        decision: if verdict.allowed { "allow" } else { "deny" },
        explanation: verdict.sentence(),
        reasons: verdict.reasons,
        errors: verdict.errors,
    };
    json(StatusCode::OK, &answer)
}
