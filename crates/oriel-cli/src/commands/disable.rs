//! `oriel disable NAME`.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::view::changed;

/// What to switch off.
#[derive(Debug, Args)]
pub(crate) struct DisableArgs {
    /// The extension
    name: String,
}

pub(crate) async fn run(context: &Context, args: &DisableArgs) -> Result<()> {
    let value: Value = context.client()?.post(&["extensions", &args.name, "disable"]).send().await?;
    changed(&context.ui, &value, &format!("{} is switched off", args.name))
}
