//! `oriel task list`.

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::{Task, cut, moment, parts};

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

pub(crate) async fn run(context: &Context, args: &ListArgs) -> Result<()> {
    let items = context.client()?.list(&["tasks"], &[], args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let task: Task = parts(item);
            vec![
                (Paint::Strong, task.name),
                (Paint::Plain, format!("{}/{}", task.program.extension, task.program.name)),
                (Paint::Plain, cut(&task.description, 60)),
                (Paint::Plain, task.id),
                (Paint::Faint, moment(task.updated_at)),
            ]
        })
        .collect();
    let empty = "there are no tasks; `oriel task create NAME --program EXTENSION/PROGRAM` makes one";
    context.ui.table(&["NAME", "PROGRAM", "DESCRIPTION", "ID", "CHANGED"], rows, empty)
}
