//! `oriel task batch TASK FILE.ndjson`.
//!
//! The file is read twice: once to check every line and count them, so that a mistake in line 90,000 is found before
//! anything runs, and once to send. Results are written as they come, one line each, so that whatever stops the
//! command, the output says exactly what is done; `--resume` sends the rest.

mod chunks;
mod items;
mod output;
mod stream;
mod tally;

use std::path::PathBuf;

use clap::Args;
use oriel_model::ErrorCode;

use self::items::Items;
use self::output::Output;
use self::tally::Tally;
use crate::context::Context;
use crate::error::{Failure, Result};

/// What to call, with which items.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// The task, by name or id
    task: String,
    /// One item per line: {"id": …, "input": …, "timeoutMs": …}; - for standard input
    #[arg(value_name = "FILE.ndjson|-")]
    file: String,
    /// Each line is an input itself; its number becomes the item's id
    #[arg(long)]
    raw: bool,
    /// Write results here instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Go on where an earlier run with the same -o FILE stopped: items that succeeded are not sent again
    #[arg(long, requires = "output")]
    resume: bool,
    /// Send everything in one stream and get results as they are done, in any order
    #[arg(long)]
    stream: bool,
    /// Items in one request
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000), conflicts_with = "stream")]
    chunk: u32,
    /// Calls that run at once
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    /// Stop at the first item that fails
    #[arg(long, conflicts_with = "stream")]
    stop_on_error: bool,
}

pub(crate) async fn run(context: &Context, args: &BatchArgs) -> Result<()> {
    let ui = &context.ui;
    let client = context.client()?;
    let done = match (&args.output, args.resume) {
        (Some(path), true) => output::succeeded(path)?,
        _ => output::Done::default(),
    };
    let items = Items::open(&args.file, args.raw, done.ids)?;
    let output = Output::open(args.output.as_deref(), done.keep)?;
    let mut tally = Tally::new(ui, items.expected(), items.skipped());
    let sent = if args.stream {
        stream::run(&client, args, items, output, &mut tally).await
    } else {
        chunks::run(&client, args, items, output, &mut tally).await
    };
    tally.finish(ui, args.output.is_some())?;
    sent.map_err(|failure| incomplete(failure, &tally, args))?;
    match tally.failed() {
        0 => Ok(()),
        failed => {
            let failure = Failure::new(ErrorCode::ClientItemsFailed, format!("{failed} of {} items failed", tally.total()));
            Err(if args.output.is_some() {
                failure
            } else {
                failure.help("the results on standard output say why, item by item")
            })
        }
    }
}

/// A failure on the way, with how far the batch got. A mistake of the caller keeps its own code.
fn incomplete(failure: Failure, tally: &Tally, args: &BatchArgs) -> Failure {
    if tally.total() == 0 || failure.is(ErrorCode::ClientFile) {
        return failure;
    }
    let message = format!(
        "{} items are done, the rest is not: {} ({})",
        tally.total(),
        failure.message(),
        failure.code()
    );
    let failure = Failure::new(ErrorCode::ClientIncomplete, message);
    if args.output.is_some() {
        failure
    } else {
        failure.help("with `-o FILE` a later run can go on with `--resume`")
    }
}
