//! Many items in one request, and how far they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use oriel_model::Timestamp;
use oriel_model::id::{BatchId, TaskId};
use oriel_store::BatchState;
use oriel_tasks::{BatchRequest, BatchRun, ItemResult};
use serde::Deserialize;
use utoipa::ToSchema;

use super::items::{BatchItem, ItemBody, milliseconds, write_batch};
use super::sse;
use super::tasks::canary_key;
use crate::app::App;
use crate::extract::{Caller, JsonBytes, Params, Whole, json, json_bytes, parse_large};
use crate::problem::Problem;
use crate::standing::Standing;
use crate::telemetry;

const BATCH_ID: HeaderName = HeaderName::from_static("oriel-batch-id");
/// How often progress is told.
const PACE: Duration = Duration::from_millis(100);
/// Bytes gathered before a piece of a streamed reply is sent.
const PIECE: usize = 64 << 10;

/// Many calls of one task.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"taskId": "flights.classify", "items": [{"id": "1", "input": {"delay": 42}}], "maxConcurrency": 10}))]
pub(crate) struct ExecuteBatch {
    /// The task's id or name.
    task_id: String,
    /// The items.
    items: Vec<ItemBody>,
    /// Items executed at once, at most.
    #[serde(default = "ten")]
    #[schema(value_type = u32, minimum = 1, maximum = 1000, default = 10)]
    max_concurrency: Whole,
    /// Whether the first failure ends the batch; items after it fail with `execution.cancelled`.
    #[serde(default)]
    stop_on_first_error: bool,
    /// As for one call: while a canary runs, all calls with one key get the same release.
    #[schema(max_length = 256)]
    canary_key: Option<String>,
}

const fn ten() -> Whole {
    Whole(10)
}

/// A batch that ended.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what `whole` writes")]
pub(crate) struct BatchReply {
    /// Items in it.
    total_items: u64,
    /// Items that answered.
    success_count: u64,
    /// Items that failed.
    failure_count: u64,
    /// In the order of the request.
    results: Vec<BatchItem>,
    /// From the request to the last result, in milliseconds.
    #[schema(minimum = 0)]
    total_duration_ms: f64,
    batch_id: BatchId,
}

/// How far a batch is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", as = BatchProgress)]
#[expect(dead_code, reason = "describes what the service's own type writes")]
pub(crate) struct ProgressShape {
    id: BatchId,
    task_id: TaskId,
    /// `interrupted`: the server died while it ran; what was recorded until then is in the executions.
    #[schema(pattern = "^(running|completed|stopped|interrupted)$", example = "completed")]
    state: String,
    /// Items in it.
    total_items: u64,
    /// Items that answered so far.
    success_count: u64,
    /// Items that failed so far.
    failure_count: u64,
    started_at: Timestamp,
    /// When it ended.
    finished_at: Option<Timestamp>,
}

/// Execute many items
///
/// A failed item does not fail the batch: it is one of the results. With `Accept: application/x-ndjson` results are sent one
/// a line while the batch runs, which is the way for large ones; a reply that is cut short then means that not everything
/// was recorded. The header `Oriel-Batch-Id` comes first, so that progress can be asked for.
#[utoipa::path(post, path = "/api/v1/tasks/batch/execute", operation_id = "executeBatch", tag = "tasks", request_body = ExecuteBatch,
    responses((status = 200, description = "The results in the order of the request.",
        content((BatchReply = "application/json"), (BatchItem = "application/x-ndjson")),
        headers(("Oriel-Batch-Id" = String, description = "The batch's id.")))))]
pub(crate) async fn execute_batch(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Response, Problem> {
    let begun = Instant::now();
    let body: ExecuteBatch = parse_large(body).await?;
    canary_key(body.canary_key.as_deref())?;
    let items = body.items.into_iter().map(ItemBody::checked).collect::<Result<_, _>>()?;
    let request = BatchRequest {
        task: body.task_id,
        items,
        // Beyond its own maximum it is refused all the same.
        max_concurrency: u32::try_from(body.max_concurrency.0).unwrap_or(u32::MAX),
        stop_on_first_error: body.stop_on_first_error,
        traceparent: telemetry::traceparent(&headers),
        canary_key: body.canary_key,
    };
    let run = app.tasks.batch(&principal, request).await?;
    let id = HeaderValue::from_str(&run.id.to_string()).expect("an id is visible ASCII");
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut response = if accept.contains("ndjson") {
        lines(app, run)
    } else {
        whole(&app, run, begun).await?
    };
    response.headers_mut().insert(BATCH_ID, id);
    Ok(response)
}

/// One JSON document, once everything is recorded.
async fn whole(app: &App, mut run: BatchRun, begun: Instant) -> Result<Response, Problem> {
    let (id, total) = (run.id, run.total);
    let mut results = Vec::with_capacity(total.saturating_mul(96).min(64 << 20));
    let mut counts = Counts::default();
    while let Some(chunk) = run.next().await {
        for result in &chunk {
            if !results.is_empty() {
                results.push(b',');
            }
            write_batch(&mut results, result);
            counts.add(app, result);
        }
    }
    run.finish().await?;
    app.metrics.succeeded(counts.succeeded);
    let Counts { succeeded, failed } = counts;
    let head = format!("{{\"totalItems\":{total},\"successCount\":{succeeded},\"failureCount\":{failed},\"results\":[");
    let mut tail = b"],\"totalDurationMs\":".to_vec();
    milliseconds(&mut tail, begun.elapsed());
    tail.extend_from_slice(format!(",\"batchId\":\"{id}\"}}").as_bytes());
    let pieces = [Bytes::from(head), Bytes::from(results), Bytes::from(tail)];
    Ok(json_bytes(StatusCode::OK, super::pieces::Pieces::body(pieces)))
}

/// One result a line, while the batch runs. The client that goes away stops the batch.
fn lines(app: Arc<App>, run: BatchRun) -> Response {
    let stream = futures::stream::try_unfold((app, run, 0), |(app, mut run, mut succeeded)| async move {
        let mut next = run.next().await;
        if next.is_none() {
            app.metrics.succeeded(succeeded);
            // Without its record a result does not count: the reply is then cut off instead of ended.
            run.finish().await.map_err(|error| {
                tracing::warn!(%error, "a batch could not be recorded");
                std::io::Error::other("the batch could not be recorded")
            })?;
            return Ok(None);
        }
        let mut piece = Vec::new();
        let mut counts = Counts::default();
        // What is ready goes together; what is not is not waited for.
        while let Some(chunk) = next {
            for result in &chunk {
                write_batch(&mut piece, result);
                piece.push(b'\n');
                counts.add(&app, result);
            }
            next = if piece.len() < PIECE { run.ready() } else { None };
        }
        succeeded += counts.succeeded;
        Ok::<_, std::io::Error>(Some((Bytes::from(piece), (app, run, succeeded))))
    });
    let mut response = Response::new(Body::from_stream(stream));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

#[derive(Default)]
struct Counts {
    succeeded: u64,
    failed: u64,
}

impl Counts {
    fn add(&mut self, app: &App, result: &ItemResult) {
        match &result.result {
            Ok(_) => self.succeeded += 1,
            Err(fault) => {
                self.failed += 1;
                app.metrics.failed(oriel_model::Coded::code(fault));
            }
        }
    }
}

/// Show how far a batch is
#[utoipa::path(get, path = "/api/v1/batches/{batchId}", operation_id = "getBatch", tag = "tasks",
    params(("batchId" = String, Path, description = "The batch's id.")),
    responses((status = 200, description = "How far it is.", body = ProgressShape)))]
pub(crate) async fn get_batch(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.tasks.batch_progress(&principal, &id).await?)
}

/// Follow a batch
///
/// One event `progress` whenever it moved on, at most ten a second, and one at its end, after which the stream ends.
#[utoipa::path(get, path = "/api/v1/batches/{batchId}/events", operation_id = "followBatch", tag = "tasks",
    params(("batchId" = String, Path, description = "The batch's id.")),
    responses((status = 200, description = "Its progress as events.", body = String, content_type = "text/event-stream")))]
pub(crate) async fn follow_batch(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Params(id): Params<String>,
    mut standing: Standing,
) -> Result<Response, Problem> {
    let mut principal = principal;
    let mut progress = app.tasks.batch_progress(&principal, &id).await?;
    Ok(sse::reply(async move |out: sse::Out| {
        loop {
            let moves = app.tasks.follow_batch(progress.id);
            if !out.event("progress", None, &progress).await || progress.state != BatchState::Running {
                return;
            }
            let wait = async {
                if let Some(mut moves) = moves {
                    // An error means that it ended, which is a change too.
                    let _ = moves.changed().await;
                }
                // Of a batch on another node nothing is heard: it is looked at.
                tokio::time::sleep(PACE).await;
            };
            tokio::select! {
                () = wait => {}
                () = out.closed() => return,
                () = app.ending.cancelled() => return,
            }
            match standing.look().await {
                Ok(Some(now)) => principal = now,
                Ok(None) => {}
                Err(problem) => return out.problem(&problem).await,
            }
            progress = match app.tasks.batch_progress(&principal, &id).await {
                Ok(progress) => progress,
                Err(error) => return out.problem(&Problem::from(error)).await,
            };
        }
    }))
}
