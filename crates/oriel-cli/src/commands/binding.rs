//! `oriel binding …`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use oriel_model::name::{ContributionName, ExtensionName};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::Paint;
use crate::view::{changed, cut, text};

const KINDS: [&str; 4] = ["validator", "sampler", "event-handler", "hook"];

/// What to do with bindings.
#[derive(Debug, Subcommand)]
pub(crate) enum BindingCommand {
    /// Attach a contribution to a task, a hook or events
    Create(CreateArgs),
    /// List bindings, the oldest first
    List(ListArgs),
    /// Show a binding
    Show(IdArgs),
    /// Change a binding; everything else stays
    Update(UpdateArgs),
    /// Let a binding take part
    Enable(ChangeArgs),
    /// Let a binding not take part
    Disable(ChangeArgs),
    /// Detach a contribution
    Delete(DeleteArgs),
    /// List bindings that are at odds, and the ways out
    Conflicts,
}

/// Which binding.
#[derive(Debug, Args)]
pub(crate) struct IdArgs {
    /// The binding's id, bind_…
    id: String,
}

/// On what terms.
#[derive(Debug, Args)]
struct Terms {
    /// Higher comes first
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// Its configuration, an object: JSON, @FILE, or -
    #[arg(long, value_name = "JSON|@FILE|-")]
    config: Option<String>,
    /// How long one call may take, in milliseconds
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// What its failure means
    #[arg(long, value_parser = ["open", "closed", "retry"])]
    on_error: Option<String>,
    /// How often in all it is tried, with --on-error retry
    #[arg(long, value_name = "N")]
    attempts: Option<u64>,
    /// Of a validator: judge every call before the reply
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    inline: Option<bool>,
    /// Of an inline validator: what an invalid output means for the call
    #[arg(long, value_parser = ["report", "reject"])]
    on_invalid: Option<String>,
}

/// What to attach where.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// The contribution
    #[arg(value_name = "EXTENSION/NAME", value_parser = contribution)]
    contribution: (ExtensionName, ContributionName),
    /// What it is
    #[arg(long, value_parser = KINDS)]
    kind: String,
    /// A task's name or id or `*`, a hook's name, an event type or a glob
    #[arg(long, value_name = "POINT")]
    point: String,
    /// Leave it switched off for now
    #[arg(long)]
    disabled: bool,
    /// The terms.
    #[command(flatten)]
    terms: Terms,
}

/// Which bindings to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this kind
    #[arg(long, value_parser = KINDS)]
    kind: Option<String>,
    /// To this point
    #[arg(long, value_name = "POINT")]
    point: Option<String>,
    /// Of contributions of this extension
    #[arg(long, value_name = "NAME")]
    extension: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

/// What to change.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The binding's id, bind_…
    id: String,
    /// Another point
    #[arg(long, value_name = "POINT")]
    point: Option<String>,
    /// The terms.
    #[command(flatten)]
    terms: Terms,
    /// Change it only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// Which binding to switch.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// The binding's id, bind_…
    id: String,
    /// Change it only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// Which binding to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The binding's id, bind_…
    id: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Delete it only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// Reads `EXTENSION/NAME`.
fn contribution(text: &str) -> std::result::Result<(ExtensionName, ContributionName), String> {
    let (extension, name) = text
        .split_once('/')
        .ok_or("write it as EXTENSION/NAME, such as order-checks/limit-total")?;
    Ok((
        extension.parse().map_err(|error| format!("{error}"))?,
        name.parse().map_err(|error| format!("{error}"))?,
    ))
}

impl Terms {
    /// The fields that were given, as the API has them.
    async fn body(&self) -> Result<Map<String, Value>> {
        let config = match &self.config {
            Some(argument) => Some(input::json(argument).await?),
            None => None,
        };
        let fields = [
            ("priority", self.priority.map(Value::from)),
            ("config", config),
            ("timeoutMs", self.timeout_ms.map(Value::from)),
            ("onError", self.on_error.clone().map(Value::from)),
            ("attempts", self.attempts.map(Value::from)),
            ("inline", self.inline.map(Value::from)),
            ("onInvalid", self.on_invalid.clone().map(Value::from)),
        ];
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Ok(given.collect())
    }
}

pub(crate) async fn run(context: &Context, command: &BindingCommand) -> Result<()> {
    match command {
        BindingCommand::Create(args) => create(context, args).await,
        BindingCommand::List(args) => list(context, args).await,
        BindingCommand::Show(args) => show(context, args).await,
        BindingCommand::Update(args) => {
            let mut body = args.terms.body().await?;
            if let Some(point) = &args.point {
                body.insert("point".into(), json!(point));
            }
            if body.is_empty() {
                return Err(Failure::usage("there is nothing to change: pass at least one field"));
            }
            change(context, &args.id, args.revision, body).await
        }
        BindingCommand::Enable(args) => switch(context, args, true).await,
        BindingCommand::Disable(args) => switch(context, args, false).await,
        BindingCommand::Delete(args) => delete(context, args).await,
        BindingCommand::Conflicts => conflicts(context).await,
    }
}

async fn create(context: &Context, args: &CreateArgs) -> Result<()> {
    let (extension, name) = &args.contribution;
    let mut body = args.terms.body().await?;
    body.insert("kind".into(), json!(args.kind));
    body.insert("point".into(), json!(args.point));
    body.insert("contribution".into(), json!({ "extension": extension, "name": name }));
    if args.disabled {
        body.insert("enabled".into(), json!(false));
    }
    let binding: Value = context.client()?.post(&["bindings"]).json(&Value::Object(body)).send().await?;
    let sentence = format!("{}/{} is bound to {} as {}", extension, name, args.point, text(&binding, "id"));
    changed(&context.ui, &binding, &sentence)?;
    warn(context, &binding);
    Ok(())
}

/// Says why a binding that should take part does not.
fn warn(context: &Context, binding: &Value) {
    let reason = binding.get("reason").filter(|reason| text(reason, "code") != "off");
    if let Some(reason) = reason {
        context
            .ui
            .note(&format!("it does not take part for now: {}", text(reason, "message")));
    }
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let query: Vec<(&str, String)> = [
        ("kind", args.kind.clone()),
        ("point", args.point.clone()),
        ("extension", args.extension.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect();
    let items = context.client()?.list(&["bindings"], &query, args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let (paint, status) = status(item);
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Plain, text(item, "kind")),
                (Paint::Strong, named(item)),
                (Paint::Plain, cut(&text(item, "point"), 60)),
                (Paint::Plain, text(item, "priority")),
                (paint, status),
                (Paint::Faint, text(item, "origin")),
            ]
        })
        .collect();
    let header = ["ID", "KIND", "CONTRIBUTION", "POINT", "PRIORITY", "STATUS", "ORIGIN"];
    context.ui.table(&header, rows, "nothing is bound")
}

fn named(item: &Value) -> String {
    let contribution = item.get("contribution").unwrap_or(&Value::Null);
    format!("{}/{}", text(contribution, "extension"), text(contribution, "name"))
}

fn status(item: &Value) -> (Paint, String) {
    match item.get("reason") {
        None => (Paint::Good, text(item, "status")),
        Some(reason) if text(reason, "code") == "off" => (Paint::Faint, "off".to_owned()),
        Some(reason) => (Paint::Warn, text(reason, "code")),
    }
}

async fn show(context: &Context, args: &IdArgs) -> Result<()> {
    let binding: Value = context.client()?.get(&["bindings", &args.id]).send().await?;
    if context.ui.json() {
        return context.ui.document(&binding);
    }
    let mut rows = vec![
        ("id", Paint::Plain, text(&binding, "id")),
        ("kind", Paint::Plain, text(&binding, "kind")),
        ("contribution", Paint::Strong, named(&binding)),
        ("point", Paint::Plain, text(&binding, "point")),
    ];
    let (paint, status) = status(&binding);
    rows.push(("status", paint, status));
    if let Some(reason) = binding.get("reason") {
        rows.push(("reason", Paint::Plain, text(reason, "message")));
    }
    for (name, key) in [
        ("priority", "priority"),
        ("time limit", "timeoutMs"),
        ("on error", "onError"),
        ("inline", "inline"),
        ("on invalid", "onInvalid"),
        ("origin", "origin"),
        ("revision", "revision"),
    ] {
        let value = text(&binding, key);
        if !value.is_empty() {
            rows.push((name, Paint::Plain, value));
        }
    }
    let config = binding.get("config").unwrap_or(&Value::Null);
    let config = serde_json::to_string_pretty(config).unwrap_or_default();
    rows.push(("config", Paint::Plain, cut(&config, 4_000)));
    for problem in binding.get("configProblems").and_then(Value::as_array).into_iter().flatten() {
        rows.push((
            "problem",
            Paint::Warn,
            format!("{}: {}", text(problem, "path"), text(problem, "message")),
        ));
    }
    context.ui.pairs(rows)
}

async fn switch(context: &Context, args: &ChangeArgs, enabled: bool) -> Result<()> {
    let body = Map::from_iter([("enabled".to_owned(), json!(enabled))]);
    change(context, &args.id, args.revision, body).await
}

async fn change(context: &Context, id: &str, revision: Option<u64>, body: Map<String, Value>) -> Result<()> {
    let client = context.client()?;
    let mut call = client.request(Method::PATCH, &["bindings", id]).json(&Value::Object(body));
    call = match revision {
        // With a revision a repetition cannot undo somebody else's change.
        Some(revision) => call.if_match(revision),
        None => call.once(),
    };
    let binding: Value = call.send().await?;
    let (_, status) = status(&binding);
    let sentence = format!("{} is {status} at revision {}", text(&binding, "id"), text(&binding, "revision"));
    changed(&context.ui, &binding, &sentence)?;
    warn(context, &binding);
    Ok(())
}

async fn delete(context: &Context, args: &DeleteArgs) -> Result<()> {
    if !context.ui.sure(args.yes, &format!("Delete the binding {}?", args.id)).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("{} stays", args.id)));
    }
    let client = context.client()?;
    let mut call = client.delete(&["bindings", &args.id]);
    if let Some(revision) = args.revision {
        call = call.if_match(revision);
    }
    call.done().await?;
    changed(
        &context.ui,
        &json!({ "id": args.id, "deleted": true }),
        &format!("{} is deleted", args.id),
    )
}

async fn conflicts(context: &Context) -> Result<()> {
    let reply: Value = context.client()?.get(&["conflicts"]).send().await?;
    if context.ui.json() {
        return context.ui.document(&reply);
    }
    let items = reply.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() {
        context.ui.note("no bindings are at odds");
    }
    for conflict in items {
        let mut rows = vec![("conflict", Paint::Warn, text(conflict, "message"))];
        for party in conflict.get("parties").and_then(Value::as_array).into_iter().flatten() {
            let first = if party.get("first") == Some(&Value::Bool(true)) {
                ", first"
            } else {
                ""
            };
            rows.push((
                "party",
                Paint::Plain,
                format!(
                    "{} {} (priority {}{first})",
                    text(party, "bindingId"),
                    named(party),
                    text(party, "priority")
                ),
            ));
        }
        for resolution in conflict.get("resolutions").and_then(Value::as_array).into_iter().flatten() {
            rows.push(("way out", Paint::Plain, text(resolution, "command")));
        }
        context.ui.pairs(rows)?;
    }
    Ok(())
}
