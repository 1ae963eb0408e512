//! `oriel task call TASK`.

use clap::Args;
use serde_json::{Value, json};

use crate::commands::call::{Input, show};
use crate::context::Context;
use crate::error::Result;

/// What to call, with what.
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The task, by name or id
    task: String,
    /// Input and time.
    #[command(flatten)]
    call: Input,
}

pub(crate) async fn run(context: &Context, args: &CallArgs) -> Result<()> {
    let mut body = args.call.body().await?;
    body["taskId"] = json!(args.task);
    let reply: Value = context.client()?.post(&["tasks", "execute"]).json(&body).send().await?;
    show(&context.ui, &reply)
}
