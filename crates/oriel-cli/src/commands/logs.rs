//! `oriel logs NAME`.

use clap::Args;
use oriel_model::log::LogLine;
use oriel_model::page::Page;
use serde_json::Value;

use crate::client::{Call, Client, EVENTS, Events};
use crate::context::Context;
use crate::error::Result;
use crate::ui::{Paint, Ui, clean};
use crate::view::short_moment;

/// Which lines to read.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The extension
    name: String,
    /// Keep reading as lines are written, until Ctrl-C
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The least level
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "info")]
    level: Level,
    /// At most so many of the newest lines
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

/// Levels, from the finest on.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Level {
    /// Finest detail.
    Trace,
    /// For the author.
    Debug,
    /// For the administrator.
    Info,
    /// Something is odd.
    Warn,
    /// Something failed.
    Error,
}

impl Level {
    /// The text of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

pub(crate) async fn run(context: &Context, args: &LogsArgs) -> Result<()> {
    let client = context.client()?;
    let call = client
        .get(&["extensions", &args.name, "logs"])
        .query("level", args.level.as_str())
        .query("limit", args.limit);
    if !args.follow {
        let page: Page<Value> = call.send().await?;
        if page.items.is_empty() {
            context.ui.note("no lines; a lower --level may show more");
        }
        return page.items.iter().try_for_each(|line| print(&context.ui, line));
    }
    // Ctrl-C is how following ends: no failure.
    tokio::select! {
        result = follow(context, &client, call) => result,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn follow(context: &Context, client: &Client, call: Call<'_>) -> Result<()> {
    let response = call.query("follow", true).accept(EVENTS).response().await?;
    let mut events = Events::of(client.server(), response)?;
    while let Some(event) = events.next().await? {
        if let Ok(line) = serde_json::from_str(&event.data) {
            print(&context.ui, &line)?;
        }
    }
    context.ui.note("the server ended the stream");
    Ok(())
}

/// One line, as JSON or for people.
pub(crate) fn print(ui: &Ui, value: &Value) -> Result<()> {
    match serde_json::from_value::<LogLine>(value.clone()) {
        Ok(line) if !ui.json() => ui.line(&readable(ui, &line)),
        _ => ui.json_line(value),
    }
}

/// `2026-11-21 08:30:00Z INFO  message key=value`.
pub(crate) fn readable(ui: &Ui, line: &LogLine) -> String {
    use std::fmt::Write as _;
    let level = format!("{:?}", line.level).to_uppercase();
    let paint = match level.as_str() {
        "ERROR" => Paint::Bad,
        "WARN" => Paint::Warn,
        "INFO" => Paint::Good,
        _ => Paint::Faint,
    };
    let mut text = format!(
        "{} {} {}",
        ui.paint(Paint::Faint, &short_moment(&line.at.to_string())),
        ui.paint(paint, &format!("{level:<5}")),
        // What follows a line's end belongs to this line, and must not look like the next one.
        clean(&line.message).replace('\n', "\n    ")
    );
    for (key, value) in &line.fields {
        let _ = write!(
            text,
            " {}{}",
            ui.paint(Paint::Faint, &format!("{}=", clean(key))),
            clean(value).replace('\n', " ")
        );
    }
    text
}
