//! `oriel uninstall NAME`.

use clap::Args;
use oriel_model::ErrorCode;
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::view::changed;

/// What to remove.
#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// The extension
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, args: &UninstallArgs) -> Result<()> {
    let question = format!("Remove {} with its configuration and everything that it stored?", args.name);
    if !context.ui.sure(args.yes, &question).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("{} stays installed", args.name)));
    }
    context.client()?.delete(&["extensions", &args.name]).done().await?;
    changed(
        &context.ui,
        &json!({ "name": args.name, "uninstalled": true }),
        &format!("{} is uninstalled", args.name),
    )
}
