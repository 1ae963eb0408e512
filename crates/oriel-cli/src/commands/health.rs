//! `oriel health [NAME]`.

use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::ui::{Paint, Ui, clean};
use crate::view::{Extension, cut, parts, short_moment, text};

/// Whose health to show.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// The extension; without it, all of them in a table
    name: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &HealthArgs) -> Result<()> {
    let client = context.client()?;
    if let Some(name) = &args.name {
        let value: Value = client.get(&["extensions", name, "health"]).send().await?;
        return if context.ui.json() {
            context.ui.document(&value)
        } else {
            show(&context.ui, name, &value)
        };
    }
    let items = client.list(&["extensions"], &[], 10_000).await?;
    if context.ui.json() {
        let health = |item: &Value| json!({ "name": item["name"], "health": item["health"] });
        return context
            .ui
            .document(&json!({ "items": items.iter().map(health).collect::<Vec<_>>() }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let extension: Extension = parts(item);
            let state = text(&extension.health, "state");
            vec![
                (Paint::Strong, extension.name),
                (paint(&state), state),
                (Paint::Plain, cut(&clean(&text(&extension.health, "reason")), 100)),
            ]
        })
        .collect();
    let empty = "nothing is installed; `oriel install DIR|PACKAGE` installs an extension";
    context.ui.table(&["NAME", "HEALTH", "WHY"], rows, empty)
}

/// The colour of a state of health.
pub(crate) fn paint(state: &str) -> Paint {
    match state {
        "healthy" => Paint::Good,
        "starting" | "stopped" => Paint::Faint,
        _ => Paint::Warn,
    }
}

fn show(ui: &Ui, name: &str, value: &Value) -> Result<()> {
    let state = text(value, "state");
    let mut rows = vec![("health", paint(&state), state.clone())];
    for (label, key) in [("why", "reason"), ("its own words", "detail")] {
        let line = clean(&text(value, key)).into_owned();
        if !line.is_empty() {
            rows.push((label, Paint::Plain, line));
        }
    }
    if let Some(since) = value.get("since").and_then(Value::as_str) {
        rows.push(("since", Paint::Faint, short_moment(since)));
    }
    if let Some(left) = value.get("retryAfterMs").and_then(Value::as_f64) {
        rows.push(("tried again in", Paint::Plain, format!("{:.1} s", left / 1_000.0)));
    }
    let window = &value["window"];
    let seconds = window["spanMs"].as_f64().unwrap_or_default() / 1_000.0;
    rows.push((
        "lately",
        Paint::Plain,
        format!(
            "{} calls within {seconds} s, {} failed, {} slow",
            text(window, "calls"),
            text(window, "failures"),
            text(window, "slow")
        ),
    ));
    rows.push((
        "trips",
        Paint::Plain,
        format!(
            "{} in a row, {} within an hour",
            text(value, "tripsInARow"),
            text(value, "tripsWithinAnHour")
        ),
    ));
    ui.pairs(rows)?;
    if state == "quarantined" {
        ui.line("")?;
        ui.line(&format!(
            "`oriel release {name}` lets it out; so does a release that works, by `oriel upgrade`"
        ))?;
    }
    let list = |key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let budgets = list("budgets");
    if !budgets.is_empty() {
        ui.line("")?;
        ui.line(&ui.paint(Paint::Strong, "Budgets"))?;
        let rows = budgets.iter().map(|budget| {
            let over = budget["over"].as_bool().unwrap_or(false);
            let (colour, word) = if over { (Paint::Warn, "used up") } else { (Paint::Good, "kept") };
            vec![
                (Paint::Plain, text(budget, "axis")),
                (Paint::Plain, text(budget, "used")),
                (colour, word.to_owned()),
                (Paint::Faint, text(budget, "action")),
            ]
        });
        ui.table(&["BUDGET", "USED", "", "ACTION"], rows.collect(), "")?;
    }
    let history = list("history");
    if !history.is_empty() {
        ui.line("")?;
        ui.line(&ui.paint(Paint::Strong, "History"))?;
        let rows = history.iter().map(|change| {
            let to = text(change, "to");
            vec![
                (Paint::Faint, short_moment(&text(change, "at"))),
                (Paint::Plain, text(change, "from")),
                (paint(&to), to),
                (Paint::Plain, cut(&clean(&text(change, "reason")), 120)),
            ]
        });
        ui.table(&["AT", "FROM", "TO", "WHY"], rows.collect(), "")?;
    }
    Ok(())
}
