//! `oriel task update TASK`.

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::Fields;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::view::{changed, text};

/// What to change; everything else stays.
#[derive(Debug, Args)]
pub(crate) struct UpdateArgs {
    /// The task, by name or id
    task: String,
    /// Its new name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The rest.
    #[command(flatten)]
    fields: Fields,
    /// Change it only if it still has this revision
    #[arg(long, value_name = "N")]
    revision: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: &UpdateArgs) -> Result<()> {
    let mut body = args.fields.body().await?;
    if let Some(name) = &args.name {
        body.insert("name".into(), json!(name));
    }
    if body.is_empty() {
        return Err(Failure::usage("there is nothing to change: pass at least one field"));
    }
    let client = context.client()?;
    let mut call = client.request(Method::PATCH, &["tasks", &args.task]).json(&Value::Object(body));
    call = match args.revision {
        // With a revision a repetition cannot undo somebody else's change.
        Some(revision) => call.if_match(revision),
        None => call.once(),
    };
    let task: Value = call.send().await?;
    changed(
        &context.ui,
        &task,
        &format!("task {} is at revision {}", text(&task, "name"), text(&task, "revision")),
    )
}
