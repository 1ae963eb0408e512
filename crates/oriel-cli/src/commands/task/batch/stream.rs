//! A batch through the stream operation: items travel while results come back.

use bytes::Bytes;
use oriel_model::ErrorCode;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::BatchArgs;
use super::items::Items;
use super::output::{Output, uniform};
use super::tally::Tally;
use crate::client::{Client, EVENTS, Events, NDJSON};
use crate::error::{Failure, Result};

/// Pieces of the request that are read ahead of the network.
const AHEAD: usize = 8;
/// Bytes in one piece.
const PIECE: usize = 64 << 10;

pub(super) async fn run(client: &Client, args: &BatchArgs, items: Items, mut output: Output, tally: &mut Tally) -> Result<()> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    let stop = CancellationToken::new();
    let _stop_reading = stop.clone().drop_guard();
    let reading = tokio::task::spawn_blocking(move || read(items, &sender, &stop));
    let pieces = futures::stream::unfold(receiver, |mut receiver| async move {
        let piece: Bytes = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(piece), receiver))
    });
    let call = client
        .post(&["tasks", "stream", "execute"])
        .query("taskId", &args.task)
        .query("maxConcurrency", args.concurrency)
        .accept(EVENTS)
        .once();
    let response = call.stream(reqwest::Body::wrap_stream(pieces), NDJSON).await?;
    let mut events = Events::of(client.server(), response)?;
    let mut unflushed = 0;
    while let Some(event) = events.next().await? {
        let value: Value = serde_json::from_str(&event.data).map_err(|error| {
            Failure::new(
                ErrorCode::ClientNotOriel,
                format!("the stream carried something that is not JSON: {error}"),
            )
        })?;
        if value.get("success").is_none() {
            // Not a result: the server's last words, if it has any.
            if let Some(code) = value.get("code").and_then(Value::as_str) {
                let message = value.get("detail").and_then(Value::as_str).unwrap_or("the stream was ended");
                return Err(Failure::reported(code, 500, message));
            }
            continue;
        }
        let result = uniform(&value);
        tally.count(&result);
        output.write(&result)?;
        unflushed += 1;
        if unflushed == 100 {
            output.flush()?;
            unflushed = 0;
        }
    }
    output.flush()?;
    let sent = reading
        .await
        .map_err(|error| Failure::new(ErrorCode::Internal, format!("reading the items stopped: {error}")))??;
    if tally.total() < sent {
        let message = format!("the server ended the stream after {} of {sent} items", tally.total());
        return Err(Failure::new(ErrorCode::ClientIncomplete, message));
    }
    Ok(())
}

/// Reads items and hands them over in pieces; answers how many there were.
fn read(mut items: Items, sender: &mpsc::Sender<Bytes>, stop: &CancellationToken) -> Result<u64> {
    let (mut piece, mut count) = (Vec::with_capacity(PIECE), 0);
    while !stop.is_cancelled() {
        let item = items.next()?;
        if let Some(item) = &item {
            count += 1;
            serde_json::to_writer(&mut piece, item)
                .map_err(|error| Failure::new(ErrorCode::Internal, format!("an item cannot be written as JSON: {error}")))?;
            piece.push(b'\n');
        }
        // Pieces grow only while the network is the slower side.
        let full = piece.len() >= PIECE || item.is_none() || sender.capacity() == AHEAD;
        // An error means that the connection is gone; the other side reports it.
        if full && !piece.is_empty() && sender.blocking_send(std::mem::take(&mut piece).into()).is_err() {
            break;
        }
        if item.is_none() {
            break;
        }
    }
    Ok(count)
}
