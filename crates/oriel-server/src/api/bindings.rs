//! Attaching contributions to points.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_extensions::{BindingPatch, BindingStatus, Conflict, ConflictKind, NewBinding, Way};
use oriel_model::Timestamp;
use oriel_model::binding::{BindingKind, ContributionRef, OnError, OnInvalid, Origin, Terms};
use oriel_model::id::BindingId;
use oriel_model::name::ExtensionName;
use oriel_model::page::Page;
use oriel_model::schema::SchemaProblem;
use oriel_store::BindingFilter;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::extract::{Caller, Json, Params, Query, Whole, if_match, json, page, tagged};
use crate::problem::Problem;

/// What a new binding shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "kind": "hook", "point": "order.pre-create", "contribution": {"extension": "checks", "name": "limit-total"},
    "priority": 10, "config": {"most": 500}, "onError": "open",
}))]
pub(crate) struct CreateBinding {
    /// What is bound.
    kind: BindingKind,
    /// Where: of a validator or sampler a task's name or id, or `*` for every task; of a hook handler the hook's name; of an
    /// event handler an event type, or a glob with `*` for any text.
    #[schema(min_length = 1, max_length = 256)]
    point: String,
    /// Which contribution.
    contribution: ContributionRef,
    /// Whether it takes part; `true` unless said.
    enabled: Option<bool>,
    /// Higher comes first; 0.
    priority: Option<i32>,
    /// What the contribution reads as its configuration.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    config: Map<String, Value>,
    /// Less time than the extension's limit.
    #[schema(value_type = Option<u64>, minimum = 1)]
    timeout_ms: Option<Whole>,
    /// What its failure means; without it, what the hook says, and `open` for validators and samplers.
    on_error: Option<OnError>,
    /// With `onError: "retry"`, how often in all it is tried; 3.
    #[schema(value_type = Option<u8>, minimum = 2, maximum = 10)]
    attempts: Option<Whole>,
    /// Of a validator: whether it judges every call before the reply.
    #[serde(default)]
    inline: bool,
    /// Of an inline validator: what `valid: false` means for the call.
    #[serde(default)]
    on_invalid: OnInvalid,
}

/// What to change of a binding. Fields that are left out stay; `null` takes `timeoutMs` or `onError` away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"enabled": false}))]
pub(crate) struct UpdateBinding {
    /// Another point.
    #[schema(min_length = 1, max_length = 256)]
    point: Option<String>,
    /// Whether it takes part.
    enabled: Option<bool>,
    /// Another priority.
    priority: Option<i32>,
    /// Another configuration, as a whole.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// Another time limit.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    timeout_ms: Option<Option<Whole>>,
    /// What its failure means.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<OnError>)]
    on_error: Option<Option<OnError>>,
    /// How often in all it is tried.
    #[schema(value_type = Option<u8>, minimum = 2, maximum = 10)]
    attempts: Option<Whole>,
    /// Of a validator: whether it judges every call before the reply.
    inline: Option<bool>,
    /// Of an inline validator: what `valid: false` means for the call.
    on_invalid: Option<OnInvalid>,
}

/// Tells `null` from a field that is left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Which bindings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BindingQuery {
    /// Of this kind.
    kind: Option<BindingKind>,
    /// To exactly this point.
    point: Option<String>,
    /// Of contributions of this extension.
    extension: Option<ExtensionName>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// A binding, and whether it takes part.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ShownBinding {
    id: BindingId,
    /// What is bound.
    kind: BindingKind,
    /// Where.
    point: String,
    /// Which contribution.
    contribution: ContributionRef,
    /// Whether it shall take part.
    enabled: bool,
    /// Higher comes first. Ties are settled by extension, contribution and id.
    priority: i32,
    /// What the contribution reads as its configuration.
    #[schema(value_type = Object)]
    config: Map<String, Value>,
    /// Less time than the extension's limit, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    /// What its failure means.
    #[serde(skip_serializing_if = "Option::is_none")]
    on_error: Option<OnError>,
    /// With `onError: "retry"`, how often in all it is tried.
    attempts: u8,
    /// Of a validator: whether it judges every call before the reply.
    inline: bool,
    /// Of an inline validator: what `valid: false` means for the call.
    on_invalid: OnInvalid,
    /// Who made it.
    origin: Origin,
    /// Counts changes; the ETag.
    revision: u64,
    created_at: Timestamp,
    updated_at: Timestamp,
    /// `active`, or `inactive` with a reason.
    #[schema(example = "active")]
    status: &'static str,
    /// Why it does not take part.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<InactiveReason>,
    /// Where its configuration breaks the schema of the release that runs now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    config_problems: Vec<SchemaProblem>,
}

/// Why a binding does not take part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InactiveReason {
    /// `off`, `not-installed`, `extension-disabled`, `pending-consent`, `quarantined`, `no-contribution` or `no-hook`.
    #[schema(example = "extension-disabled")]
    code: &'static str,
    /// The same in words.
    message: String,
}

impl From<BindingStatus> for ShownBinding {
    fn from(status: BindingStatus) -> Self {
        let binding = status.binding;
        let terms = binding.terms;
        Self {
            id: binding.id,
            kind: binding.kind,
            point: binding.point,
            contribution: binding.contribution,
            enabled: terms.enabled,
            priority: terms.priority,
            config: terms.config,
            timeout_ms: terms.timeout_ms,
            on_error: terms.on_error,
            attempts: terms.attempts,
            inline: terms.inline,
            on_invalid: terms.on_invalid,
            origin: binding.origin,
            revision: binding.revision,
            created_at: binding.created_at,
            updated_at: binding.updated_at,
            status: if status.inactive.is_none() { "active" } else { "inactive" },
            reason: status.inactive.map(|inactive| InactiveReason {
                code: inactive.as_str(),
                message: inactive.to_string(),
            }),
            config_problems: status.config_problems,
        }
    }
}

/// Bindings that are at odds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BindingConflict {
    /// `exclusive`: several handlers claim the first decision of a hook. `overlap`: a contribution is bound to every task and to
    /// one of them.
    #[schema(example = "exclusive")]
    kind: &'static str,
    /// Where.
    point: String,
    /// In a sentence.
    message: String,
    /// Who, in the order in which they take part now.
    parties: Vec<ConflictParty>,
    /// What can be done about it.
    resolutions: Vec<ConflictResolution>,
}

/// One side of a conflict.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConflictParty {
    binding_id: BindingId,
    contribution: ContributionRef,
    /// Where it is bound.
    point: String,
    priority: i32,
    /// Whether it comes first as things stand.
    first: bool,
}

/// A way out of a conflict.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConflictResolution {
    /// `disable`, `change-priority` or `rebind`.
    #[schema(example = "change-priority")]
    way: &'static str,
    /// The command to type.
    command: String,
}

/// Every conflict.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Conflicts {
    items: Vec<BindingConflict>,
}

impl From<Conflict> for BindingConflict {
    fn from(conflict: Conflict) -> Self {
        let parties = conflict.parties.into_iter().map(|party| ConflictParty {
            binding_id: party.binding,
            contribution: party.contribution,
            point: party.point,
            priority: party.priority,
            first: party.first,
        });
        let resolutions = conflict.resolutions.into_iter().map(|resolution| ConflictResolution {
            way: match resolution.way {
                Way::Disable => "disable",
                Way::ChangePriority => "change-priority",
                Way::Rebind => "rebind",
            },
            command: resolution.command,
        });
        Self {
            kind: match conflict.kind {
                ConflictKind::Exclusive => "exclusive",
                ConflictKind::Overlap => "overlap",
            },
            point: conflict.point,
            message: conflict.message,
            parties: parties.collect(),
            resolutions: resolutions.collect(),
        }
    }
}

fn attempts(given: Option<Whole>) -> Option<u8> {
    // What does not fit is out of range, which the service says.
    given.map(|Whole(attempts)| u8::try_from(attempts).unwrap_or(u8::MAX))
}

fn shown(status: StatusCode, binding: BindingStatus) -> Result<Response, Problem> {
    let binding = ShownBinding::from(binding);
    let mut response = json(status, &binding)?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", binding.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    if status == StatusCode::CREATED
        && let Ok(location) = HeaderValue::from_str(&format!("/api/v1/bindings/{}", binding.id))
    {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Bind a contribution
///
/// Attaches it to a point. What is called after the reply sees it; other nodes within 5 seconds.
#[utoipa::path(post, path = "/api/v1/bindings", operation_id = "createBinding", tag = "bindings", request_body = CreateBinding,
    responses((status = 201, description = "The binding.", body = ShownBinding,
        headers(("Location" = String, description = "Its address."), ("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn create_binding(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<CreateBinding>,
) -> Result<Response, Problem> {
    let default = Terms::default();
    let new = NewBinding {
        kind: body.kind,
        point: body.point,
        contribution: body.contribution,
        terms: Terms {
            enabled: body.enabled.unwrap_or(default.enabled),
            priority: body.priority.unwrap_or(default.priority),
            config: body.config,
            timeout_ms: body.timeout_ms.map(|Whole(ms)| ms),
            on_error: body.on_error,
            attempts: attempts(body.attempts).unwrap_or(default.attempts),
            inline: body.inline,
            on_invalid: body.on_invalid,
        },
    };
    shown(StatusCode::CREATED, app.extensions.create_binding(&principal, new).await?)
}

/// List bindings
///
/// By id, and so by age.
#[utoipa::path(get, path = "/api/v1/bindings", operation_id = "listBindings", tag = "bindings", params(BindingQuery),
    responses((status = 200, description = "A page of bindings.", body = Page<ShownBinding>)))]
pub(crate) async fn list_bindings(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<BindingQuery>,
) -> Result<Response, Problem> {
    let filter = BindingFilter {
        kind: query.kind,
        point: query.point,
        extension: query.extension,
    };
    let page = page(query.limit, query.cursor)?;
    let page = app.extensions.bindings(&principal, &filter, page).await?;
    json(StatusCode::OK, &page.map(ShownBinding::from))
}

/// Show a binding
#[utoipa::path(get, path = "/api/v1/bindings/{bindingId}", operation_id = "getBinding", tag = "bindings",
    params(("bindingId" = String, Path, description = "The binding's id.")),
    responses((status = 200, description = "The binding.", body = ShownBinding, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn get_binding(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    let binding = ShownBinding::from(app.extensions.binding(&principal, &id).await?);
    // Whether it is active changes without its revision, so nobody is told that nothing changed.
    tagged(&HeaderMap::new(), binding.revision, &binding)
}

/// Change a binding
///
/// What is called after the reply sees the change; other nodes within 5 seconds.
#[utoipa::path(patch, path = "/api/v1/bindings/{bindingId}", operation_id = "updateBinding", tag = "bindings",
    params(("bindingId" = String, Path, description = "The binding's id.")), request_body = UpdateBinding,
    responses((status = 200, description = "The binding.", body = ShownBinding, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn update_binding(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
    Json(body): Json<UpdateBinding>,
) -> Result<Response, Problem> {
    let patch = BindingPatch {
        point: body.point,
        enabled: body.enabled,
        priority: body.priority,
        config: body.config,
        timeout_ms: body.timeout_ms.map(|given| given.map(|Whole(ms)| ms)),
        on_error: body.on_error,
        attempts: attempts(body.attempts),
        inline: body.inline,
        on_invalid: body.on_invalid,
    };
    let binding = app.extensions.update_binding(&principal, &id, patch, if_match(&headers)?).await?;
    shown(StatusCode::OK, binding)
}

/// Unbind a contribution
#[utoipa::path(delete, path = "/api/v1/bindings/{bindingId}", operation_id = "deleteBinding", tag = "bindings",
    params(("bindingId" = String, Path, description = "The binding's id.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete_binding(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.extensions.delete_binding(&principal, &id, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List conflicts
///
/// Bindings in force that are at odds with each other, with the ways to resolve it. Nothing is refused for a conflict: the order is
/// settled, but perhaps not as anybody wanted.
#[utoipa::path(get, path = "/api/v1/conflicts", operation_id = "listConflicts", tag = "bindings",
    responses((status = 200, description = "Every conflict.", body = Conflicts)))]
pub(crate) async fn list_conflicts(State(app): State<Arc<App>>, Caller(principal): Caller) -> Result<Response, Problem> {
    let items = app.extensions.conflicts(&principal).await?;
    let items = items.into_iter().map(BindingConflict::from).collect();
    json(StatusCode::OK, &Conflicts { items })
}
