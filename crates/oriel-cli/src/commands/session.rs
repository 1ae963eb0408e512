//! `oriel session list|end`.

use clap::{Args, Subcommand};
use serde_json::json;

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::{changed, cut, short_moment, text};

/// What to do with the sessions of people who signed in.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List sessions, newest first
    List,
    /// End a session
    End(EndArgs),
}

/// Which session.
#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    /// The session's id, ses_…
    id: String,
}

pub(crate) async fn run(context: &Context, command: &SessionCommand) -> Result<()> {
    match command {
        SessionCommand::List => list(context).await,
        SessionCommand::End(args) => {
            context.client()?.delete(&["sessions", &args.id]).done().await?;
            changed(
                &context.ui,
                &json!({ "id": args.id, "ended": true }),
                &format!("{} has ended", args.id),
            )
        }
    }
}

async fn list(context: &Context) -> Result<()> {
    let items = context.client()?.list(&["sessions"], &[], 10_000).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            vec![
                (Paint::Plain, text(item, "id")),
                (Paint::Strong, text(item, "user")),
                (Paint::Plain, text(item, "ip")),
                (Paint::Plain, cut(&text(item, "userAgent"), 40)),
                (Paint::Faint, short_moment(&text(item, "createdAt"))),
                (Paint::Faint, short_moment(&text(item, "expiresAt"))),
            ]
        })
        .collect();
    context
        .ui
        .table(&["ID", "USER", "FROM", "WITH", "SINCE", "UNTIL"], rows, "nobody is signed in")
}
