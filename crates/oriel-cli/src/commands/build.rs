//! `oriel build [DIR]`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::error::Result;
use crate::project;

/// What to build.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The project [default: the working directory]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Build even when nothing changed
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(context: &Context, args: &BuildArgs) -> Result<()> {
    let report = project::build(&context.ui, &project::directory(args.dir.as_ref()), args.force).await?;
    if context.ui.json() {
        return context.ui.document(&json!({
            "component": report.component,
            "digest": report.digest,
            "bytes": report.bytes,
            "imports": report.imports,
            "exports": report.exports,
            "unchanged": report.unchanged,
            "tookMs": report.took.as_millis() as u64,
        }));
    }
    let how = if report.unchanged {
        "up to date".to_owned()
    } else {
        format!("built in {:.1} s", report.took.as_secs_f64())
    };
    context
        .ui
        .line(&format!("{} ({}, {how})", report.component.display(), project::size(report.bytes)))
}
