//! Keys, tenants and the audit log.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use oriel_access::{NewKey, TenantQuotas};
use oriel_model::Timestamp;
use oriel_model::access::{ApiKey, PrincipalId, Role, Scope, Tenant};
use oriel_model::audit::AuditEntry;
use oriel_model::name::TenantName;
use oriel_model::page::Page;
use oriel_model::quota::{Quotas, RateLimit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{Caller, Json, Params, Query, if_match, json, page};
use crate::problem::Problem;

/// Which page of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    pub limit: Option<u32>,
    /// The `nextCursor` of the page before.
    #[param(min_length = 1, max_length = 1000)]
    pub cursor: Option<String>,
}

/// Who calls.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Me {
    /// The key's tenant.
    tenant: Tenant,
    /// The key's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<oriel_model::id::KeyId>,
    /// The user who is signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<oriel_model::id::UserId>,
    /// Its role.
    role: Role,
    /// Everything that it may do.
    scopes: Vec<Scope>,
}

/// What a new key shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "ci", "role": "developer", "scopes": ["tasks:execute"], "expiresAt": "2030-01-01T00:00:00Z"}))]
pub(crate) struct CreateKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    name: String,
    /// What it may do at most; not above the creator's own role.
    role: Role,
    /// What it is narrowed to; empty for all that its role has.
    #[serde(default)]
    #[schema(max_items = 8)]
    scopes: Vec<Scope>,
    /// When it ends.
    expires_at: Option<Timestamp>,
    /// The service account that shall own it, by id or name. Its role bounds the key's.
    #[schema(max_length = 64)]
    service_account: Option<String>,
    /// How often it may ask, below what its tenant may.
    rate_limit: Option<RateLimit>,
}

/// A new key with its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedKey {
    #[serde(flatten)]
    key: ApiKey,
    /// The bearer token. It is shown this once.
    secret: String,
}

impl From<oriel_access::CreatedKey> for CreatedKey {
    fn from(created: oriel_access::CreatedKey) -> Self {
        Self {
            key: created.key,
            secret: created.secret,
        }
    }
}

/// What a new tenant shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"name": "acme", "displayName": "Acme Inc."}))]
pub(crate) struct CreateTenant {
    /// Its short name, unique on this server.
    name: TenantName,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 100, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    display_name: String,
}

/// A new tenant with its first owner key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedTenant {
    /// The tenant.
    tenant: Tenant,
    /// Its owner key.
    owner_key: CreatedKey,
}

/// What verifying the audit log found.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditVerdict {
    /// Whether every entry fits the one before it.
    intact: bool,
    /// Entries that were checked.
    entries: u64,
    /// The sequence of the first entry that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken_at: Option<u64>,
    /// What is wrong there.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Who am I
///
/// The tenant, role and scopes of the key that is presented.
#[utoipa::path(get, path = "/api/v1/me", operation_id = "getMe", tag = "access", responses((status = 200, description = "The key.", body = Me)))]
pub(crate) async fn get_me(State(app): State<Arc<App>>, Caller(principal): Caller) -> Result<Response, Problem> {
    let me = Me {
        tenant: app.access.tenant_of(&principal).await?,
        key_id: match principal.id {
            PrincipalId::Key(id) => Some(id),
            _ => None,
        },
        user_id: match principal.id {
            PrincipalId::User(id) => Some(id),
            _ => None,
        },
        role: principal.role,
        scopes: Scope::ALL.into_iter().filter(|scope| principal.may(*scope)).collect(),
    };
    json(StatusCode::OK, &me)
}

/// List keys
///
/// The tenant's keys, newest first, revoked and expired ones included.
#[utoipa::path(get, path = "/api/v1/keys", operation_id = "listKeys", tag = "access", params(PageQuery),
    responses((status = 200, description = "A page of keys.", body = Page<ApiKey>)))]
pub(crate) async fn list_keys(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.access.list_keys(&principal, page).await?)
}

/// Create a key
///
/// Its secret is part of the reply and is never shown again.
#[utoipa::path(post, path = "/api/v1/keys", operation_id = "createKey", tag = "access", request_body = CreateKey,
    responses((status = 201, description = "The key with its secret.", body = CreatedKey)))]
pub(crate) async fn create_key(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<CreateKey>,
) -> Result<Response, Problem> {
    let new = NewKey {
        name: body.name,
        role: body.role,
        scopes: body.scopes,
        expires_at: body.expires_at,
        service_account: body.service_account,
        rate_limit: body.rate_limit,
    };
    let created = app.access.create_key(&principal, new).await?;
    json(StatusCode::CREATED, &CreatedKey::from(created))
}

/// Revoke a key
///
/// It is refused from then on. Revoking it again answers the same.
#[utoipa::path(delete, path = "/api/v1/keys/{keyId}", operation_id = "revokeKey", tag = "access",
    params(("keyId" = String, Path, description = "The key's id.")),
    responses((status = 200, description = "The revoked key.", body = ApiKey)))]
pub(crate) async fn revoke_key(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.access.revoke_key(&principal, &id).await?)
}

/// List tenants
///
/// By name. For owners of the tenant `default`.
#[utoipa::path(get, path = "/api/v1/tenants", operation_id = "listTenants", tag = "access", params(PageQuery),
    responses((status = 200, description = "A page of tenants.", body = Page<Tenant>)))]
pub(crate) async fn list_tenants(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.access.list_tenants(&principal, page).await?)
}

/// Create a tenant
///
/// With its first owner key, whose secret is shown this once. For owners of the tenant `default`.
#[utoipa::path(post, path = "/api/v1/tenants", operation_id = "createTenant", tag = "access", request_body = CreateTenant,
    responses((status = 201, description = "The tenant with its first owner key.", body = CreatedTenant)))]
pub(crate) async fn create_tenant(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<CreateTenant>,
) -> Result<Response, Problem> {
    let created = app.access.create_tenant(&principal, body.name, body.display_name).await?;
    let reply = CreatedTenant {
        tenant: created.tenant,
        owner_key: created.owner.into(),
    };
    json(StatusCode::CREATED, &reply)
}

/// The quotas of a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuotaReport {
    /// What was set for this tenant.
    own: Quotas,
    /// What holds: its own, then the server's defaults.
    effective: Quotas,
    /// What is used.
    used: QuotaUse,
    /// Grows with each change; 0 when nothing was ever set.
    revision: u64,
}

/// What a tenant uses.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuotaUse {
    /// Extensions that are installed.
    extensions: u64,
    /// Tasks.
    tasks: u64,
    /// Keys that are neither revoked nor expired.
    keys: u64,
    /// Bytes in key-value stores.
    stored_bytes: u64,
}

impl From<TenantQuotas> for QuotaReport {
    fn from(quotas: TenantQuotas) -> Self {
        Self {
            own: quotas.own,
            effective: quotas.effective,
            used: QuotaUse {
                extensions: quotas.used.extensions,
                tasks: quotas.used.tasks,
                keys: quotas.used.keys,
                stored_bytes: quotas.used.stored_bytes,
            },
            revision: quotas.revision,
        }
    }
}

/// Show quotas
///
/// Of one's own tenant; of others, for owners of the tenant `default`.
#[utoipa::path(get, path = "/api/v1/tenants/{name}/quotas", operation_id = "getQuotas", tag = "access",
    params(("name" = String, Path, description = "The tenant's name.")),
    responses((status = 200, description = "The quotas, and what is used.", body = QuotaReport, headers(("ETag" = String, description = "Their revision.")))))]
pub(crate) async fn get_quotas(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
) -> Result<Response, Problem> {
    let quotas = app.access.quotas(&principal, &name).await?;
    let revision = quotas.revision;
    let mut response = json(StatusCode::OK, &QuotaReport::from(quotas))?;
    super::tag(&mut response, revision);
    Ok(response)
}

/// Set quotas
///
/// All of a tenant's; what is left out is left to the server's defaults. For owners of the tenant `default`.
#[utoipa::path(put, path = "/api/v1/tenants/{name}/quotas", operation_id = "setQuotas", tag = "access",
    params(("name" = String, Path, description = "The tenant's name.")), request_body = Quotas,
    responses((status = 200, description = "The quotas, and what is used.", body = QuotaReport)))]
pub(crate) async fn set_quotas(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    headers: HeaderMap,
    Json(body): Json<Quotas>,
) -> Result<Response, Problem> {
    let quotas = app.access.set_quotas(&principal, &name, body, if_match(&headers)?).await?;
    let revision = quotas.revision;
    let mut response = json(StatusCode::OK, &QuotaReport::from(quotas))?;
    super::tag(&mut response, revision);
    Ok(response)
}

/// Read the audit log
///
/// Newest first. Every change that somebody made is in it, and every refusal of a permission.
#[utoipa::path(get, path = "/api/v1/audit", operation_id = "listAudit", tag = "access", params(PageQuery),
    responses((status = 200, description = "A page of the log.", body = Page<AuditEntry>)))]
pub(crate) async fn list_audit(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.access.audit_log(&principal, page).await?)
}

/// Verify the audit log
///
/// Recomputes the chain of hashes of the whole log.
#[utoipa::path(get, path = "/api/v1/audit/verify", operation_id = "verifyAudit", tag = "access",
    responses((status = 200, description = "What was found.", body = AuditVerdict)))]
pub(crate) async fn verify_audit(State(app): State<Arc<App>>, Caller(principal): Caller) -> Result<Response, Problem> {
    let verdict = app.access.verify_audit(&principal).await?;
    let (broken_at, reason) = verdict.broken.unzip();
    let reply = AuditVerdict {
        intact: broken_at.is_none(),
        entries: verdict.entries,
        broken_at,
        reason,
    };
    json(StatusCode::OK, &reply)
}
