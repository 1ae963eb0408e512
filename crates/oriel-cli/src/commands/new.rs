//! `oriel new NAME`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use oriel_author::NewProject;
use oriel_model::contribution::ContributionKind;
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
    /// What it is to contribute; several with commas
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', default_value = "program")]
    kind: Vec<Kind>,
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

/// Kinds of contribution with a template.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A named function from JSON to JSON
    Program,
    /// Judges an execution
    Validator,
    /// Picks the executions that are judged
    Sampler,
    /// Takes events
    EventHandler,
    /// Answers a hook
    Hook,
    /// Work that somebody or something starts
    Job,
}

impl From<Kind> for ContributionKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Program => Self::Program,
            Kind::Validator => Self::Validator,
            Kind::Sampler => Self::Sampler,
            Kind::EventHandler => Self::EventHandler,
            Kind::Hook => Self::Hook,
            Kind::Job => Self::Job,
        }
    }
}

pub(crate) fn run(context: &Context, args: &NewArgs) -> Result<()> {
    let new = NewProject {
        name: args.name.clone(),
        language: match args.lang {
            Language::Rust => manifest::Language::Rust,
            Language::Python => manifest::Language::Python,
            Language::Javascript => manifest::Language::Javascript,
        },
        kinds: args.kind.iter().copied().map(ContributionKind::from).collect(),
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
