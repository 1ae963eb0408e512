//! `oriel list`.

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::{Extension, by_kind, moment, parts, state_paint};

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: usize,
}

pub(crate) async fn run(context: &Context, args: &ListArgs) -> Result<()> {
    let items = context.client()?.list(&["extensions"], &[], args.limit).await?;
    if context.ui.json() {
        return context.ui.document(&json!({ "items": items }));
    }
    let rows = items
        .iter()
        .map(|item| {
            let extension: Extension = parts(item);
            let contributes = by_kind(&extension.contributions);
            let state = if extension.pending.is_some() && extension.state == "enabled" {
                "enabled, upgrade pending".to_owned()
            } else {
                extension.state.clone()
            };
            vec![
                (Paint::Strong, extension.name),
                (Paint::Plain, extension.version),
                (state_paint(&state), state),
                (Paint::Plain, contributes),
                (Paint::Faint, moment(extension.updated_at)),
            ]
        })
        .collect();
    let empty = "nothing is installed; `oriel install DIR|PACKAGE` installs an extension";
    context
        .ui
        .table(&["NAME", "VERSION", "STATE", "CONTRIBUTES", "CHANGED"], rows, empty)
}
