//! `oriel member list|add|role|remove|export|erase`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

use super::key::Role;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::Paint;
use crate::view::{changed, short_moment, text};

/// What to do with members.
#[derive(Debug, Subcommand)]
pub(crate) enum MemberCommand {
    /// List users and service accounts
    List,
    /// Add a user by e-mail address, or a service account by name
    Add(AddArgs),
    /// Change what a member may do
    Role(RoleArgs),
    /// Remove a member: sessions end, keys are revoked
    Remove(RemoveArgs),
    /// Print everything that is kept of a member
    Export(NamedArgs),
    /// Remove a member with a receipt of what is gone
    Erase(RemoveArgs),
}

/// The new member.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// A user's e-mail address, or a service account's name
    name: String,
    /// What it may do at most
    #[arg(long, value_enum, default_value = "developer")]
    role: Role,
    /// Its name for people
    #[arg(long, value_name = "TEXT", default_value = "")]
    display_name: String,
}

/// The member's new role.
#[derive(Debug, Args)]
pub(crate) struct RoleArgs {
    /// The member's id, e-mail address or name
    member: String,
    /// What it may do at most
    #[arg(value_enum)]
    role: Role,
}

/// Which member.
#[derive(Debug, Args)]
pub(crate) struct NamedArgs {
    /// The member's id, e-mail address or name
    member: String,
}

/// The member that goes.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The member's id, e-mail address or name
    member: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, command: &MemberCommand) -> Result<()> {
    let ui = &context.ui;
    match command {
        MemberCommand::List => list(context).await,
        MemberCommand::Add(args) => {
            let kind = if args.name.contains('@') { "user" } else { "service-account" };
            let body = json!({ "kind": kind, "name": args.name, "displayName": args.display_name, "role": args.role.as_str() });
            let member: Value = context.client()?.post(&["members"]).json(&body).send().await?;
            let sentence = format!("{} is a member, {}", text(&member, "name"), text(&member, "id"));
            changed(ui, &member, &sentence)
        }
        MemberCommand::Role(args) => {
            let body = json!({ "role": args.role.as_str() });
            let client = context.client()?;
            let call = client.request(Method::PATCH, &["members", &args.member]).json(&body);
            let member: Value = call.send().await?;
            changed(
                ui,
                &member,
                &format!("{} is {} from now on", text(&member, "name"), text(&member, "role")),
            )
        }
        MemberCommand::Remove(args) => {
            sure(context, args, "Remove").await?;
            context.client()?.delete(&["members", &args.member]).done().await?;
            let gone = json!({ "member": args.member, "removed": true });
            changed(ui, &gone, &format!("{} is no member any more", args.member))
        }
        MemberCommand::Export(args) => {
            let data: Value = context.client()?.get(&["members", &args.member, "data"]).send().await?;
            ui.document(&data)
        }
        MemberCommand::Erase(args) => {
            sure(context, args, "Erase").await?;
            let receipt: Value = context.client()?.delete(&["members", &args.member, "data"]).send().await?;
            ui.document(&receipt)
        }
    }
}

async fn sure(context: &Context, args: &RemoveArgs, verb: &str) -> Result<()> {
    if context.ui.sure(args.yes, &format!("{verb} {}?", args.member)).await? {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::ClientDeclined, format!("{} stays a member", args.member)))
}

async fn list(context: &Context) -> Result<()> {
    let items = context.client()?.list(&["members"], &[], 10_000).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Plain, text(item, "kind")),
                (Paint::Strong, text(item, "name")),
                (Paint::Plain, text(item, "role")),
                (Paint::Faint, short_moment(&text(item, "seenAt"))),
            ]
        })
        .collect();
    context.ui.table(
        &["ID", "KIND", "NAME", "ROLE", "SIGNED IN"],
        rows,
        "there are no members: keys alone",
    )
}
