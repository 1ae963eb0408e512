//! `oriel enable NAME`.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::view::changed;

/// What to switch on.
#[derive(Debug, Args)]
pub(crate) struct EnableArgs {
    /// The extension
    name: String,
}

pub(crate) async fn run(context: &Context, args: &EnableArgs) -> Result<()> {
    let value: Value = context.client()?.post(&["extensions", &args.name, "enable"]).send().await?;
    changed(&context.ui, &value, &format!("{} is switched on", args.name))
}
