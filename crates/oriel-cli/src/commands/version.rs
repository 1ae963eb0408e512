//! `oriel version`.

use clap::Args;
use oriel_model::manifest::HOST_API;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::text;

/// What to print.
#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Ask the server for its version too
    #[arg(long)]
    remote: bool,
}

pub(crate) async fn run(context: &Context, args: &VersionArgs) -> Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    let server = if args.remote {
        let health: Value = context.client()?.get(&["health"]).send().await?;
        Some(text(&health, "version"))
    } else {
        None
    };
    if context.ui.json() {
        return context
            .ui
            .document(&json!({ "oriel": own, "guestApi": HOST_API.to_string(), "server": server }));
    }
    let mut rows = vec![
        ("oriel", Paint::Plain, own.to_owned()),
        ("guest API", Paint::Plain, HOST_API.to_string()),
    ];
    rows.extend(server.map(|version| ("server", Paint::Plain, version)));
    context.ui.pairs(rows)
}
