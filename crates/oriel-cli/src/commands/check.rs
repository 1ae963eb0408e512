//! `oriel check [DIR|PACKAGE]`.

use std::path::{Path, PathBuf};

use clap::Args;
use oriel_author::Severity;
use oriel_model::ErrorCode;
use oriel_model::contribution::Contribution;
use oriel_model::manifest::Manifest;
use oriel_package::ReadLimits;
use oriel_sandbox::Sandbox;
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::project;
use crate::ui::{Paint, Ui, clean};

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A project's directory or a package's file [default: the working directory]
    #[arg(value_name = "DIR|PACKAGE")]
    target: Option<PathBuf>,
    /// Let warnings fail the check, too
    #[arg(long)]
    strict: bool,
}

/// One thing to look at.
struct Found {
    error: bool,
    message: String,
    help: String,
}

/// What was looked at.
struct Checked {
    manifest: Manifest,
    imports: Vec<String>,
    exports: Vec<String>,
    found: Vec<Found>,
}

impl Checked {
    /// A remote extension: there is no component to look into.
    const fn remote(manifest: Manifest) -> Self {
        Self {
            manifest,
            imports: Vec::new(),
            exports: Vec::new(),
            found: Vec::new(),
        }
    }
}

pub(crate) fn run(context: &Context, args: &CheckArgs) -> Result<()> {
    let target = project::directory(args.target.as_ref());
    let checked = if target.is_dir() {
        check_project(&target)?
    } else {
        check_package(&target)?
    };
    show(&context.ui, &checked)?;
    let errors = checked.found.iter().filter(|found| found.error || args.strict).count();
    if errors == 0 {
        return Ok(());
    }
    let noun = if errors == 1 { "problem" } else { "problems" };
    Err(Failure::new(
        ErrorCode::ClientCheckFailed,
        format!("{errors} {noun} in {}", target.display()),
    ))
}

fn check_project(dir: &Path) -> Result<Checked> {
    let report = oriel_author::check(dir).map_err(|error| Failure::of(&error))?;
    let mut found: Vec<Found> = report
        .findings
        .iter()
        .map(|finding| Found {
            error: finding.severity == Severity::Error,
            message: finding.message.clone(),
            help: finding.help.clone(),
        })
        .collect();
    // The sandbox has the last word on the component.
    if found.iter().all(|found| !found.error)
        && let Ok(bytes) = std::fs::read(report.project.component_path())
    {
        found.extend(check_component(&bytes, &report.project.manifest));
    }
    Ok(Checked {
        manifest: report.project.manifest,
        imports: report.imports,
        exports: report.exports,
        found,
    })
}

fn check_package(path: &Path) -> Result<Checked> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
    let unpacked = oriel_package::read(&bytes, &ReadLimits::default()).map_err(|error| Failure::of(&error))?;
    let package = unpacked.package;
    let Some(component) = package.component else {
        return Ok(Checked::remote(package.manifest));
    };
    let shape = oriel_package::inspect(&component).map_err(|error| Failure::of(&error))?;
    let found = check_component(&component, &package.manifest);
    Ok(Checked {
        manifest: package.manifest,
        imports: shape.imports,
        exports: shape.exports,
        found: found.into_iter().collect(),
    })
}

/// What the sandbox says of the component, against its manifest.
fn check_component(bytes: &[u8], manifest: &Manifest) -> Option<Found> {
    let error = Sandbox::inspect(bytes).and_then(|shape| Sandbox::check(&shape, manifest)).err()?;
    let code = oriel_model::Coded::code(&error);
    Some(Found {
        error: true,
        message: error.to_string(),
        help: code.cure().to_owned(),
    })
}

/// One contribution in a line: `hook add-tax (order.pre-create)`.
fn about(contribution: &Contribution) -> String {
    let mut points = contribution.types.clone();
    points.extend(contribution.hook.as_ref().map(ToString::to_string));
    points.extend(contribution.path.clone());
    let points = if points.is_empty() {
        String::new()
    } else {
        format!(" ({})", points.join(", "))
    };
    format!("{} {}{points}", contribution.kind, contribution.name)
}

fn show(ui: &Ui, checked: &Checked) -> Result<()> {
    let manifest = &checked.manifest;
    if ui.json() {
        let severity = |found: &Found| if found.error { "error" } else { "warning" };
        let found: Vec<_> = checked
            .found
            .iter()
            .map(|found| json!({ "severity": severity(found), "message": found.message, "help": found.help }))
            .collect();
        return ui.document(&json!({
            "name": manifest.name,
            "version": manifest.version,
            "contributions": manifest.contributions(),
            "permissions": manifest.permissions,
            "imports": checked.imports,
            "exports": checked.exports,
            "findings": found,
        }));
    }
    let list = |items: &[String]| if items.is_empty() { "none".to_owned() } else { items.join("\n") };
    let contributions: Vec<String> = manifest.contributions().iter().map(about).collect();
    ui.pairs(vec![
        ("extension", Paint::Strong, format!("{} {}", manifest.name, manifest.version)),
        ("contributes", Paint::Plain, list(&contributions)),
        ("permissions", Paint::Plain, list(&manifest.permissions.describe())),
        ("exports", Paint::Plain, list(&checked.exports)),
        ("imports", Paint::Plain, list(&checked.imports)),
    ])?;
    for found in &checked.found {
        let (paint, word) = if found.error {
            (Paint::Bad, "error")
        } else {
            (Paint::Warn, "warning")
        };
        ui.line(&format!(
            "{}: {} (help: {})",
            ui.paint(paint, word),
            clean(&found.message),
            clean(&found.help)
        ))?;
    }
    if checked.found.is_empty() {
        ui.line(&ui.paint(Paint::Good, "nothing to mend"))?;
    }
    Ok(())
}
