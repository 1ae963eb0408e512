//! `oriel canary …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::PACKAGE;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::project;
use crate::ui::{Paint, Ui};
use crate::view::{changed, short_moment, text};

/// Try a release out beside the running one.
#[derive(Debug, Subcommand)]
pub(crate) enum CanaryCommand {
    /// Run a release beside the installed one on a share of the calls
    Start(StartArgs),
    /// Compare the canary with the running release
    Show(NameArgs),
    /// Change the canary's share, or whether it is decided by itself
    Set(SetArgs),
    /// Make the canary the running release
    Promote(NameArgs),
    /// Take the canary away
    Rollback(NameArgs),
}

/// Which extension.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// The extension
    name: String,
}

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// A project's directory, which is built first, or a package's file
    #[arg(value_name = "DIR|PACKAGE")]
    target: PathBuf,
    /// The share of calls of tasks that it takes, above 0 and at most 1 [default: 0.2]
    #[arg(long, value_name = "PART")]
    share: Option<f64>,
    /// Calls that it must have had before the comparison decides anything [default: 20]
    #[arg(long, value_name = "CALLS")]
    min_calls: Option<u64>,
    /// How likely one that is as good may be rolled back by mistake [default: 0.01]
    #[arg(long, value_name = "PART")]
    alpha: Option<f64>,
    /// Calls after which it is promoted when nothing speaks against it [default: 1000]
    #[arg(long, value_name = "CALLS")]
    promote_after: Option<u64>,
    /// By how much calls may become slower: 0.5 is half as long again [default: 0.5]
    #[arg(long, value_name = "PART")]
    max_latency_increase: Option<f64>,
    /// By how much the validators' mean score may drop; 1 leaves scores out [default: 0.05]
    #[arg(long, value_name = "PART")]
    max_score_drop: Option<f64>,
    /// Crashes in a row that take it away at once [default: 5]
    #[arg(long, value_name = "CRASHES")]
    hard_failures: Option<u32>,
    /// Only compare; somebody promotes it or takes it away
    #[arg(long)]
    manual: bool,
    /// Start a project's component as it was built last
    #[arg(long)]
    no_build: bool,
}

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The extension
    name: String,
    /// The share of calls of tasks that it takes, above 0 and at most 1
    #[arg(long, value_name = "PART")]
    share: Option<f64>,
    /// Calls after which it is promoted when nothing speaks against it
    #[arg(long, value_name = "CALLS")]
    promote_after: Option<u64>,
    /// Let the platform promote it or take it away
    #[arg(long, conflicts_with = "manual")]
    auto: bool,
    /// Only compare; somebody promotes it or takes it away
    #[arg(long)]
    manual: bool,
}

pub(crate) async fn run(context: &Context, command: &CanaryCommand) -> Result<()> {
    match command {
        CanaryCommand::Start(args) => start(context, args).await,
        CanaryCommand::Show(args) => {
            let value: Value = context.client()?.get(&["extensions", &args.name, "canary"]).send().await?;
            show(&context.ui, &args.name, &value)
        }
        CanaryCommand::Set(args) => set(context, args).await,
        CanaryCommand::Promote(args) => {
            let value: Value = context
                .client()?
                .post(&["extensions", &args.name, "canary", "promote"])
                .send()
                .await?;
            changed(&context.ui, &value, &format!("{} runs {} now", args.name, text(&value, "version")))
        }
        CanaryCommand::Rollback(args) => {
            let value: Value = context.client()?.delete(&["extensions", &args.name, "canary"]).send().await?;
            let sentence = format!("the canary of {} is gone; all calls get {}", args.name, text(&value, "version"));
            changed(&context.ui, &value, &sentence)
        }
    }
}

async fn start(context: &Context, args: &StartArgs) -> Result<()> {
    let client = context.client()?;
    let loaded = project::load(&context.ui, &args.target, args.no_build).await?;
    let name = loaded.manifest.name.as_str();
    let mut call = client.request(Method::PUT, &["extensions", name, "canary"]);
    let numbers = [
        ("share", args.share.map(|value| value.to_string())),
        ("minCalls", args.min_calls.map(|value| value.to_string())),
        ("alpha", args.alpha.map(|value| value.to_string())),
        ("promoteAfter", args.promote_after.map(|value| value.to_string())),
        ("maxLatencyIncrease", args.max_latency_increase.map(|value| value.to_string())),
        ("maxScoreDrop", args.max_score_drop.map(|value| value.to_string())),
        ("hardFailures", args.hard_failures.map(|value| value.to_string())),
        ("auto", args.manual.then(|| "false".to_owned())),
    ];
    for (key, value) in numbers {
        if let Some(value) = value {
            call = call.query(key, value);
        }
    }
    let value: Value = call.body(loaded.bytes, PACKAGE).send().await?;
    let canary = value.get("canary").unwrap_or(&Value::Null);
    let running = canary
        .pointer("/comparison/running/version")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let share = canary.get("share").and_then(Value::as_f64).unwrap_or_default();
    let version = &loaded.manifest.version;
    let sentence = format!("{name} {version} takes {} of the calls beside {running}", percent(share));
    changed(&context.ui, &value, &sentence)
}

async fn set(context: &Context, args: &SetArgs) -> Result<()> {
    let mut body = Map::new();
    if let Some(share) = args.share {
        body.insert("share".into(), json!(share));
    }
    if let Some(calls) = args.promote_after {
        body.insert("promoteAfter".into(), json!(calls));
    }
    if args.auto || args.manual {
        body.insert("auto".into(), json!(args.auto));
    }
    if body.is_empty() {
        return Err(Failure::usage("say what to change: --share, --promote-after, --auto or --manual"));
    }
    let client = context.client()?;
    let call = client.request(Method::PATCH, &["extensions", &args.name, "canary"]);
    let value: Value = call.json(&Value::Object(body)).send().await?;
    show(&context.ui, &args.name, &value)
}

/// Both releases side by side, for people.
fn show(ui: &Ui, name: &str, value: &Value) -> Result<()> {
    if ui.json() {
        return ui.document(value);
    }
    if let Some(canary) = value.get("canary") {
        let comparison = canary.get("comparison").unwrap_or(&Value::Null);
        let share = canary.get("share").and_then(Value::as_f64).unwrap_or_default();
        ui.pairs(vec![
            ("canary", Paint::Strong, format!("{name} {}", text(canary, "version"))),
            ("state", Paint::Plain, text(value, "state")),
            ("share", Paint::Plain, percent(share)),
            ("since", Paint::Faint, short_moment(&text(canary, "since"))),
            ("advice", Paint::Strong, text(comparison, "advice")),
            ("why", Paint::Plain, text(comparison, "reason")),
        ])?;
        ui.table(
            &["RELEASE", "CALLS", "SUCCESS", "P50 MS", "P95 MS", "SCORE"],
            vec![arm(comparison, "running"), arm(comparison, "canary")],
            "",
        )?;
        let tests = comparison.get("tests").and_then(Value::as_array);
        let rows = tests.into_iter().flatten().map(|test| {
            let number = |key| test.get(key).and_then(Value::as_f64).unwrap_or_default();
            let more = test.get("callsToRollback").and_then(Value::as_u64);
            vec![
                (Paint::Plain, text(test, "measure")),
                (Paint::Plain, format!("{:.2}", number("evidence"))),
                (Paint::Plain, format!("{:.0}", number("needed"))),
                (Paint::Faint, more.map_or_else(|| "-".to_owned(), |calls| calls.to_string())),
            ]
        });
        ui.table(&["AGAINST IT", "EVIDENCE", "NEEDED", "CALLS AWAY"], rows.collect(), "")?;
        return Ok(());
    }
    match value.get("last") {
        Some(last) => {
            let version = last
                .pointer("/comparison/canary/version")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let by = if last.get("automatic") == Some(&Value::Bool(true)) {
                "the platform"
            } else {
                "somebody"
            };
            ui.pairs(vec![
                ("canary", Paint::Strong, format!("{name} {version}")),
                ("end", Paint::Plain, format!("{} by {by}", text(last, "end"))),
                ("why", Paint::Plain, text(last, "reason")),
                ("at", Paint::Faint, short_moment(&text(last, "at"))),
            ])
        }
        None => {
            ui.note(&format!("{name} has no canary and has had none"));
            Ok(())
        }
    }
}

fn arm(comparison: &Value, which: &str) -> Vec<(Paint, String)> {
    let arm = comparison.get(which).unwrap_or(&Value::Null);
    let number = |key| {
        arm.get(key)
            .and_then(Value::as_f64)
            .map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"))
    };
    let rate = |key| arm.pointer(&format!("/successRate/{key}")).and_then(Value::as_f64);
    let success = match (rate("rate"), rate("low"), rate("high")) {
        (Some(rate), Some(low), Some(high)) => format!("{} ({} to {})", percent(rate), percent(low), percent(high)),
        _ => "-".to_owned(),
    };
    vec![
        (Paint::Strong, format!("{which} {}", text(arm, "version"))),
        (Paint::Plain, text(arm, "calls")),
        (Paint::Plain, success),
        (Paint::Plain, number("latencyP50Ms")),
        (Paint::Plain, number("latencyP95Ms")),
        (Paint::Plain, number("score")),
    ]
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}
