//! `oriel task show TASK`.

use serde_json::Value;

use super::NameArgs;
use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::{Task, moment, parts};

pub(crate) async fn run(context: &Context, args: &NameArgs) -> Result<()> {
    let value: Value = context.client()?.get(&["tasks", &args.task]).send().await?;
    let ui = &context.ui;
    if ui.json() {
        return ui.document(&value);
    }
    let task: Task = parts(&value);
    let schema = |schema: &Value| match schema {
        Value::Bool(true) | Value::Null => "anything".to_owned(),
        schema => serde_json::to_string_pretty(schema).unwrap_or_default(),
    };
    ui.pairs(vec![
        ("name", Paint::Strong, task.name.clone()),
        ("id", Paint::Plain, task.id.clone()),
        ("description", Paint::Plain, task.description.clone()),
        ("program", Paint::Plain, format!("{}/{}", task.program.extension, task.program.name)),
        ("revision", Paint::Plain, task.revision.to_string()),
        ("changed", Paint::Faint, moment(task.updated_at)),
        ("input", Paint::Plain, schema(&task.input_schema)),
        ("output", Paint::Plain, schema(&task.output_schema)),
    ])
}
