//! `oriel validate …`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::{Paint, Ui};
use crate::view::{cut, text};

/// Judge outputs against what was expected of them.
#[derive(Debug, Subcommand)]
pub(crate) enum ValidateCommand {
    /// Judge one recorded execution
    Execution(ExecutionArgs),
    /// Judge outputs from a file of lines {id, input?, output, expectedOutput?}
    Batch(BatchArgs),
}

/// How outputs are compared.
#[derive(Debug, Args)]
struct Rules {
    /// Numbers may differ by this much
    #[arg(long, value_name = "NUMBER")]
    absolute: Option<f64>,
    /// Numbers may differ by this part of the expected one
    #[arg(long, value_name = "PART")]
    relative: Option<f64>,
    /// JSON pointer to what does not count, with * for any member or element; can be repeated
    #[arg(long, value_name = "POINTER")]
    ignore: Vec<String>,
    /// JSON pointer to an array whose order does not count; can be repeated
    #[arg(long, value_name = "POINTER")]
    unordered: Vec<String>,
    /// Leave it to the task's validators whether the meaning is the same
    #[arg(long)]
    semantic: bool,
}

/// Which execution, and what it should have answered.
#[derive(Debug, Args)]
pub(crate) struct ExecutionArgs {
    /// The task, by name or id
    task: String,
    /// The execution's id
    execution: String,
    /// What it should have answered: JSON, @FILE, or -
    #[arg(long, value_name = "JSON|@FILE|-")]
    expected: Option<String>,
    /// How both are compared.
    #[command(flatten)]
    rules: Rules,
}

/// Which outputs.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    /// The task, by name or id
    task: String,
    /// Lines of JSON: a file, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: String,
    /// How both are compared.
    #[command(flatten)]
    rules: Rules,
}

impl Rules {
    fn body(&self) -> Value {
        let mut body = Map::new();
        for (key, value) in [("absoluteTolerance", self.absolute), ("relativeTolerance", self.relative)] {
            if let Some(value) = value {
                body.insert(key.into(), json!(value));
            }
        }
        for (key, paths) in [("ignore", &self.ignore), ("unordered", &self.unordered)] {
            if !paths.is_empty() {
                body.insert(key.into(), json!(paths));
            }
        }
        if self.semantic {
            body.insert("semantic".into(), json!(true));
        }
        Value::Object(body)
    }
}

pub(crate) async fn run(context: &Context, command: &ValidateCommand) -> Result<()> {
    match command {
        ValidateCommand::Execution(args) => execution(context, args).await,
        ValidateCommand::Batch(args) => batch(context, args).await,
    }
}

async fn execution(context: &Context, args: &ExecutionArgs) -> Result<()> {
    let mut body = json!({ "taskId": args.task, "executionId": args.execution, "comparison": args.rules.body() });
    if let Some(expected) = &args.expected {
        body["expectedOutput"] = input::json(expected).await?;
    }
    let value: Value = context
        .client()?
        .post(&["validation", "validate"])
        .json(&body)
        .once()
        .send()
        .await?;
    if context.ui.json() {
        return context.ui.document(&value);
    }
    let (paint, verdict) = verdict(&value);
    context.ui.pairs(vec![
        ("execution", Paint::Strong, args.execution.clone()),
        ("version", Paint::Plain, text(&value, "version")),
        ("valid", paint, verdict.to_owned()),
        ("why", Paint::Plain, why(&value)),
    ])
}

async fn batch(context: &Context, args: &BatchArgs) -> Result<()> {
    let name = if args.file == "-" {
        "-".to_owned()
    } else {
        format!("@{}", args.file)
    };
    let (lines, name) = input::text(&name).await?;
    let items = lines.lines().filter(|line| !line.trim().is_empty());
    let items: Vec<Value> = items.map(|line| input::parse_json(line, &name)).collect::<Result<_>>()?;
    if items.is_empty() {
        return Err(Failure::usage(format!("there is no line in {name}")));
    }
    let body = json!({ "taskId": args.task, "items": items, "comparison": args.rules.body() });
    let value: Value = context.client()?.post(&["validation", "batch"]).json(&body).once().send().await?;
    if context.ui.json() {
        return context.ui.document(&value);
    }
    show(&context.ui, &value)
}

fn show(ui: &Ui, value: &Value) -> Result<()> {
    let results = value.get("results").and_then(Value::as_array);
    let wrong = results
        .into_iter()
        .flatten()
        .filter(|result| result.get("valid") != Some(&Value::Bool(true)));
    let rows = wrong.map(|result| vec![(Paint::Strong, text(result, "id")), (Paint::Plain, cut(&why(result), 100))]);
    ui.table(&["NOT VALID", "WHY"], rows.collect(), "nothing is wrong with any of them")?;
    let rate = value.get("accuracyRate").and_then(Value::as_f64).unwrap_or_default();
    ui.note(&format!(
        "{} of {} are valid ({:.1} %)",
        text(value, "validCount"),
        text(value, "totalItems"),
        rate * 100.0
    ));
    Ok(())
}

fn verdict(value: &Value) -> (Paint, &'static str) {
    if value.get("valid") == Some(&Value::Bool(true)) {
        (Paint::Good, "yes")
    } else {
        (Paint::Bad, "no")
    }
}

/// The first thing that is wrong, in a line.
fn why(value: &Value) -> String {
    let place = |one: &Value| {
        let path = text(one, "path");
        format!("{}: {}", if path.is_empty() { "the whole" } else { &path }, text(one, "message"))
    };
    for list in ["schemaProblems", "differences"] {
        if let Some(first) = value.get(list).and_then(Value::as_array).and_then(|list| list.first()) {
            return place(first);
        }
    }
    if let Some(error) = value.get("error") {
        return text(error, "message");
    }
    let judgements = value.get("judgements").and_then(Value::as_array);
    let against = judgements
        .into_iter()
        .flatten()
        .find(|one| one.pointer("/verdict/valid") == Some(&Value::Bool(false)));
    against.map_or_else(String::new, |one| {
        let message = one.pointer("/verdict/message").and_then(Value::as_str).unwrap_or("not valid");
        let validator = one.get("validator").unwrap_or(&Value::Null);
        format!("{}/{}: {message}", text(validator, "extension"), text(validator, "name"))
    })
}
