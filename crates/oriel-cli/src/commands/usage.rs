//! `oriel usage`.

use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::{short_moment, text};

/// What to add up.
#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// From the hour of this moment on, such as 2026-11-01T00:00:00Z; a day back unless said
    #[arg(long, value_name = "MOMENT")]
    from: Option<String>,
    /// Until this moment; now unless said
    #[arg(long, value_name = "MOMENT")]
    to: Option<String>,
    /// By what to tell it apart
    #[arg(long, value_enum, value_delimiter = ',', value_name = "GROUP", default_value = "extension")]
    by: Vec<Group>,
}

/// By what usage is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Group {
    /// By extension
    Extension,
    /// By contribution of an extension
    Contribution,
    /// By hour
    Hour,
    /// By day
    Day,
}

impl Group {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Extension => "extension",
            Self::Contribution => "contribution",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

pub(crate) async fn run(context: &Context, args: &UsageArgs) -> Result<()> {
    let groups: Vec<&str> = args.by.iter().map(|group| group.as_str()).collect();
    let client = context.client()?;
    let mut call = client.get(&["usage"]).query("groupBy", groups.join(","));
    for (name, moment) in [("from", &args.from), ("to", &args.to)] {
        if let Some(moment) = moment {
            call = call.query(name, moment);
        }
    }
    let value: Value = call.send().await?;
    if context.ui.json() {
        return context.ui.document(&value);
    }
    let currency = text(&value, "currency");
    let priced = value["total"].get("cost").is_some();
    let row = |item: &Value, name: String, paint| {
        let mut row = vec![
            (
                Paint::Faint,
                item.get("at").and_then(Value::as_str).map(short_moment).unwrap_or_default(),
            ),
            (paint, name),
            (Paint::Plain, text(item, "calls")),
            (Paint::Plain, text(item, "failures")),
            (Paint::Plain, text(item, "cpuMs")),
            (Paint::Plain, text(item, "wallMs")),
            (Paint::Plain, text(item, "outboundBytes")),
        ];
        if priced {
            let cost = item["cost"].as_f64().unwrap_or_default();
            row.push((Paint::Strong, format!("{cost:.6} {currency}").trim().to_owned()));
        }
        row
    };
    let items = value.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut rows: Vec<_> = items
        .iter()
        .map(|item| {
            let names = [text(item, "extension"), text(item, "kind"), text(item, "contribution")];
            let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
            row(item, names.join(" "), Paint::Strong)
        })
        .collect();
    if rows.len() > 1 {
        rows.push(row(&value["total"], "total".to_owned(), Paint::Faint));
    }
    let mut header = vec!["AT", "WHAT", "CALLS", "FAILED", "CPU MS", "WALL MS", "OUTBOUND BYTES"];
    if priced {
        header.push("COST");
    }
    context.ui.table(&header, rows, "nothing was called in that time")
}
