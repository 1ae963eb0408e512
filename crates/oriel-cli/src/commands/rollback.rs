//! `oriel rollback NAME`.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::view::{changed, text};

/// What to roll back.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The extension
    name: String,
}

pub(crate) async fn run(context: &Context, args: &RollbackArgs) -> Result<()> {
    let value: Value = context.client()?.post(&["extensions", &args.name, "rollback"]).send().await?;
    changed(
        &context.ui,
        &value,
        &format!("{} runs {} again", args.name, text(&value, "version")),
    )
}
