//! `oriel hook …`.

use clap::{Args, Subcommand, ValueEnum};
use oriel_model::ErrorCode;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::Paint;
use crate::view::{changed, cut, short_moment, text};

/// What to do with hooks.
#[derive(Debug, Subcommand)]
pub(crate) enum HookCommand {
    /// Declare a hook, or declare it anew
    Put(PutArgs),
    /// List hooks, the platform's own among them
    List(ListArgs),
    /// Show a hook and what is bound to it
    Show(NameArgs),
    /// Take a hook back; bindings to it stay
    Delete(DeleteArgs),
    /// Fire a hook at everything that is bound to it
    Fire(FireArgs),
    /// List observers that were told as often as they may be, in vain
    Undelivered(UndeliveredArgs),
    /// Tell such observers again
    Redeliver(RedeliverArgs),
}

/// Which hook.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// The hook's name
    hook: String,
}

/// What the hook shall be. What is left out takes its default, also when the hook exists.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// Its name, such as order.pre-create
    hook: String,
    /// What its handlers do
    #[arg(long, value_enum)]
    kind: Kind,
    /// For people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// JSON Schema of the payload: JSON, @FILE, or -
    #[arg(long, value_name = "JSON|@FILE|-")]
    input_schema: Option<String>,
    /// JSON Schema of what a handler answers: JSON, @FILE, or -
    #[arg(long, value_name = "JSON|@FILE|-")]
    output_schema: Option<String>,
    /// In which order handlers take part
    #[arg(long, value_parser = ["priority", "name"])]
    order: Option<String>,
    /// How long one fire may take in all, in milliseconds
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// What a handler's failure means where its binding does not say
    #[arg(long, value_parser = ["open", "closed", "retry"])]
    on_error: Option<String>,
    /// How many handlers run at a time
    #[arg(long, value_name = "N")]
    concurrency: Option<u64>,
    /// How answers are combined
    #[arg(long, value_parser = ["all", "any", "first", "vote"])]
    combine: Option<String>,
    /// Only if the hook still has this revision
    #[arg(long, value_name = "REVISION")]
    if_match: Option<u64>,
}

/// Kinds of hook.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Each handler may pass on another payload
    Filter,
    /// Handlers give verdicts
    Validate,
    /// Handlers decide a question
    Decide,
    /// Handlers' answers are collected
    Collect,
    /// Handlers are told afterwards
    Observe,
}

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only hooks of this kind
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// Only the tenant's own hooks
    #[arg(long, conflicts_with = "platform")]
    own: bool,
    /// Only the platform's hooks
    #[arg(long)]
    platform: bool,
}

/// Which hook to take back.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The hook's name
    hook: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// What to fire, with what.
#[derive(Debug, Args)]
pub(crate) struct FireArgs {
    /// The hook's name
    hook: String,
    /// Only rehearse: nothing that handlers change or send counts
    #[arg(long)]
    dry_run: bool,
    /// The payload: JSON, @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-", default_value = "{}")]
    payload: String,
    /// Give up after so many milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: Option<u64>,
}

/// How many to list.
#[derive(Debug, Args)]
pub(crate) struct UndeliveredArgs {
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: usize,
}

/// Which to tell again.
#[derive(Debug, Args)]
pub(crate) struct RedeliverArgs {
    /// Their ids, work_…
    #[arg(required = true)]
    ids: Vec<String>,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Validate => "validate",
            Self::Decide => "decide",
            Self::Collect => "collect",
            Self::Observe => "observe",
        }
    }
}

pub(crate) async fn run(context: &Context, command: &HookCommand) -> Result<()> {
    match command {
        HookCommand::Put(args) => put(context, args).await,
        HookCommand::List(args) => list(context, args).await,
        HookCommand::Show(args) => show(context, args).await,
        HookCommand::Delete(args) => delete(context, args).await,
        HookCommand::Fire(args) => fire(context, args).await,
        HookCommand::Undelivered(args) => undelivered(context, args).await,
        HookCommand::Redeliver(args) => redeliver(context, args).await,
    }
}

async fn put(context: &Context, args: &PutArgs) -> Result<()> {
    if args.input_schema.as_deref() == Some("-") && args.output_schema.as_deref() == Some("-") {
        return Err(Failure::usage("only one schema can come from standard input"));
    }
    let mut body = Map::new();
    body.insert("kind".into(), json!(args.kind.as_str()));
    for (key, given) in [
        ("description", args.description.as_ref()),
        ("order", args.order.as_ref()),
        ("onError", args.on_error.as_ref()),
        ("combine", args.combine.as_ref()),
    ] {
        if let Some(given) = given {
            body.insert(key.into(), json!(given));
        }
    }
    for (key, given) in [("timeoutMs", args.timeout_ms), ("concurrency", args.concurrency)] {
        if let Some(given) = given {
            body.insert(key.into(), json!(given));
        }
    }
    for (key, argument) in [("inputSchema", &args.input_schema), ("outputSchema", &args.output_schema)] {
        if let Some(argument) = argument {
            body.insert(key.into(), input::json(argument).await?);
        }
    }
    let client = context.client()?;
    let mut call = client
        .request(reqwest::Method::PUT, &["hooks", &args.hook])
        .json(&Value::Object(body));
    if let Some(revision) = args.if_match {
        call = call.if_match(revision);
    }
    let hook: Value = call.send().await?;
    let said = format!("hook {} is declared (revision {})", args.hook, text(&hook, "revision"));
    changed(&context.ui, &hook, &said)
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let mut query = Vec::new();
    if let Some(kind) = args.kind {
        query.push(("kind", kind.as_str().to_owned()));
    }
    if args.own || args.platform {
        query.push(("origin", if args.own { "api" } else { "platform" }.to_owned()));
    }
    let items = context.client()?.list(&["hooks"], &query, 2_000).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            vec![
                (Paint::Strong, text(item, "name")),
                (Paint::Plain, text(item, "kind")),
                (Paint::Faint, text(item, "origin")),
                (Paint::Plain, cut(&text(item, "description"), 70)),
            ]
        })
        .collect();
    let empty = "there are no such hooks; `oriel hook put NAME --kind filter` declares one";
    context.ui.table(&["NAME", "KIND", "BY", "DESCRIPTION"], rows, empty)
}

async fn show(context: &Context, args: &NameArgs) -> Result<()> {
    let client = context.client()?;
    let hook: Value = client.get(&["hooks", &args.hook]).send().await?;
    let query = [("kind", "hook".to_owned()), ("point", args.hook.clone())];
    let bindings = client.list(&["bindings"], &query, 1_000).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "hook": hook, "bindings": bindings }));
    }
    let mut facts = Vec::new();
    for (label, key) in [
        ("kind", "kind"),
        ("description", "description"),
        ("payload", "inputSchema"),
        ("answer", "outputSchema"),
        ("order", "order"),
        ("time", "timeoutMs"),
        ("on error", "onError"),
        ("at a time", "concurrency"),
        ("combined by", "combine"),
        ("revision", "revision"),
    ] {
        let shown = text(&hook, key);
        if !shown.is_empty() {
            facts.push(vec![(Paint::Faint, label.to_owned()), (Paint::Plain, shown)]);
        }
    }
    context.ui.table(&[&args.hook, ""], facts, "")?;
    let rows = bindings
        .iter()
        .map(|binding| {
            let contribution = binding.get("contribution").unwrap_or(&Value::Null);
            vec![
                (Paint::Plain, text(binding, "priority")),
                (
                    Paint::Strong,
                    format!("{}/{}", text(contribution, "extension"), text(contribution, "name")),
                ),
                (Paint::Plain, text(binding, "enabled")),
                (Paint::Plain, text(binding, "id")),
            ]
        })
        .collect();
    context
        .ui
        .table(&["PRIORITY", "HANDLER", "ENABLED", "BINDING"], rows, "nothing is bound to it")
}

async fn delete(context: &Context, args: &DeleteArgs) -> Result<()> {
    if !context.ui.sure(args.yes, &format!("Take hook {} back?", args.hook)).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("hook {} stays", args.hook)));
    }
    context.client()?.delete(&["hooks", &args.hook]).done().await?;
    let said = format!("hook {} is gone", args.hook);
    changed(&context.ui, &json!({ "hook": args.hook, "deleted": true }), &said)
}

async fn fire(context: &Context, args: &FireArgs) -> Result<()> {
    let mut body = json!({ "payload": input::json(&args.payload).await?, "dryRun": args.dry_run });
    if let Some(timeout) = args.timeout_ms {
        body["timeoutMs"] = json!(timeout);
    }
    let fired: Value = context.client()?.post(&["hooks", &args.hook, "fire"]).json(&body).send().await?;
    if context.ui.json() {
        return context.ui.document(&fired);
    }
    let handlers = fired
        .get("handlers")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let rows = handlers
        .iter()
        .map(|handler| {
            let contribution = handler.get("contribution").unwrap_or(&Value::Null);
            let error = handler.get("error").unwrap_or(&Value::Null);
            let outcome = text(handler, "outcome");
            let paint = if outcome == "failed" { Paint::Bad } else { Paint::Plain };
            let said = match (handler.get("answer"), handler.get("verdict")) {
                (Some(answer), _) => answer.to_string(),
                (None, Some(verdict)) => verdict.to_string(),
                (None, None) if error.is_null() => String::new(),
                (None, None) => format!("{}: {}", text(error, "code"), text(error, "message")),
            };
            vec![
                (
                    Paint::Strong,
                    format!("{}/{}", text(contribution, "extension"), text(contribution, "name")),
                ),
                (paint, outcome),
                (Paint::Plain, text(handler, "attempts")),
                (Paint::Plain, text(handler, "durationMs")),
                (Paint::Plain, cut(&said, 80)),
            ]
        })
        .collect();
    context
        .ui
        .table(&["HANDLER", "OUTCOME", "ASKED", "MS", "ANSWER"], rows, "nothing is bound to it")?;
    let result = ["payload", "valid", "decision", "items", "queued"]
        .into_iter()
        .find_map(|key| fired.get(key))
        .unwrap_or(&Value::Null);
    context.ui.json_line(result)
}

async fn undelivered(context: &Context, args: &UndeliveredArgs) -> Result<()> {
    let items = context.client()?.list(&["undelivered"], &[], args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Strong, text(item, "hook")),
                (Paint::Plain, text(item, "bindingId")),
                (Paint::Plain, text(item, "attempts")),
                (Paint::Bad, cut(&text(item, "error"), 60)),
                (Paint::Faint, short_moment(&text(item, "givenUpAt"))),
            ]
        })
        .collect();
    let header = ["ID", "HOOK", "BINDING", "TOLD", "ERROR", "GIVEN UP"];
    context.ui.table(&header, rows, "every observer was told")
}

async fn redeliver(context: &Context, args: &RedeliverArgs) -> Result<()> {
    let client = context.client()?;
    let call = client.post(&["undelivered", "redeliver"]).json(&json!({ "ids": args.ids }));
    let reply: Value = call.send().await?;
    let said = format!("{} will be told again", text(&reply, "queued"));
    changed(&context.ui, &reply, &said)
}
