//! `oriel audit [verify]`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::{Paint, clean};
use crate::view::{cut, short_moment, text};

/// What to do with the audit log; without a command, list it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// At most so many, newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// What else to do.
#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check the chain of hashes from the first entry to the last
    Verify,
}

pub(crate) async fn run(context: &Context, args: &AuditArgs) -> Result<()> {
    match args.command {
        Some(AuditCommand::Verify) => verify(context).await,
        None => list(context, args.limit).await,
    }
}

async fn verify(context: &Context) -> Result<()> {
    let reply: Value = context.client()?.get(&["audit", "verify"]).send().await?;
    // Whatever is not clearly intact is not.
    let intact = reply.get("intact").and_then(Value::as_bool).unwrap_or(false);
    if context.ui.json() {
        context.ui.document(&reply)?;
    }
    if !intact {
        let (at, reason) = (text(&reply, "brokenAt"), text(&reply, "reason"));
        let message = format!(
            "the audit log was tampered with or is damaged, first at entry {at}: {}",
            clean(&reason)
        );
        return Err(Failure::new(ErrorCode::ClientCheckFailed, message)
            .help("Keep the data as it is, find out who could write to the database, and restore from a backup."));
    }
    if context.ui.json() {
        return Ok(());
    }
    context.ui.line(&format!("{} entries, an unbroken chain", text(&reply, "entries")))
}

async fn list(context: &Context, limit: usize) -> Result<()> {
    let items = context.client()?.list(&["audit"], &[], limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let details = item
                .get("details")
                .filter(|details| !details.is_null())
                .map(Value::to_string)
                .unwrap_or_default();
            vec![
                (Paint::Faint, text(item, "sequence")),
                (Paint::Faint, short_moment(&text(item, "at"))),
                (Paint::Plain, text(item, "actor")),
                (Paint::Strong, text(item, "action")),
                (Paint::Plain, text(item, "subject")),
                (Paint::Plain, cut(&details, 120)),
            ]
        })
        .collect();
    context.ui.table(
        &["#", "AT", "ACTOR", "ACTION", "SUBJECT", "DETAILS"],
        rows,
        "the audit log is empty",
    )
}
