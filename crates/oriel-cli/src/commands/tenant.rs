//! `oriel tenant create|list`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::{short_moment, text};

/// What to do with tenants.
#[derive(Debug, Subcommand)]
pub(crate) enum TenantCommand {
    /// Create a tenant and print its owner key, this once
    Create(CreateArgs),
    /// List tenants
    List,
}

/// The new tenant.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its short name, unique on the server
    name: String,
    /// Its name for people
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &TenantCommand) -> Result<()> {
    match command {
        TenantCommand::Create(args) => create(context, args).await,
        TenantCommand::List => list(context).await,
    }
}

async fn create(context: &Context, args: &CreateArgs) -> Result<()> {
    let mut body = json!({ "name": args.name });
    if let Some(name) = &args.display_name {
        body["displayName"] = json!(name);
    }
    let reply: Value = context.client()?.post(&["tenants"]).json(&body).send().await?;
    if context.ui.json() {
        return context.ui.document(&reply);
    }
    let secret = reply.get("ownerKey").map(|key| text(key, "secret")).unwrap_or_default();
    context
        .ui
        .note(&format!("Tenant {} is created. Its owner key is shown this once:", args.name));
    context.ui.line(&secret)
}

async fn list(context: &Context) -> Result<()> {
    let items = context.client()?.list(&["tenants"], &[], 10_000).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Strong, text(item, "name")),
                (Paint::Plain, text(item, "displayName")),
                (Paint::Faint, short_moment(&text(item, "createdAt"))),
            ]
        })
        .collect();
    context
        .ui
        .table(&["ID", "NAME", "DISPLAY NAME", "CREATED"], rows, "there are no tenants")
}
