//! `oriel budget show|set NAME`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::Paint;
use crate::view::{changed, text};

/// What to do with the budgets of an extension.
#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// Show what an extension may use; `oriel health NAME` shows what it uses
    Show(ShowArgs),
    /// Set or remove budgets; those that are not named stay
    Set(SetArgs),
}

/// Whose budgets.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The extension
    name: String,
}

/// What it may use.
#[derive(Debug, Args)]
#[command(
    after_help = "A BUDGET is AXIS=LIMIT[/WINDOW][:ACTION], with a window of 1m and the action `throttle` unless said:\n  \
    cpu=30s/1m:throttle       time that guest code runs\n  \
    calls=1000/1m             calls\n  \
    outbound-bytes=10MiB/1h   bytes sent and got over HTTP\n  \
    model-spend=5/24h         what completions of the model cost\n  \
    memory=64MiB:warn         memory that one instance holds\n  \
    latency-p95=200ms/5m:warn time that 95 of 100 calls stay below\n  \
    error-rate=0.2/5m:trip    share of calls that fail by its fault\n\
    ACTION is warn, throttle, trip or disable. AXIS=none removes one."
)]
pub(crate) struct SetArgs {
    /// The extension
    name: String,
    /// What it may use
    #[arg(required = true, value_name = "BUDGET", value_parser = budget)]
    budgets: Vec<(String, Value)>,
}

/// Reads `AXIS=LIMIT[/WINDOW][:ACTION]`; null removes the axis.
fn budget(spec: &str) -> std::result::Result<(String, Value), String> {
    let (axis, rest) = spec.split_once('=').ok_or("write it as AXIS=LIMIT[/WINDOW][:ACTION]")?;
    let key = match axis {
        "latency-p95" => "latencyP95",
        "error-rate" => "errorRate",
        "cpu" | "memory" | "calls" => axis,
        "outbound-bytes" => "outboundBytes",
        "model-spend" => "modelSpend",
        _ => {
            return Err(format!(
                "there is no axis `{axis}`; there are latency-p95, error-rate, cpu, memory, calls, outbound-bytes and model-spend"
            ));
        }
    };
    if rest == "none" {
        return Ok((key.to_owned(), Value::Null));
    }
    let (rest, action) = rest.split_once(':').unwrap_or((rest, "throttle"));
    let (limit, window) = rest.split_once('/').unwrap_or((rest, "1m"));
    let limit = match key {
        "calls" => json!(limit.parse::<u64>().map_err(|_| format!("`{limit}` is not a number of calls"))?),
        "modelSpend" => json!(
            limit
                .parse::<f64>()
                .map_err(|_| format!("`{limit}` is not an amount of money such as 2.5"))?
        ),
        "errorRate" => json!(limit.parse::<f64>().map_err(|_| format!("`{limit}` is not a share such as 0.2"))?),
        _ => json!(limit),
    };
    Ok((key.to_owned(), json!({ "limit": limit, "window": window, "action": action })))
}

pub(crate) async fn run(context: &Context, command: &BudgetCommand) -> Result<()> {
    match command {
        BudgetCommand::Show(args) => show(context, &args.name).await,
        BudgetCommand::Set(args) => set(context, args).await,
    }
}

async fn show(context: &Context, name: &str) -> Result<()> {
    let value: Map<String, Value> = context.client()?.get(&["extensions", name, "budgets"]).send().await?;
    if context.ui.json() {
        return context.ui.document(&value);
    }
    let rows = value.iter().map(|(axis, budget)| {
        vec![
            (Paint::Strong, axis.clone()),
            (Paint::Plain, text(budget, "limit")),
            (Paint::Plain, text(budget, "window")),
            (Paint::Plain, text(budget, "action")),
        ]
    });
    let empty = format!("{name} has no budgets; `oriel budget set {name} …` gives it some");
    context.ui.table(&["BUDGET", "LIMIT", "WINDOW", "ACTION"], rows.collect(), &empty)
}

async fn set(context: &Context, args: &SetArgs) -> Result<()> {
    let client = context.client()?;
    // What is not named stays, unless somebody else changes it in between.
    let extension: Value = client.get(&["extensions", &args.name]).send().await?;
    let revision = extension.get("revision").and_then(Value::as_u64);
    let revision = revision.ok_or_else(|| Failure::new(ErrorCode::ClientNotOriel, "the server names no revision"))?;
    let mut budgets: Map<String, Value> = client.get(&["extensions", &args.name, "budgets"]).send().await?;
    for (axis, budget) in &args.budgets {
        if budget.is_null() {
            budgets.remove(axis);
        } else {
            budgets.insert(axis.clone(), budget.clone());
        }
    }
    let reply: Value = client
        .request(Method::PUT, &["extensions", &args.name, "budgets"])
        .if_match(revision)
        .json(&Value::Object(budgets))
        .send()
        .await?;
    changed(&context.ui, &reply, &format!("the budgets of {} are set", args.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_from_one_word_each() {
        for (spec, axis, value) in [
            ("cpu=30s", "cpu", json!({"limit": "30s", "window": "1m", "action": "throttle"})),
            (
                "outbound-bytes=10MiB/1h:warn",
                "outboundBytes",
                json!({"limit": "10MiB", "window": "1h", "action": "warn"}),
            ),
            (
                "model-spend=2.5/24h",
                "modelSpend",
                json!({"limit": 2.5, "window": "24h", "action": "throttle"}),
            ),
            ("calls=9/10s", "calls", json!({"limit": 9, "window": "10s", "action": "throttle"})),
            (
                "error-rate=0.2:trip",
                "errorRate",
                json!({"limit": 0.2, "window": "1m", "action": "trip"}),
            ),
            ("memory=none", "memory", Value::Null),
        ] {
            assert_eq!(budget(spec), Ok((axis.to_owned(), value)), "{spec}");
        }
        for wrong in ["cpu", "cpus=1s", "calls=many", "error-rate=a"] {
            assert!(budget(wrong).is_err(), "{wrong}");
        }
    }
}
