//! `oriel new NAME`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use oriel_author::NewProject;
use oriel_model::manifest;
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, Result};

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The extension's name: lower-case words joined by `-`
    name: String,
    /// What it is to be written in
    #[arg(long, short, value_enum)]
    lang: Language,
    /// Where to make it; it must be empty or not exist yet [default: ./NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Who publishes it
    #[arg(long, value_name = "NAME")]
    publisher: Option<String>,
}

/// Languages with a kit.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Language {
    /// Rust
    Rust,
    /// Python
    Python,
    /// JavaScript, with types
    #[value(aliases = ["js", "typescript", "ts"])]
    Javascript,
}

pub(crate) fn run(context: &Context, args: &NewArgs) -> Result<()> {
    let new = NewProject {
        name: args.name.clone(),
        language: match args.lang {
            Language::Rust => manifest::Language::Rust,
            Language::Python => manifest::Language::Python,
            Language::Javascript => manifest::Language::Javascript,
        },
        dir: args.dir.clone(),
        publisher: args.publisher.clone(),
    };
    let report = oriel_author::new_project(&new).map_err(|error| Failure::of(&error))?;
    if context.ui.json() {
        return context
            .ui
            .document(&json!({ "name": args.name, "dir": report.dir, "files": report.files }));
    }
    let dir = report.dir.display();
    for file in &report.files {
        context.ui.line(&format!("  {dir}/{}", file.display()))?;
    }
    context.ui.note(&format!("next: cd {dir} && oriel build && oriel test"));
    Ok(())
}
