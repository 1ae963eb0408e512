//! `oriel policy list|show|set|remove|schema`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::Paint;
use crate::view::{changed, cut, short_moment, text};

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// List what the tenant added to the rules of roles
    List,
    /// Print the text of a policy
    Show(NamedArgs),
    /// Write a policy from a file, new or in the place of the present one
    Set(SetArgs),
    /// Remove a policy
    Remove(RemoveArgs),
    /// Print what policies can speak of, as a Cedar schema
    Schema,
}

/// Which policy.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// The policy's id
    id: String,
}

/// The policy to be written.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The policy's id, chosen by you
    id: String,
    /// A file with one `permit` or `forbid` in Cedar; `-` for standard input
    file: PathBuf,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Keep it without letting it count
    #[arg(long)]
    disabled: bool,
    /// Write it only if this revision is current
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

/// The policy to be removed.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The policy's id
    id: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, command: &PolicyCommand) -> Result<()> {
    match command {
        PolicyCommand::List => list(context).await,
        PolicyCommand::Show(args) => {
            let policy: Value = context.client()?.get(&["access", "policies", &args.id]).send().await?;
            changed(&context.ui, &policy, &text(&policy, "text"))
        }
        PolicyCommand::Set(args) => set(context, args).await,
        PolicyCommand::Remove(args) => remove(context, args).await,
        PolicyCommand::Schema => {
            let schema: Value = context.client()?.get(&["access", "policy-schema"]).send().await?;
            changed(&context.ui, &schema, text(&schema, "schema").trim_end())
        }
    }
}

async fn list(context: &Context) -> Result<()> {
    let reply: Value = context.client()?.get(&["access", "policies"]).send().await?;
    if context.ui.json() {
        return context.ui.document(&reply);
    }
    let items = reply.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rows = items
        .iter()
        .map(|item| {
            let on = item.get("enabled").and_then(Value::as_bool).unwrap_or(true);
            let (paint, state) = if on { (Paint::Good, "on") } else { (Paint::Faint, "off") };
            vec![
                (Paint::Strong, text(item, "id")),
                (paint, state.to_owned()),
                (Paint::Plain, cut(&text(item, "description"), 60)),
                (Paint::Faint, text(item, "revision")),
                (Paint::Faint, short_moment(&text(item, "updatedAt"))),
            ]
        })
        .collect();
    context.ui.table(
        &["ID", "STATE", "DESCRIPTION", "REVISION", "CHANGED"],
        rows,
        "there are no policies: roles alone decide",
    )
}

async fn set(context: &Context, args: &SetArgs) -> Result<()> {
    let source = if args.file.as_os_str() == "-" {
        input::text("-").await?.0
    } else {
        input::read(&args.file)?
    };
    let body = json!({ "description": args.description, "text": source, "enabled": !args.disabled });
    let client = context.client()?;
    let mut call = client.request(Method::PUT, &["access", "policies", &args.id]).json(&body);
    if let Some(revision) = args.revision {
        call = call.if_match(revision);
    }
    let policy: Value = call.send().await?;
    let sentence = format!("{} holds from now on (revision {})", args.id, text(&policy, "revision"));
    changed(&context.ui, &policy, &sentence)
}

async fn remove(context: &Context, args: &RemoveArgs) -> Result<()> {
    if !context.ui.sure(args.yes, &format!("Remove the policy {}?", args.id)).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("{} stays", args.id)));
    }
    context.client()?.delete(&["access", "policies", &args.id]).done().await?;
    changed(
        &context.ui,
        &json!({ "id": args.id, "removed": true }),
        &format!("{} is removed", args.id),
    )
}
