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
    /// Show a tenant's quotas and what it uses, or set them
    Quotas(QuotasArgs),
}

/// A tenant's quotas. Those that are given are changed, the others stay.
#[derive(Debug, Args)]
pub(crate) struct QuotasArgs {
    /// The tenant's name
    name: String,
    /// Requests in a second, in the long run, on each node; 0 for the server's default
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Requests at once after a rest
    #[arg(long, value_name = "N")]
    burst: Option<u32>,
    /// Requests that are worked on at once, on each node; 0 for the server's default
    #[arg(long, value_name = "N")]
    concurrent: Option<u32>,
    /// Extensions that are installed
    #[arg(long, value_name = "N")]
    extensions: Option<u32>,
    /// Tasks
    #[arg(long, value_name = "N")]
    tasks: Option<u32>,
    /// Keys that are neither revoked nor expired; 0 for the server's default
    #[arg(long, value_name = "N")]
    keys: Option<u32>,
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
        TenantCommand::Quotas(args) => quotas(context, args).await,
    }
}

async fn quotas(context: &Context, args: &QuotasArgs) -> Result<()> {
    let client = context.client()?;
    let path = ["tenants", args.name.as_str(), "quotas"];
    let mut report: Value = client.get(&path).send().await?;
    let given = [
        ("concurrentRequests", args.concurrent),
        ("extensions", args.extensions),
        ("tasks", args.tasks),
        ("keys", args.keys),
    ];
    if args.rate.is_some() || args.burst.is_some() || given.iter().any(|(_, value)| value.is_some()) {
        let mut own = report["own"].clone();
        if let Some(rate) = args.rate {
            own["rateLimit"] = if rate == 0 {
                Value::Null
            } else {
                json!({ "requestsPerSecond": rate })
            };
        }
        if let (Some(burst), true) = (args.burst, own["rateLimit"].is_object()) {
            own["rateLimit"]["burst"] = json!(burst);
        }
        for (name, value) in given {
            // No tenant has a use for none of these two, so 0 means the default.
            let none = value == Some(0) && matches!(name, "concurrentRequests" | "keys");
            if let Some(value) = value {
                own[name] = if none { Value::Null } else { json!(value) };
            }
        }
        let revision = report["revision"].as_u64().unwrap_or(0);
        let call = client.request(reqwest::Method::PUT, &path).json(&own).if_match(revision);
        report = call.send().await?;
    }
    if context.ui.json() {
        return context.ui.document(&report);
    }
    let shown = |name: &str| {
        let value = &report["effective"][name];
        let limit = match value.get("requestsPerSecond") {
            Some(rate) => format!("{rate}/s"),
            None if value.is_null() => "no limit".to_owned(),
            None => value.to_string(),
        };
        vec![
            (Paint::Strong, name.to_owned()),
            (Paint::Plain, limit),
            (Paint::Plain, text(&report["used"], name)),
        ]
    };
    let names = ["rateLimit", "concurrentRequests", "extensions", "tasks", "keys", "storedBytes"];
    let rows = names.map(shown).into();
    context.ui.table(&["QUOTA", "LIMIT", "USED"], rows, "")
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
