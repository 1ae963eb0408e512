//! `oriel anomaly list|show|acknowledge|dismiss|baseline`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::ui::{Paint, Ui, clean};
use crate::view::{changed, cut, short_moment, text};

/// What to do with anomalies.
#[derive(Debug, Subcommand)]
pub(crate) enum AnomalyCommand {
    /// List what extensions did that they never did before
    List(ListArgs),
    /// Show one anomaly
    Show(IdArgs),
    /// Say that you know of an anomaly
    Acknowledge(SettleArgs),
    /// Say that an anomaly was nothing: the like of it is usual from now on
    Dismiss(SettleArgs),
    /// Show what is usual of an extension
    Baseline(BaselineArgs),
}

/// Which anomalies.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only of this extension
    #[arg(long, value_name = "NAME")]
    extension: Option<String>,
    /// Only in this state
    #[arg(long, value_parser = ["open", "acknowledged", "dismissed"])]
    state: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 50, value_name = "COUNT")]
    limit: usize,
}

/// Which anomaly.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// The anomaly's id
    id: String,
}

/// What to say about an anomaly.
#[derive(Debug, Args)]
pub(crate) struct SettleArgs {
    /// The anomaly's id
    id: String,
    /// A note for others
    #[arg(long, short = 'm', value_name = "TEXT")]
    note: Option<String>,
}

/// Whose baseline.
#[derive(Debug, Args)]
pub(crate) struct BaselineArgs {
    /// The extension
    name: String,
}

pub(crate) async fn run(context: &Context, command: &AnomalyCommand) -> Result<()> {
    match command {
        AnomalyCommand::List(args) => list(context, args).await,
        AnomalyCommand::Show(args) => {
            let anomaly: Value = context.client()?.get(&["anomalies", &args.id]).send().await?;
            if context.ui.json() {
                return context.ui.document(&anomaly);
            }
            show(&context.ui, &anomaly)
        }
        AnomalyCommand::Acknowledge(args) => settle(context, args, "acknowledge").await,
        AnomalyCommand::Dismiss(args) => settle(context, args, "dismiss").await,
        AnomalyCommand::Baseline(args) => baseline(context, &args.name).await,
    }
}

fn paint(severity: &str) -> Paint {
    if severity == "critical" { Paint::Warn } else { Paint::Plain }
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let mut query = Vec::new();
    for (name, value) in [("extension", &args.extension), ("state", &args.state)] {
        query.extend(value.clone().map(|value| (name, value)));
    }
    let items = context.client()?.list(&["anomalies"], &query, args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let severity = text(item, "severity");
            vec![
                (Paint::Faint, text(item, "id")),
                (Paint::Plain, short_moment(&text(item, "to"))),
                (Paint::Strong, text(item, "extension")),
                (paint(&severity), severity),
                (Paint::Plain, text(item, "state")),
                (Paint::Plain, text(item, "times")),
                (Paint::Plain, cut(&clean(&text(item, "summary")), 90)),
            ]
        })
        .collect();
    let headings = ["ID", "LAST SEEN", "EXTENSION", "SEVERITY", "STATE", "TIMES", "WHAT"];
    context.ui.table(&headings, rows, "nothing unusual was seen")
}

fn show(ui: &Ui, anomaly: &Value) -> Result<()> {
    let severity = text(anomaly, "severity");
    let mut rows = vec![
        ("extension", Paint::Strong, text(anomaly, "extension")),
        ("what", paint(&severity), clean(&text(anomaly, "summary")).into_owned()),
        ("severity", paint(&severity), severity),
        ("state", Paint::Plain, text(anomaly, "state")),
        ("metric", Paint::Plain, text(anomaly, "metric")),
    ];
    if anomaly.get("contribution").is_some() {
        let of = format!("{} {}", text(anomaly, "kind"), text(anomaly, "contribution"));
        rows.push(("contribution", Paint::Plain, of));
    }
    rows.push(("first seen", Paint::Faint, short_moment(&text(anomaly, "from"))));
    rows.push(("last seen", Paint::Faint, short_moment(&text(anomaly, "to"))));
    rows.push(("times", Paint::Plain, text(anomaly, "times")));
    rows.push((
        "learned from",
        Paint::Plain,
        format!("{} observations", text(anomaly, "learnedFrom")),
    ));
    if let Some(settled) = anomaly.get("settled") {
        let note = clean(&text(settled, "note")).into_owned();
        let by = format!("{} at {}", text(settled, "by"), short_moment(&text(settled, "at")));
        rows.push(("settled by", Paint::Plain, by));
        if !note.is_empty() {
            rows.push(("note", Paint::Plain, note));
        }
    }
    ui.pairs(rows)?;
    ui.line("")?;
    let id = text(anomaly, "id");
    ui.line(&format!("`oriel incident report --anomaly {id}` gathers what happened around it"))
}

async fn settle(context: &Context, args: &SettleArgs, how: &str) -> Result<()> {
    let body = args.note.as_ref().map_or_else(|| json!({}), |note| json!({ "note": note }));
    let client = context.client()?;
    let anomaly: Value = client.post(&["anomalies", &args.id, how]).json(&body).send().await?;
    changed(&context.ui, &anomaly, &format!("{} is {}", args.id, text(&anomaly, "state")))
}

async fn baseline(context: &Context, name: &str) -> Result<()> {
    let value: Value = context.client()?.get(&["extensions", name, "baseline"]).send().await?;
    if context.ui.json() {
        return context.ui.document(&value);
    }
    let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let rows = list("series").into_iter().map(|series| {
        let usual = &series["usual"];
        let number = |key: &str| usual[key].as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"));
        vec![
            (Paint::Plain, text(&series, "metric")),
            (Paint::Strong, text(&series, "contribution")),
            (Paint::Plain, number("median")),
            (Paint::Plain, number("low")),
            (Paint::Plain, number("high")),
            (Paint::Faint, text(&series, "learnedFrom")),
        ]
    });
    let headings = ["METRIC", "CONTRIBUTION", "MEDIAN", "FROM", "TO", "SEEN"];
    context.ui.table(&headings, rows.collect(), "nothing was learned yet")?;
    let hosts = list("hosts");
    if !hosts.is_empty() {
        context.ui.line("")?;
        let rows = hosts.iter().map(|host| {
            vec![
                (Paint::Plain, clean(&text(host, "host")).into_owned()),
                (Paint::Faint, short_moment(&text(host, "firstSeen"))),
            ]
        });
        context.ui.table(&["HOST", "FIRST SEEN"], rows.collect(), "")?;
    }
    Ok(())
}
