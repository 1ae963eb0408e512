//! A sequence without end: lines in, events out.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use oriel_tasks::{Fault, Item, ItemResult, StreamRequest, StreamRun};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};
use utoipa::IntoParams;

use super::items::{ItemBody, write_stream};
use super::sse;
use super::tasks::canary_key;
use crate::app::App;
use crate::extract::{Caller, Query, check_media_type, parse};
use crate::problem::Problem;
use crate::standing::Standing;
use crate::telemetry;

/// Room for an item's envelope beside its input.
const ENVELOPE: usize = 64 << 10;
/// Results gathered into one piece of the reply, when so many wait.
const GATHER: usize = 128;

/// Which task, and how many at once.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StreamQuery {
    /// The task's id or name.
    task_id: String,
    /// Items executed at once, at most.
    #[param(minimum = 1, maximum = 1000, default = 10)]
    max_concurrency: Option<u32>,
    /// As for one call: while a canary runs, all calls with one key get the same release.
    #[param(max_length = 256)]
    canary_key: Option<String>,
}

/// Execute a stream of items
///
/// The body is NDJSON, one `{id, input, timeoutMs?}` a line, and is read as it arrives; the reply is one event for each item
/// as soon as it is done: `data: {id, success, output | error, error_code?, duration_ms}`. A client that reads slowly slows the
/// stream; one that goes away cancels it. A line that cannot be understood is answered as a failed item `line:NUMBER`. The caller is
/// looked at again from time to time: a stream whose key is revoked ends with an event `problem`.
#[utoipa::path(post, path = "/api/v1/tasks/stream/execute", operation_id = "executeStream", tag = "tasks", params(StreamQuery),
    request_body(content = ItemBody, content_type = "application/x-ndjson", description = "One item a line."),
    responses((status = 200, description = "One event for each item.", body = String, content_type = "text/event-stream")))]
pub(crate) async fn execute_stream(
    State(app): State<Arc<App>>,
    Caller(principal): Caller,
    Query(query): Query<StreamQuery>,
    standing: Standing,
    request: Request,
) -> Result<Response, Problem> {
    check_media_type(
        request.headers(),
        &["application/x-ndjson", "application/ndjson", "application/jsonl"],
    )?;
    let task = query.task_id.clone();
    let stream = StreamRequest {
        task: query.task_id,
        max_concurrency: query.max_concurrency.unwrap_or(10),
        traceparent: telemetry::traceparent(request.headers()),
        canary_key: canary_key(query.canary_key.as_deref())?.map(str::to_owned),
    };
    let StreamRun { items, results } = app.tasks.stream(&principal, stream).await?;
    let longest = usize::try_from(app.config.limits.input.0)
        .unwrap_or(usize::MAX)
        .saturating_add(ENVELOPE);
    let reader = app.clone();
    let (ended, refused) = oneshot::channel();
    let sender = Sender { standing, task };
    tokio::spawn(async move {
        if let Err(problem) = read(&reader, sender, request.into_body(), longest, items).await {
            let _ = ended.send(problem);
        }
    });
    Ok(sse::of(Body::from_stream(futures::stream::unfold(
        Some((app, results, Vec::with_capacity(GATHER), refused)),
        write,
    ))))
}

type Writing = (Arc<App>, mpsc::Receiver<ItemResult>, Vec<ItemResult>, oneshot::Receiver<Problem>);

/// The next piece of the reply.
async fn write(writing: Option<Writing>) -> Option<(Result<Bytes, std::convert::Infallible>, Option<Writing>)> {
    let (app, mut results, mut waiting, refused) = writing?;
    if results.recv_many(&mut waiting, GATHER).await == 0 {
        // All results are out; whoever read the items says whether that was all that there was to read.
        let problem = refused.await.ok()?;
        return Some((Ok(sse::problem(&problem)), None));
    }
    let mut piece = Vec::with_capacity(waiting.len() * 96);
    let mut succeeded = 0;
    for result in waiting.drain(..) {
        match &result.result {
            Ok(_) => succeeded += 1,
            Err(fault) => app.metrics.failed(oriel_model::Coded::code(fault)),
        }
        piece.extend_from_slice(b"data: ");
        write_stream(&mut piece, &result);
        piece.extend_from_slice(b"\n\n");
    }
    app.metrics.succeeded(succeeded);
    Some((Ok(piece.into()), Some((app, results, waiting, refused))))
}

type Items = mpsc::Sender<Result<Item, (String, Fault)>>;

/// Who sends the items, and to which task.
struct Sender {
    standing: Standing,
    task: String,
}

impl Sender {
    /// Looks, when it is time to, whether they may go on.
    async fn look(&mut self, app: &App) -> Result<(), Problem> {
        match self.standing.look().await? {
            Some(principal) => Ok(app.tasks.may_execute(&principal, &self.task).await?),
            None => Ok(()),
        }
    }
}

/// Reads lines until the body ends, the results are no longer wanted, or the server stops.
///
/// # Errors
/// When the sender may not go on.
async fn read(app: &App, mut sender: Sender, mut body: Body, longest: usize, items: Items) -> Result<(), Problem> {
    let mut lines = Lines::new(longest);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = items.closed() => return Ok(()),
            () = app.ending.cancelled() => return Ok(()),
            () = sender.standing.due() => {
                sender.look(app).await?;
                continue;
            }
        };
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            // The connection broke; hyper drops the reply with it, which cancels the stream.
            Some(Err(_)) => return Ok(()),
            None => break,
        };
        let mut data = data;
        while let Some(item) = lines.next(&mut data) {
            sender.look(app).await?;
            if items.send(item).await.is_err() {
                return Ok(());
            }
        }
    }
    if let Some(item) = lines.last() {
        let _ = items.send(item).await;
    }
    Ok(())
}

/// Cuts pieces into lines and lines into items.
struct Lines {
    longest: usize,
    /// The beginning of a line whose end has not come yet.
    begun: BytesMut,
    /// Whether the present line is too long and the rest of it is thrown away.
    skipping: bool,
    number: u64,
}

impl Lines {
    fn new(longest: usize) -> Self {
        Self {
            longest,
            begun: BytesMut::new(),
            skipping: false,
            number: 0,
        }
    }

    /// The next item that ends in `data`; what it leaves of `data` has no line end.
    fn next(&mut self, data: &mut Bytes) -> Option<Result<Item, (String, Fault)>> {
        loop {
            let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
                if !self.skipping {
                    self.begun.extend_from_slice(data);
                }
                data.clear();
                if self.begun.len() > self.longest {
                    self.begun = BytesMut::new();
                    self.skipping = true;
                }
                return None;
            };
            let line = data.split_to(end + 1);
            let line = &line[..end];
            let item = if self.skipping || self.begun.is_empty() {
                self.item(line)
            } else {
                let mut whole = std::mem::take(&mut self.begun);
                whole.extend_from_slice(line);
                self.item(&whole)
            };
            if item.is_some() {
                return item;
            }
        }
    }

    /// The last line, when it has no end.
    fn last(&mut self) -> Option<Result<Item, (String, Fault)>> {
        let line = std::mem::take(&mut self.begun);
        if line.is_empty() && !self.skipping {
            None
        } else {
            self.item(&line)
        }
    }

    /// The item of a line; nothing for an empty one.
    fn item(&mut self, line: &[u8]) -> Option<Result<Item, (String, Fault)>> {
        self.number += 1;
        let malformed = |reason: String| Some(Err((format!("line:{}", self.number), Fault::Malformed { reason })));
        if std::mem::take(&mut self.skipping) || line.len() > self.longest {
            return malformed(format!("the line is longer than {} bytes", self.longest));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        match parse::<ItemBody>(line).and_then(ItemBody::checked) {
            Ok(item) => Some(Ok(item)),
            Err(problem) => malformed(problem.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids, or what is wrong, of the items in `text` when it comes in pieces of `size` bytes.
    fn read(text: &[u8], size: usize, longest: usize) -> Vec<String> {
        let mut lines = Lines::new(longest);
        let mut found = Vec::new();
        for piece in text.chunks(size) {
            let mut data = Bytes::copy_from_slice(piece);
            while let Some(item) = lines.next(&mut data) {
                found.push(item);
            }
        }
        found.extend(lines.last());
        found
            .into_iter()
            .map(|item| match item {
                Ok(item) => item.id,
                Err((id, fault)) => format!("{id}: {fault}"),
            })
            .collect()
    }

    #[test]
    fn lines_are_cut_the_same_wherever_pieces_end() {
        let text =
            b"{\"id\":\"a\",\"input\":1}\n\n  \r\n{\"id\":\"b\",\"input\":{\"x\":\"\xc3\xa4\"}}\r\nnonsense\n{\"id\":\"c\",\"input\":[]}";
        let whole = read(text, text.len(), 100);
        assert_eq!(whole.len(), 4, "{whole:?}");
        assert_eq!((&*whole[0], &*whole[1], &*whole[3]), ("a", "b", "c"));
        assert!(whole[2].starts_with("line:5: "), "{whole:?}");
        for size in 1..text.len() {
            assert_eq!(read(text, size, 100), whole, "{size}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_costs_no_memory_and_no_neighbour() {
        let mut text = vec![b'x'; 1_000];
        text.extend_from_slice(b"\n{\"id\":\"a\",\"input\":1}\n");
        text.extend_from_slice(&[b'y'; 500]);
        for size in [1, 7, 64, 999, 1_000, 1_001, 2_000] {
            let found = read(&text, size, 100);
            assert_eq!(found[1], "a");
            assert_eq!(
                (&*found[0], &*found[2]),
                (
                    "line:1: the line is longer than 100 bytes",
                    "line:3: the line is longer than 100 bytes"
                ),
                "{size}"
            );
        }
    }
}
