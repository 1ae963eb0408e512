//! What is wrong with a project, as far as it can be told without running it.

use std::path::Path;

use oriel_model::contribution::ContributionKind;
use oriel_sandbox::{Sandbox, Shape};

use crate::build::shape;
use crate::error::{AuthorError, Result};
use crate::project::Project;

/// What [`check`] found.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// The project, as read.
    pub project: Project,
    /// What the component imports, sorted; empty when it is not built.
    pub imports: Vec<String>,
    /// What the component exports, sorted.
    pub exports: Vec<String>,
    /// What to look at.
    pub findings: Vec<Finding>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It will not install.
    Error,
    /// It will install, and somebody will mind.
    Warning,
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub message: String,
    /// How to mend it.
    pub help: String,
}

/// Checks the project in `dir`: its manifest, the shape of its component against it, and what a package would lack.
///
/// # Errors
/// What keeps it from looking: no project, problems of the manifest (each with its place), an unreadable file.
pub fn check(dir: &Path) -> Result<CheckReport> {
    let project = Project::open(dir)?;
    let mut findings = Vec::new();
    let mut find = |severity, message: String, help: &str| {
        findings.push(Finding {
            severity,
            message,
            help: help.to_owned(),
        });
    };
    let path = project.component_path();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    if path.is_file() {
        let bytes = std::fs::read(&path).map_err(AuthorError::file("read", &path))?;
        (imports, exports) = shape(&bytes)?;
        // The host's own judgement at install, so that both always agree.
        let shape = Shape {
            imports: imports.clone(),
            exports: exports.clone(),
        };
        if let Err(error) = Sandbox::check(&shape, &project.manifest) {
            find(
                Severity::Error,
                error.to_string(),
                "make source and extension.toml agree, and build again",
            );
        }
    } else if project.manifest.remote.is_none() {
        find(Severity::Error, "the component is not built".to_owned(), "run `oriel build`");
    }
    if !project.dir.join("README.md").is_file() {
        find(
            Severity::Warning,
            "there is no README.md".to_owned(),
            "write one: it is shown to whoever installs the extension",
        );
    }
    for contribution in project.manifest.contributions() {
        let kind = contribution.kind.as_str().replace('-', " ");
        let name = &contribution.name;
        if contribution.description.is_empty() {
            find(
                Severity::Warning,
                format!("{kind} `{name}` has no description"),
                "add `description` to it in extension.toml",
            );
        }
        let taken = match contribution.kind {
            ContributionKind::Program => Some("bad input is then refused before the program runs"),
            ContributionKind::Hook => Some("whoever binds the handler then sees which payloads it takes"),
            _ => None,
        };
        if let (Some(why), None) = (taken, &contribution.input_schema) {
            find(
                Severity::Warning,
                format!("{kind} `{name}` has no input schema"),
                &format!("add `input_schema`: {why}"),
            );
        }
    }
    Ok(CheckReport {
        project,
        imports,
        exports,
        findings,
    })
}
