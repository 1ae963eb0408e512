//! `oriel task create NAME`.

use clap::Args;
use serde_json::{Value, json};

use super::Fields;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::view::{changed, text};

/// The new task.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Its name, unique in the tenant
    name: String,
    /// The rest.
    #[command(flatten)]
    fields: Fields,
}

pub(crate) async fn run(context: &Context, args: &CreateArgs) -> Result<()> {
    if args.fields.program.is_none() {
        return Err(Failure::usage("a task needs a program behind it").help("pass `--program EXTENSION/PROGRAM`; `oriel list` shows them"));
    }
    let mut body = args.fields.body().await?;
    body.insert("name".into(), json!(args.name));
    // A schema that nobody gave accepts everything.
    for (key, default) in [
        ("description", json!("")),
        ("inputSchema", json!(true)),
        ("outputSchema", json!(true)),
    ] {
        body.entry(key).or_insert(default);
    }
    let task: Value = context.client()?.post(&["tasks"]).json(&Value::Object(body)).send().await?;
    changed(
        &context.ui,
        &task,
        &format!("task {} is created ({})", args.name, text(&task, "id")),
    )
}
