//! `oriel contributions`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::{cut, state_paint, text};

const KINDS: [&str; 7] = ["program", "validator", "sampler", "event-handler", "hook", "job", "route"];

/// What extensions contribute.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ContributionsArgs {
    /// Without a subcommand, they are listed.
    #[command(subcommand)]
    command: Option<ContributionsCommand>,
    /// Which to list.
    #[command(flatten)]
    list: ListArgs,
}

/// What to do with contributions, besides listing them.
#[derive(Debug, Subcommand)]
enum ContributionsCommand {
    /// Show one with its schemas and where it is bound
    Show(ShowArgs),
}

/// Which contributions to list.
#[derive(Debug, Args)]
struct ListArgs {
    /// Of this kind
    #[arg(long, value_parser = KINDS)]
    kind: Option<String>,
    /// Of this extension
    #[arg(long, value_name = "NAME")]
    extension: Option<String>,
    /// With these words in name, description, hook, event types, path or tags
    #[arg(long, short, value_name = "WORDS")]
    search: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

/// Which contribution to show.
#[derive(Debug, Args)]
struct ShowArgs {
    /// Its extension
    extension: String,
    /// What it is
    #[arg(value_parser = KINDS)]
    kind: String,
    /// Its name
    name: String,
}

pub(crate) async fn run(context: &Context, args: &ContributionsArgs) -> Result<()> {
    match &args.command {
        None => list(context, &args.list).await,
        Some(ContributionsCommand::Show(args)) => show(context, args).await,
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let query: Vec<(&str, String)> = [
        ("kind", args.kind.clone()),
        ("extension", args.extension.clone()),
        ("q", args.search.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let items = context.client()?.list(&["contributions"], &query, args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let state = text(item, "state");
            let points: Vec<String> = bound(item).iter().map(|at| text(at, "point")).collect();
            vec![
                (Paint::Strong, format!("{}/{}", text(item, "extension"), text(item, "name"))),
                (Paint::Plain, text(item, "kind")),
                (state_paint(&state), state),
                (Paint::Plain, cut(&points.join(" "), 40)),
                (Paint::Faint, cut(&text(item, "description"), 60)),
            ]
        })
        .collect();
    let header = ["CONTRIBUTION", "KIND", "STATE", "BOUND TO", "DESCRIPTION"];
    context.ui.table(&header, rows, "no contributions match")
}

fn bound(item: &Value) -> &[Value] {
    item.get("bindings")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

async fn show(context: &Context, args: &ShowArgs) -> Result<()> {
    let segments = ["contributions", &args.extension, &args.kind, &args.name];
    let item: Value = context.client()?.get(&segments).send().await?;
    if context.ui.json() {
        return context.ui.document(&item);
    }
    let mut rows = Vec::new();
    for (name, key) in [
        ("extension", "extension"),
        ("version", "version"),
        ("state", "state"),
        ("kind", "kind"),
        ("name", "name"),
        ("description", "description"),
        ("hook", "hook"),
        ("types", "types"),
        ("path", "path"),
        ("access", "access"),
    ] {
        let value = text(&item, key);
        if !value.is_empty() {
            rows.push((name, Paint::Plain, value));
        }
    }
    for at in bound(&item) {
        let off = if at.get("enabled") == Some(&Value::Bool(false)) {
            ", off"
        } else {
            ""
        };
        rows.push((
            "bound to",
            Paint::Plain,
            format!(
                "{} ({}, priority {}{off})",
                text(at, "point"),
                text(at, "bindingId"),
                text(at, "priority")
            ),
        ));
    }
    for (name, key) in [("input", "inputSchema"), ("output", "outputSchema"), ("config", "configSchema")] {
        if let Some(schema) = item.get(key).filter(|schema| !schema.is_null()) {
            let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
            rows.push((name, Paint::Plain, cut(&pretty, 4_000)));
        }
    }
    context.ui.pairs(rows)
}
