//! Declaring hooks and firing them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_hooks::{FireRequest, FireResult, Fired, HookFilter, NewHook, Outcome, Report, Undelivered};
use oriel_model::Timestamp;
use oriel_model::binding::{ContributionRef, OnError, Origin};
use oriel_model::hook::{Combine, Hook, HookKind, HookOrder};
use oriel_model::id::{BindingId, FireId, WorkId};
use oriel_model::name::HookName;
use oriel_model::page::Page;
use oriel_model::verdict::Verdict;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::access::PageQuery;
use super::items::Milliseconds;
use super::tasks::timeout;
use crate::app::App;
use crate::extract::{Caller, Json, JsonBytes, Params, Query, Traceparent, Whole, if_match, json, page, parse, tagged};
use crate::problem::Problem;

/// What a hook shall be. Fields that are left out take their defaults.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({
    "kind": "filter", "description": "Before an order is created.",
    "inputSchema": {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}},
    "timeoutMs": 2000, "onError": "open",
}))]
pub(crate) struct PutHook {
    /// What its handlers do.
    kind: HookKind,
    /// For people.
    #[serde(default)]
    #[schema(max_length = 2000)]
    description: String,
    /// JSON Schema 2020-12 of the payload; without it, anything.
    input_schema: Option<Value>,
    /// JSON Schema 2020-12 of a handler's answer; without it, the input schema for a filter and anything for the others.
    output_schema: Option<Value>,
    /// In which order handlers take part.
    #[serde(default)]
    order: HookOrder,
    /// How long one fire may take in all, in milliseconds; 5000.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 300000)]
    timeout_ms: Option<Whole>,
    /// What a handler's failure means where its binding does not say.
    #[serde(default)]
    on_error: OnError,
    /// How many handlers of one fire run at a time (`validate`, `collect`, `decide` by vote); 8.
    #[schema(value_type = Option<u16>, minimum = 1, maximum = 64)]
    concurrency: Option<Whole>,
    /// How answers are combined: `all` or `any` (`validate`), `first` or `vote` (`decide`).
    combine: Option<Combine>,
}

/// Which hooks.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HookQuery {
    /// Of this kind.
    kind: Option<HookKind>,
    /// `api` for those that the tenant declared, `platform` for the platform's own.
    origin: Option<Origin>,
    /// The longest page wanted.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// One fire.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"payload": {"total": 100}, "dryRun": true}))]
pub(crate) struct FireHook {
    /// Any JSON that fits the hook's input schema.
    #[schema(value_type = Value)]
    payload: Box<RawValue>,
    /// Whether handlers are only rehearsed: nothing that they change or send outside counts, and nothing is queued.
    #[serde(default)]
    dry_run: bool,
    /// Less time than the hook has.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 3600000)]
    timeout_ms: Option<Whole>,
}

/// What a fire came to. Of `payload`, `valid`, `decision`, `items` and `queued` there is the one that the hook's kind has.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FiredHook {
    id: FireId,
    hook: HookName,
    kind: HookKind,
    dry_run: bool,
    /// `filter`: the last payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    payload: Option<Box<RawValue>>,
    /// `validate`: whether the payload is valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<bool>,
    /// `decide`: the decision; null when nobody decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    decision: Option<Option<Box<RawValue>>>,
    /// `collect`: what the handlers answered, in their order.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Value>>)]
    items: Option<Vec<Box<RawValue>>>,
    /// `observe`: how many handlers will be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    queued: Option<usize>,
    /// What each handler came to, in their order.
    handlers: Vec<HandlerReport>,
    /// From the request to the result, in milliseconds.
    #[schema(value_type = f64, minimum = 0)]
    duration_ms: Milliseconds,
}

/// What one handler came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HandlerReport {
    binding_id: BindingId,
    contribution: ContributionRef,
    /// The version that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1.2.0")]
    version: Option<semver::Version>,
    /// `nothing`, `payload`, `verdict`, `decision`, `item`, `queued`, `failed` or `skipped`.
    outcome: &'static str,
    /// Its payload, decision or item.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    answer: Option<Box<RawValue>>,
    /// Its verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// How often it was asked.
    attempts: u32,
    /// How long that took in all, in milliseconds.
    #[schema(value_type = f64, minimum = 0)]
    duration_ms: Milliseconds,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<HandlerError>,
}

/// Why a handler failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HandlerError {
    /// Stable code, such as `execution.trapped`.
    code: &'static str,
    /// What happened.
    message: String,
}

impl From<Report> for HandlerReport {
    fn from(report: Report) -> Self {
        let word = report.outcome.as_str();
        let (answer, verdict) = match report.outcome {
            Outcome::Payload(json) | Outcome::Decision(json) | Outcome::Item(json) => (Some(json), None),
            Outcome::Verdict(verdict) => (None, Some(verdict)),
            Outcome::Nothing | Outcome::Queued | Outcome::Failed | Outcome::Skipped => (None, None),
        };
        Self {
            binding_id: report.binding,
            contribution: report.contribution,
            version: report.version,
            outcome: word,
            answer,
            verdict,
            attempts: report.attempts,
            duration_ms: Milliseconds(report.duration),
            error: report.error.map(|failure| HandlerError {
                code: failure.code,
                message: failure.message,
            }),
        }
    }
}

impl From<Fired> for FiredHook {
    fn from(fired: Fired) -> Self {
        let mut shown = Self {
            id: fired.id,
            hook: fired.hook,
            kind: fired.kind,
            dry_run: fired.dry_run,
            payload: None,
            valid: None,
            decision: None,
            items: None,
            queued: None,
            handlers: fired.handlers.into_iter().map(HandlerReport::from).collect(),
            duration_ms: Milliseconds(fired.duration),
        };
        match fired.result {
            FireResult::Payload(payload) => shown.payload = Some(payload),
            FireResult::Valid(valid) => shown.valid = Some(valid),
            FireResult::Decision(decision) => shown.decision = Some(decision),
            FireResult::Items(items) => shown.items = Some(items),
            FireResult::Queued(count) => shown.queued = Some(count),
        }
        shown
    }
}

/// An observer that was told as often as it may be, in vain.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UndeliveredNote {
    id: WorkId,
    /// The hook.
    #[serde(skip_serializing_if = "Option::is_none")]
    hook: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binding_id: Option<BindingId>,
    /// How often it was told.
    attempts: u32,
    /// What the last attempt failed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// When the hook was fired.
    fired_at: Timestamp,
    /// When it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up_at: Option<Timestamp>,
}

impl From<Undelivered> for UndeliveredNote {
    fn from(undelivered: Undelivered) -> Self {
        let work = undelivered.work;
        Self {
            id: work.id,
            hook: undelivered.hook,
            binding_id: undelivered.binding,
            attempts: work.attempts,
            error: work.error,
            fired_at: work.created_at,
            given_up_at: work.dead_at,
        }
    }
}

/// Which observers to tell again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Redeliver {
    /// At most 1,000.
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<WorkId>,
}

/// How many observers will be told again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Redelivered {
    queued: u64,
}

/// Declare a hook
///
/// Replaces the one of this name. The next fire sees the change.
#[utoipa::path(put, path = "/api/v1/hooks/{hook}", operation_id = "putHook", tag = "hooks",
    params(("hook" = String, Path, description = "The hook's name, such as `order.pre-create`.")), request_body = PutHook,
    responses((status = 200, description = "The hook.", body = Hook, headers(("ETag" = String, description = "Its revision."))),
        (status = 201, description = "The hook, which is new.", body = Hook, headers(("ETag" = String, description = "Its revision.")))))]
pub(crate) async fn put_hook(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    headers: HeaderMap,
    Json(body): Json<PutHook>,
) -> Result<Response, Problem> {
    let name: HookName = name
        .parse()
        .map_err(|error: oriel_model::name::NameError| Problem::invalid(error.to_string()))?;
    let new = NewHook {
        kind: body.kind,
        description: body.description,
        input_schema: body.input_schema,
        output_schema: body.output_schema,
        order: body.order,
        timeout_ms: body.timeout_ms.map(|Whole(ms)| ms),
        on_error: body.on_error,
        concurrency: body.concurrency.map(|Whole(most)| u16::try_from(most).unwrap_or(u16::MAX)),
        combine: body.combine,
    };
    let (hook, created) = app.hooks.put(&principal, name, new, if_match(&headers)?).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = json(status, &hook)?;
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", hook.revision)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// List hooks
///
/// The tenant's and the platform's own, by name.
#[utoipa::path(get, path = "/api/v1/hooks", operation_id = "listHooks", tag = "hooks", params(HookQuery),
    responses((status = 200, description = "A page of hooks.", body = Page<Hook>)))]
pub(crate) async fn list_hooks(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<HookQuery>,
) -> Result<Response, Problem> {
    let filter = HookFilter {
        kind: query.kind,
        origin: query.origin,
    };
    let page = page(query.limit, query.cursor)?;
    json(StatusCode::OK, &app.hooks.list(&principal, filter, &page).await?)
}

/// Show a hook
#[utoipa::path(get, path = "/api/v1/hooks/{hook}", operation_id = "getHook", tag = "hooks",
    params(("hook" = String, Path, description = "The hook's name."),
        ("If-None-Match" = Option<String>, Header, description = "The ETag that the client has.")),
    responses((status = 200, description = "The hook.", body = Hook, headers(("ETag" = String, description = "Its revision."))),
        (status = 304, description = "The client has this revision.")))]
pub(crate) async fn get_hook(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let hook = app.hooks.get(&principal, &name).await?;
    tagged(&headers, hook.revision, &hook)
}

/// Take a hook back
///
/// Bindings to it stay, without effect until a hook of this name is declared again.
#[utoipa::path(delete, path = "/api/v1/hooks/{hook}", operation_id = "deleteHook", tag = "hooks",
    params(("hook" = String, Path, description = "The hook's name.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete_hook(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    app.hooks.delete(&principal, &name, if_match(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fire a hook
///
/// Asks everything that is bound to it, and answers the result with what each handler came to. An `observe` hook answers when its
/// handlers are queued durably; they are told afterwards, each until it succeeded.
#[utoipa::path(post, path = "/api/v1/hooks/{hook}/fire", operation_id = "fireHook", tag = "hooks",
    params(("hook" = String, Path, description = "The hook's name.")), request_body = FireHook,
    responses((status = 200, description = "What came of it.", body = FiredHook)))]
pub(crate) async fn fire_hook(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    Traceparent(traceparent): Traceparent,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let body: FireHook = parse(&body)?;
    let request = FireRequest {
        payload: body.payload,
        dry_run: body.dry_run,
        timeout: timeout(body.timeout_ms)?,
        traceparent: traceparent.as_deref(),
    };
    let fired = app.hooks.fire(&principal, &name, request).await?;
    json(StatusCode::OK, &FiredHook::from(fired))
}

/// List observers that were told in vain
///
/// Newest first.
#[utoipa::path(get, path = "/api/v1/undelivered", operation_id = "listUndelivered", tag = "hooks", params(PageQuery),
    responses((status = 200, description = "A page of them.", body = Page<UndeliveredNote>)))]
pub(crate) async fn list_undelivered(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<PageQuery>,
) -> Result<Response, Problem> {
    let page = page(query.limit, query.cursor)?;
    let undelivered = app.hooks.undelivered(&principal, page).await?;
    json(StatusCode::OK, &undelivered.map(UndeliveredNote::from))
}

/// Tell observers again
///
/// Those that were told in vain get all their attempts again.
#[utoipa::path(post, path = "/api/v1/undelivered/redeliver", operation_id = "redeliver", tag = "hooks", request_body = Redeliver,
    responses((status = 200, description = "How many.", body = Redelivered)))]
pub(crate) async fn redeliver(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Json(body): Json<Redeliver>,
) -> Result<Response, Problem> {
    if !(1..=1_000).contains(&body.ids.len()) {
        return Err(Problem::invalid("`ids` must name 1 to 1000 units"));
    }
    let queued = app.hooks.redeliver(&principal, &body.ids).await?;
    json(StatusCode::OK, &Redelivered { queued })
}
