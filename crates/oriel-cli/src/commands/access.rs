//! `oriel access check`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::{Paint, clean};
use crate::view::text;

/// What to ask about access.
#[derive(Debug, Subcommand)]
pub(crate) enum AccessCommand {
    /// Ask what the answer to a request would be, and why. Ends with status 4 when it is no
    Check(CheckArgs),
}

/// The request.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The operation's id, such as executeTask; `oriel policy schema` lists them
    action: String,
    /// What it would be done to, as TYPE:NAME, such as Task:echo; without it, the tenant itself
    #[arg(value_name = "TYPE:NAME")]
    resource: Option<String>,
    /// Who would ask: a key's or member's id, or a role; without it, you
    #[arg(long = "as", value_name = "ID|ROLE")]
    who: Option<String>,
    /// From which address
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// When, as 2026-11-21T08:30:00Z; without it, now
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// With a second factor
    #[arg(long)]
    mfa: bool,
    /// With which method, of callRoute
    #[arg(long, value_name = "METHOD", requires = "path")]
    method: Option<String>,
    /// At which path below the extension's address, of callRoute
    #[arg(long, value_name = "PATH", requires = "method")]
    path: Option<String>,
}

pub(crate) async fn run(context: &Context, command: &AccessCommand) -> Result<()> {
    let AccessCommand::Check(args) = command;
    let mut body = json!({ "action": args.action, "context": { "mfa": args.mfa } });
    if let Some(who) = &args.who {
        let role = matches!(who.as_str(), "viewer" | "developer" | "admin" | "owner");
        body["principal"] = if role { json!({ "role": who }) } else { json!(who) };
    }
    if let Some(resource) = &args.resource {
        let (kind, id) = resource
            .split_once(':')
            .ok_or_else(|| Failure::usage(format!("`{resource}` is not of the form TYPE:NAME")).help("write it as `Task:echo`"))?;
        body["resource"] = json!({ "type": kind, "id": id });
    }
    for (name, value) in [
        ("ip", &args.ip),
        ("time", &args.time),
        ("method", &args.method),
        ("path", &args.path),
    ] {
        if let Some(value) = value {
            body["context"][name] = json!(value);
        }
    }
    let answer: Value = context.client()?.post(&["access", "check"]).json(&body).once().send().await?;
    let allowed = text(&answer, "decision") == "allow";
    if context.ui.json() {
        context.ui.document(&answer)?;
    }
    let why = clean(&text(&answer, "explanation")).into_owned();
    if !allowed {
        return Err(Failure::new(ErrorCode::Forbidden, format!("deny: {why}")));
    }
    if context.ui.json() {
        return Ok(());
    }
    context.ui.line(&format!("{}: {why}", context.ui.paint(Paint::Good, "allow")))
}
