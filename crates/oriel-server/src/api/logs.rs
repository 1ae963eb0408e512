//! Log lines: a list, or a stream that goes on as lines appear.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use oriel_model::access::Principal;
use oriel_model::log::{LogLevel, LogLine};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use oriel_store::LogFilter;
use serde::Deserialize;
use utoipa::IntoParams;

use super::sse;
use crate::app::App;
use crate::extract::{Caller, Params, Query, json, page};
use crate::problem::Problem;
use crate::standing::Standing;

/// After so long without a line a comment keeps the connection alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which lines are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LogQuery {
    /// With `Accept: text/event-stream`: go on as lines appear.
    #[serde(default)]
    follow: bool,
    /// The least level wanted.
    level: Option<LogLevel>,
    /// Lines after this sequence, oldest first. Without it, the newest lines.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// The most lines wanted at once.
    #[param(minimum = 1, maximum = 1000, default = 50)]
    limit: Option<u32>,
}

/// Read an extension's log
///
/// A list, oldest first; its `nextCursor` is the `after` of the next request. With `Accept: text/event-stream` the lines
/// come as events whose id is their sequence: a client that reconnects with `Last-Event-ID` misses none.
#[utoipa::path(get, path = "/api/v1/extensions/{name}/logs", operation_id = "getExtensionLogs", tag = "extensions",
    params(("name" = String, Path, description = "The extension's name."), LogQuery,
        ("Last-Event-ID" = Option<i64>, Header, description = "The last event that the client has.")),
    responses((status = 200, description = "The lines.", content(
        (Page<LogLine> = "application/json"), (String = "text/event-stream")))))]
pub(crate) async fn get_extension_logs(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(name): Params<String>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
    standing: Standing,
) -> Result<Response, Problem> {
    let PageRequest { limit, .. } = page(query.limit, None)?;
    let known = match headers.get("last-event-id") {
        Some(value) => Some(
            value
                .to_str()
                .ok()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| Problem::invalid("`Last-Event-ID` is not the id of an event of this log"))?,
        ),
        None => query.after,
    };
    let mut filter = LogFilter {
        // A name that cannot be one is as absent as any other: the service says so.
        extension: None,
        level: query.level.unwrap_or(LogLevel::Trace),
        after: known,
        limit,
    };
    filter.extension = Some(extension(&app, &principal, &name).await?);
    if sse::wanted(&headers) {
        return Ok(stream(app, principal, standing, filter, query.follow));
    }
    let items = app.extensions.logs(&principal, &filter).await?;
    let full = items.len() == limit as usize;
    let next_cursor = items.last().filter(|_| full).map(|line| line.sequence.to_string());
    json(StatusCode::OK, &Page { items, next_cursor })
}

async fn extension(app: &App, principal: &Principal, name: &str) -> Result<ExtensionName, Problem> {
    Ok(match name.parse() {
        Ok(name) => name,
        Err(_) => app.extensions.get(principal, name).await?.installation.name,
    })
}

fn stream(app: Arc<App>, mut principal: Arc<Principal>, mut standing: Standing, mut filter: LogFilter, follow: bool) -> Response {
    sse::reply(async move |out: sse::Out| {
        let mut wakeups = app.extensions.log_wakeups();
        loop {
            wakeups.mark_unchanged();
            match standing.look().await {
                Ok(Some(now)) => principal = now,
                Ok(None) => {}
                Err(problem) => return out.problem(&problem).await,
            }
            let lines = match app.extensions.logs(&principal, &filter).await {
                Ok(lines) => lines,
                Err(error) => return out.problem(&Problem::from(error)).await,
            };
            let more = lines.len() == filter.limit as usize && filter.after.is_some();
            for line in &lines {
                if !out.event("log", Some(line.sequence), line).await {
                    return;
                }
                filter.after = Some(line.sequence);
            }
            if more {
                continue;
            }
            if !follow {
                return;
            }
            // Reading on starts at the present end, also when there was nothing yet.
            filter.after.get_or_insert(0);
            tokio::select! {
                () = app.ending.cancelled() => return,
                () = out.closed() => return,
                changed = wakeups.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(HEARTBEAT) => {
                    if !out.comment().await {
                        return;
                    }
                }
            }
        }
    })
}
