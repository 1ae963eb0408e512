//! What is wrong with a project, as far as it can be told without running it.

use std::path::Path;

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
        })
    };
    let path = project.component_path();
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    if path.is_file() {
        let bytes = std::fs::read(&path).map_err(AuthorError::file("read", &path))?;
        (imports, exports) = shape(&bytes)?;
        for (declared, interface, field) in [
            (!project.manifest.programs.is_empty(), "program", "[[programs]]"),
            (project.manifest.lifecycle, "lifecycle", "lifecycle = true"),
        ] {
            let exported = exports
                .iter()
                .any(|name| name.starts_with(&format!("oriel:extension/{interface}@")));
            match (declared, exported) {
                (true, false) => find(
                    Severity::Error,
                    format!("the component does not export `{interface}`, which the manifest declares"),
                    "export it in the source, or take it out of extension.toml, and build again",
                ),
                (false, true) => find(
                    Severity::Error,
                    format!("the component exports `{interface}`, which the manifest does not declare"),
                    &format!("add `{field}` to extension.toml"),
                ),
                _ => {}
            }
        }
        let uses = |prefix: &str| imports.iter().any(|name| name.starts_with(prefix));
        if uses("oriel:extension/key-value@") && !project.manifest.permissions.key_value {
            find(
                Severity::Error,
                "the component imports `key-value`, for which the manifest asks no permission".to_owned(),
                "add `key_value = true` under [permissions]",
            );
        }
        if uses("wasi:http/outgoing-handler@") && project.manifest.permissions.network.is_empty() && !project.build.wasi {
            find(
                Severity::Error,
                "the component imports outbound HTTP, for which the manifest asks no permission".to_owned(),
                "list the hosts as `network = [\"api.example.com\"]` under [permissions]",
            );
        }
    } else {
        find(Severity::Error, "the component is not built".to_owned(), "run `oriel build`");
    }
    if !project.dir.join("README.md").is_file() {
        find(
            Severity::Warning,
            "there is no README.md".to_owned(),
            "write one: it is shown to whoever installs the extension",
        );
    }
    for program in &project.manifest.programs {
        if program.description.is_empty() {
            find(
                Severity::Warning,
                format!("program `{}` has no description", program.name),
                "add `description` to it in extension.toml",
            );
        }
        if program.input_schema.is_none() {
            find(
                Severity::Warning,
                format!("program `{}` has no input schema", program.name),
                "add `input_schema`: bad input is then refused before the program runs",
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
