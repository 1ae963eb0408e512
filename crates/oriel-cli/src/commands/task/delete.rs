//! `oriel task delete TASK`.

use clap::Args;
use oriel_model::ErrorCode;
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::view::changed;

/// Which task to delete.
#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The task, by name or id
    task: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, args: &DeleteArgs) -> Result<()> {
    if !context.ui.sure(args.yes, &format!("Delete task {}?", args.task)).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("task {} stays", args.task)));
    }
    context.client()?.delete(&["tasks", &args.task]).done().await?;
    changed(
        &context.ui,
        &json!({ "task": args.task, "deleted": true }),
        &format!("task {} is deleted", args.task),
    )
}
