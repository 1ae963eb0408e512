//! `oriel executions list|show`.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::ui::{Paint, Ui};
use crate::view::{cut, short_moment, text};

/// What to do with records of calls.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutionsCommand {
    /// List records, newest first
    List(ListArgs),
    /// Show one record
    Show(ShowArgs),
}

/// Which records to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this task, by id or name
    #[arg(long, value_name = "TASK")]
    task: Option<String>,
    /// Of this extension
    #[arg(long, value_name = "NAME")]
    extension: Option<String>,
    /// With this end
    #[arg(long, value_enum)]
    status: Option<Status>,
    /// Of this batch
    #[arg(long, value_name = "ID")]
    batch: Option<String>,
    /// Started at or after, as 2026-11-21T08:30:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Started before
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    /// It answered.
    Succeeded,
    /// It did not.
    Failed,
}

/// Which record to show.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The execution's id, exec_…
    id: String,
}

pub(crate) async fn run(context: &Context, command: &ExecutionsCommand) -> Result<()> {
    match command {
        ExecutionsCommand::List(args) => list(context, args).await,
        ExecutionsCommand::Show(args) => {
            let value: Value = context.client()?.get(&["executions", &args.id]).send().await?;
            if context.ui.json() {
                context.ui.document(&value)
            } else {
                show(&context.ui, &value)
            }
        }
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let status = args.status.map(|status| match status {
        Status::Succeeded => "succeeded".to_owned(),
        Status::Failed => "failed".to_owned(),
    });
    let query: Vec<(&str, String)> = [
        ("taskId", args.task.clone()),
        ("extension", args.extension.clone()),
        ("status", status),
        ("batchId", args.batch.clone()),
        ("from", args.from.clone()),
        ("to", args.to.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let items = context.client()?.list(&["executions"], &query, args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let status = text(item, "status");
            let error = item.get("error").map(|error| text(error, "code")).unwrap_or_default();
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Strong, format!("{}/{}", text(item, "extension"), text(item, "program"))),
                (Paint::Plain, text(item, "version")),
                (if status == "succeeded" { Paint::Good } else { Paint::Bad }, status),
                (Paint::Plain, milliseconds(item)),
                (Paint::Faint, short_moment(&text(item, "startedAt"))),
                (Paint::Plain, error),
            ]
        })
        .collect();
    let header = ["ID", "PROGRAM", "VERSION", "STATUS", "MS", "STARTED", "ERROR"];
    context.ui.table(&header, rows, "no executions match")
}

/// Wall time of a record, in milliseconds with three digits.
fn milliseconds(item: &Value) -> String {
    let wall = item
        .get("resources")
        .and_then(|resources| resources.get("wallUs"))
        .and_then(Value::as_u64);
    wall.map(|us| format!("{}.{:03}", us / 1_000, us % 1_000)).unwrap_or_default()
}

fn show(ui: &Ui, item: &Value) -> Result<()> {
    let mut rows = Vec::new();
    for (name, key) in [
        ("id", "id"),
        ("task", "taskId"),
        ("batch", "batchId"),
        ("item", "itemId"),
        ("extension", "extension"),
        ("version", "version"),
        ("program", "program"),
        ("status", "status"),
        ("started", "startedAt"),
    ] {
        let value = text(item, key);
        if !value.is_empty() {
            rows.push((name, Paint::Plain, value));
        }
    }
    if let Some(Value::Object(resources)) = item.get("resources") {
        for (name, key, unit) in [
            ("wall time", "wallUs", " µs"),
            ("guest CPU", "guestCpuUs", " µs"),
            ("peak memory", "peakMemory", " bytes"),
            ("host calls", "hostCalls", ""),
        ] {
            if let Some(value) = resources.get(key) {
                rows.push((name, Paint::Plain, format!("{value}{unit}")));
            }
        }
    }
    if let Some(error) = item.get("error").filter(|error| error.is_object()) {
        rows.push(("error", Paint::Bad, format!("{}: {}", text(error, "code"), text(error, "message"))));
    }
    for (name, key) in [("input", "input"), ("output", "output")] {
        if let Some(value) = item.get(key).filter(|value| !value.is_null()) {
            let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
            rows.push((name, Paint::Plain, cut(&pretty, 4_000)));
        }
    }
    ui.pairs(rows)
}
