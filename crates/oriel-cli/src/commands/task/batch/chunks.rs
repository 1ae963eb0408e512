//! A batch as several requests of the batch operation, one after the other; each carries an idempotency key, so that
//! a request whose answer got lost is not run twice.

use oriel_model::ErrorCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BatchArgs;
use super::items::{Item, Items};
use super::output::{Output, uniform};
use super::tally::Tally;
use crate::client::{Client, JSON};
use crate::error::{Failure, Result};

/// Bytes of items after which a request is sent even if it has fewer of them.
const MAX_BODY: usize = 16 << 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    task_id: &'a str,
    items: &'a [Item],
    max_concurrency: u32,
    stop_on_first_error: bool,
}

#[derive(Deserialize)]
struct Reply {
    results: Vec<Value>,
}

pub(super) async fn run(client: &Client, args: &BatchArgs, mut items: Items, mut output: Output, tally: &mut Tally) -> Result<()> {
    loop {
        let most = args.chunk as usize;
        let (chunk, more);
        // On a thread of its own: waiting for items must not be deaf to Ctrl-C.
        (items, chunk, more) = tokio::task::spawn_blocking(move || read(items, most))
            .await
            .map_err(|error| Failure::new(ErrorCode::Internal, format!("reading the items stopped: {error}")))??;
        if chunk.is_empty() {
            return Ok(());
        }
        let body = Request {
            task_id: &args.task,
            items: &chunk,
            max_concurrency: args.concurrency,
            stop_on_first_error: args.stop_on_error,
        };
        let body = serde_json::to_vec(&body)
            .map_err(|error| Failure::new(ErrorCode::Internal, format!("the batch cannot be written as JSON: {error}")))?;
        let reply: Reply = client.post(&["tasks", "batch", "execute"]).body(body, JSON).send().await?;
        for result in reply.results.iter().map(uniform) {
            tally.count(&result);
            output.write(&result)?;
        }
        output.flush()?;
        if !more || (args.stop_on_error && tally.failed() > 0) {
            return Ok(());
        }
    }
}

/// The next items; whether there may be more.
fn read(mut items: Items, most: usize) -> Result<(Items, Vec<Item>, bool)> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < most && bytes < MAX_BODY {
        match items.next()? {
            None => return Ok((items, chunk, false)),
            Some(item) => {
                bytes += item.input.get().len() + item.id.len();
                chunk.push(item);
            }
        }
    }
    Ok((items, chunk, true))
}
