//! `oriel job …`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use oriel_model::ErrorCode;
use serde_json::{Value, json};

use crate::client::Client;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::{Paint, Ui};
use crate::view::{changed, cut, short_moment, text};

/// The longest that one request waits, in seconds.
const LEG: u64 = 30;

/// What to do with jobs and their runs.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Run a job: the run is done even if the server stops meanwhile
    Run(RunArgs),
    /// List the runs of an extension's jobs, newest first
    List(ListArgs),
    /// Show a run and its attempts
    Show(RunId),
    /// Take a run back; one that is running is broken off
    Cancel(RunId),
    /// Begin a run anew that failed, is dead or was cancelled
    Retry(RunId),
}

/// What to run.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The extension
    extension: String,
    /// The job
    job: String,
    /// The input: JSON, @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-", default_value = "{}")]
    input: String,
    /// Not before so many milliseconds from now
    #[arg(long, value_name = "MS")]
    delay_ms: Option<u64>,
    /// Start nothing while a run of the job with this key is not over
    #[arg(long, value_name = "KEY")]
    deduplication_key: Option<String>,
    /// How often it is tried
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    attempts: Option<u32>,
    /// Wait until it is over, at most so many seconds
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "3600")]
    wait: Option<u64>,
}

/// Which runs to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The extension
    extension: String,
    /// Of this job
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// In this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// It waits
    Queued,
    /// A worker is at it
    Running,
    /// It answered
    Succeeded,
    /// It ended with an error
    Failed,
    /// Its attempts are used up
    Dead,
    /// It was taken back
    Cancelled,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Which run.
#[derive(Debug, Args)]
pub(crate) struct RunId {
    /// The extension
    extension: String,
    /// The run's id, jrun_…
    run: String,
}

pub(crate) async fn run(context: &Context, command: &JobCommand) -> Result<()> {
    match command {
        JobCommand::Run(args) => start(context, args).await,
        JobCommand::List(args) => list(context, args).await,
        JobCommand::Show(args) => {
            let run: Value = context
                .client()?
                .get(&["extensions", &args.extension, "job-runs", &args.run])
                .send()
                .await?;
            show(&context.ui, &run)
        }
        JobCommand::Cancel(args) => act(context, args, "cancel", "is cancelled").await,
        JobCommand::Retry(args) => act(context, args, "retry", "begins anew").await,
    }
}

async fn start(context: &Context, args: &RunArgs) -> Result<()> {
    let mut body = json!({ "input": input::json(&args.input).await? });
    for (name, value) in [
        ("delayMs", args.delay_ms.map(Value::from)),
        ("key", args.deduplication_key.clone().map(Value::from)),
        ("attempts", args.attempts.map(Value::from)),
    ] {
        if let Some(value) = value {
            body[name] = value;
        }
    }
    let client = context.client()?;
    let started: Value = client
        .post(&["extensions", &args.extension, "jobs", &args.job, "run"])
        .json(&body)
        .send()
        .await?;
    let Some(patience) = args.wait else {
        let id = text(&started, "id");
        let said = format!("{id} is {} (`oriel job show {} {id}`)", text(&started, "state"), args.extension);
        return changed(&context.ui, &started, &said);
    };
    let ended = over(&client, &args.extension, started, patience).await?;
    show(&context.ui, &ended)?;
    match text(&ended, "state").as_str() {
        "succeeded" => Ok(()),
        "queued" | "running" => Err(Failure::new(
            ErrorCode::ClientIncomplete,
            format!("the run is not over after {patience} s"),
        )),
        state => {
            let error = ended.get("error").unwrap_or(&Value::Null);
            let message = format!("the run is {state}: {}: {}", text(error, "code"), text(error, "message"));
            Err(Failure::new(ErrorCode::ClientItemsFailed, message))
        }
    }
}

/// Waits until the run is over or the patience is.
async fn over(client: &Client, extension: &str, mut run: Value, patience: u64) -> Result<Value> {
    let until = std::time::Instant::now() + Duration::from_secs(patience);
    loop {
        if matches!(text(&run, "state").as_str(), "succeeded" | "failed" | "dead" | "cancelled") {
            return Ok(run);
        }
        let left = until.saturating_duration_since(std::time::Instant::now()).as_secs();
        if left == 0 {
            return Ok(run);
        }
        let leg = left.min(LEG);
        let id = text(&run, "id");
        run = client
            .get(&["extensions", extension, "job-runs", &id])
            .query("wait", format!("{leg}s"))
            .timeout(Duration::from_secs(leg + 30))
            .send()
            .await?;
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let query: Vec<(&str, String)> = [
        ("job", args.job.clone()),
        ("state", args.state.map(|state| state.as_str().to_owned())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let items = context
        .client()?
        .list(&["extensions", &args.extension, "job-runs"], &query, args.limit)
        .await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let state = text(item, "state");
            let error = item.get("error").map(|error| text(error, "code")).unwrap_or_default();
            let attempts = item.get("attempts").and_then(Value::as_array).map_or(0, Vec::len);
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Strong, text(item, "job")),
                (paint(&state), state),
                (Paint::Plain, attempts.to_string()),
                (Paint::Faint, short_moment(&text(item, "createdAt"))),
                (Paint::Plain, error),
            ]
        })
        .collect();
    let header = ["ID", "JOB", "STATE", "ATTEMPTS", "ACCEPTED", "ERROR"];
    context.ui.table(&header, rows, "there are no such runs")
}

async fn act(context: &Context, args: &RunId, verb: &str, said: &str) -> Result<()> {
    let client = context.client()?;
    let run: Value = client
        .post(&["extensions", &args.extension, "job-runs", &args.run, verb])
        .send()
        .await?;
    changed(&context.ui, &run, &format!("{} {said}", args.run))
}

fn paint(state: &str) -> Paint {
    match state {
        "succeeded" => Paint::Good,
        "failed" | "dead" => Paint::Bad,
        _ => Paint::Plain,
    }
}

fn show(ui: &Ui, run: &Value) -> Result<()> {
    if ui.json() {
        return ui.document(run);
    }
    let state = text(run, "state");
    let trigger = run.get("trigger").map(|trigger| text(trigger, "kind")).unwrap_or_default();
    let error = run.get("error").unwrap_or(&Value::Null);
    let mut facts = vec![
        vec![(Paint::Faint, "job".to_owned()), (Paint::Strong, text(run, "job"))],
        vec![(Paint::Faint, "state".to_owned()), (paint(&state), state.clone())],
        vec![(Paint::Faint, "started by".to_owned()), (Paint::Plain, trigger)],
    ];
    for (label, shown) in [
        ("key", text(run, "key")),
        ("input", cut(&text(run, "input"), 200)),
        ("output", cut(&text(run, "output"), 200)),
        ("accepted", short_moment(&text(run, "createdAt"))),
        ("due", short_moment(&text(run, "dueAt"))),
        ("over", short_moment(&text(run, "endedAt"))),
    ] {
        if !shown.is_empty() {
            facts.push(vec![(Paint::Faint, label.to_owned()), (Paint::Plain, shown)]);
        }
    }
    if !error.is_null() {
        let said = format!("{}: {}", text(error, "code"), text(error, "message"));
        facts.push(vec![(Paint::Faint, "error".to_owned()), (Paint::Bad, said)]);
    }
    ui.table(&[&text(run, "id"), ""], facts, "")?;
    let attempts = run.get("attempts").and_then(Value::as_array).cloned().unwrap_or_default();
    let rows = attempts
        .iter()
        .map(|attempt| {
            let error = attempt.get("error").unwrap_or(&Value::Null);
            let said = if error.is_null() {
                String::new()
            } else {
                format!("{}: {}", text(error, "code"), text(error, "message"))
            };
            vec![
                (Paint::Plain, text(attempt, "number")),
                (Paint::Plain, text(attempt, "version")),
                (Paint::Faint, short_moment(&text(attempt, "startedAt"))),
                (Paint::Faint, short_moment(&text(attempt, "endedAt"))),
                (Paint::Bad, cut(&said, 80)),
            ]
        })
        .collect();
    let header = ["ATTEMPT", "VERSION", "BEGAN", "ENDED", "ERROR"];
    ui.table(&header, rows, "it was not tried yet")
}
