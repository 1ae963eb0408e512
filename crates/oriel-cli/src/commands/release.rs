//! `oriel release NAME`.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::view::changed;

/// What to let out.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The extension
    name: String,
}

pub(crate) async fn run(context: &Context, args: &ReleaseArgs) -> Result<()> {
    let value: Value = context.client()?.post(&["extensions", &args.name, "release"]).send().await?;
    changed(&context.ui, &value, &format!("{} is not in quarantine", args.name))
}
