//! Repeating a request without doing it twice.
//!
//! A key belongs to whoever sent it: a kept reply may show what only they may see (the secret of a key that they made, the
//! output of a task that a policy keeps from others), and is never told to somebody else who repeats the request.
//!
//! A request with a key runs in a task of its own: a client that goes away does not stop it, so that what it comes back
//! for is there. Replies that a repetition could change (5xx, 408, 429) are not kept, and neither are very long ones.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use oriel_access::Room;
use oriel_model::access::Principal;
use oriel_model::{Digest, ErrorCode, Timestamp};
use oriel_store::{Begin, StoredReply};
use tracing::Instrument as _;

use super::{Edge, refuse};
use crate::extract::collect;
use crate::operations::Operation;
use crate::problem::Problem;

/// The longest reply that is kept.
const MAX_KEPT: usize = 16 << 20;
/// A request that has given no sign of life for so long died with its node.
const STALE: Duration = Duration::from_secs(120);
/// How often a request that runs gives one.
const ALIVE: Duration = Duration::from_secs(30);
/// Marks the kept replies that are sealed.
const SEALED: &str = "sealed:";

impl Edge {
    pub(super) async fn keyed(
        self: &Arc<Self>,
        operation: &'static Operation,
        principal: &Arc<Principal>,
        key: &HeaderValue,
        request: Request<Body>,
        id: &HeaderValue,
        room: Option<Room>,
    ) -> Response {
        match self.begin(operation, principal, key, request).await {
            Ok(Started::Answered(response)) => response,
            Ok(Started::Go(request, key, mark)) => {
                let (edge, principal, id) = (self.clone(), principal.clone(), id.clone());
                let run = async move {
                    // The request goes on without its client, and keeps its place as long as that.
                    let _room = room;
                    edge.run(operation, &principal, (&key, mark), request, &id).await
                };
                let task = self.app.background.spawn(run.in_current_span());
                // The task answers a panic itself; it fails only when the runtime stops.
                task.await.unwrap_or_else(|_| refuse(Problem::bare(ErrorCode::ServerDraining)))
            }
            Err(problem) => refuse(problem),
        }
    }

    async fn begin(
        &self,
        operation: &Operation,
        principal: &Principal,
        key: &HeaderValue,
        request: Request<Body>,
    ) -> Result<Started, Problem> {
        let key = key
            .to_str()
            .ok()
            .filter(|key| (1..=255).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or_else(|| Problem::invalid("`Idempotency-Key` must have 1 to 255 visible ASCII characters"))?;
        let key = own(principal, key);
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        if accept.is_some_and(|accept| accept.contains("ndjson")) {
            return Err(Problem::invalid(
                "`Idempotency-Key` cannot be used with a reply in NDJSON: it is sent while the work goes on and is not kept",
            ));
        }
        let (mut parts, body) = request.into_parts();
        // A reply is kept as it is written, and who asks for it again may not take it compressed.
        parts.headers.remove(header::ACCEPT_ENCODING);
        let limit = operation.max_body(&self.app.config);
        let body = collect(body, limit, self.app.config.body_timeout.0).await?;
        let address = parts.uri.path_and_query().map_or("", http::uri::PathAndQuery::as_str);
        let fingerprint = Digest::of(format!("{} {address}\n{}", parts.method, Digest::of(&body)).as_bytes());
        let now = self.app.clock.now();
        let store = &self.app.stores.idempotency;
        let found = store
            .begin(
                principal.tenant,
                &key,
                fingerprint,
                now,
                now.minus(STALE),
                now.plus(self.app.config.idempotency_ttl.0),
            )
            .await?;
        match found {
            Begin::New => Ok(Started::Go(Request::from_parts(parts, Body::from(body)), key, now)),
            Begin::InProgress => Err(Problem::bare(ErrorCode::IdempotencyInProgress)),
            Begin::Other => Err(Problem::bare(ErrorCode::IdempotencyConflict)),
            Begin::Done(reply) => Ok(Started::Answered(self.replay(principal, &key, reply)?)),
        }
    }

    async fn run(
        &self,
        operation: &Operation,
        principal: &Principal,
        (key, mut mark): (&str, Timestamp),
        request: Request<Body>,
        id: &HeaderValue,
    ) -> Response {
        let mut call = std::pin::pin!(self.call(request));
        let mut response = loop {
            match tokio::time::timeout(ALIVE, call.as_mut()).await {
                Ok(response) => break response,
                Err(_) => mark = self.renew(principal, key, mark).await,
            }
        };
        self.write_out(&mut response, id);
        let status = response.status();
        let (parts, body) = response.into_parts();
        // Handlers of keyed operations answer whole bodies, so collecting one only takes it out of its box.
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let store = &self.app.stores.idempotency;
        let passing = status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        let kept = if passing || body.len() > MAX_KEPT {
            store.abandon(principal.tenant, key, mark).await
        } else {
            let content_type = parts
                .headers
                .get(header::CONTENT_TYPE)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            let (content_type, kept) = if operation.secret && status.is_success() {
                let sealed = self.app.sealer.seal(&place(principal, key), &body);
                (format!("{SEALED}{content_type}"), Bytes::from(sealed))
            } else {
                (content_type.to_owned(), body.clone())
            };
            let reply = StoredReply {
                status: status.as_u16(),
                content_type,
                body: kept,
            };
            store.finish(principal.tenant, key, mark, reply).await
        };
        if let Err(error) = kept {
            // The work is done; its reply just cannot be had again before the claim goes stale.
            tracing::warn!(%error, "the reply for an idempotency key was not kept");
        }
        Response::from_parts(parts, Body::from(body))
    }

    /// Shows that a request is still running; answers the mark of its claim.
    async fn renew(&self, principal: &Principal, key: &str, mark: Timestamp) -> Timestamp {
        let now = self.app.clock.now();
        match self.app.stores.idempotency.renew(principal.tenant, key, mark, now).await {
            Ok(true) => now,
            Ok(false) => mark,
            Err(error) => {
                tracing::warn!(%error, "the claim of an idempotency key was not renewed");
                mark
            }
        }
    }

    fn replay(&self, principal: &Principal, key: &str, reply: StoredReply) -> Result<Response, Problem> {
        let (content_type, body) = match reply.content_type.strip_prefix(SEALED) {
            None => (reply.content_type, reply.body),
            Some(content_type) => {
                let sealed = std::str::from_utf8(&reply.body).unwrap_or_default();
                let body = self
                    .app
                    .sealer
                    .open(&place(principal, key), sealed)
                    .map_err(|error| Problem::new(ErrorCode::StoreCorrupt, error.to_string()))?;
                (content_type.to_owned(), Bytes::from(body))
            }
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&content_type)
            && !value.is_empty()
        {
            headers.insert(header::CONTENT_TYPE, value);
        }
        headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        Ok(response)
    }
}

enum Started {
    /// The request, its key, and the mark of the claim.
    Go(Request<Body>, String, Timestamp),
    Answered(Response),
}

/// The key as it is kept: whose it is, and what they call it. Neither part has a space in it.
fn own(principal: &Principal, key: &str) -> String {
    // A reply that was for one user is not another one's.
    match &principal.user {
        None => format!("{} {key}", principal.id),
        Some(user) => format!("{} {user}\n{key}", principal.id),
    }
}

/// Where a sealed reply belongs; it cannot be opened elsewhere.
fn place(principal: &Principal, key: &str) -> String {
    format!("idempotency/{}/{key}", principal.tenant)
}
