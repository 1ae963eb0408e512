//! New projects.

use std::fs;
use std::path::{Path, PathBuf};

use oriel_model::manifest::Language;
use oriel_model::name::{ExtensionName, PublisherName};

use crate::embedded::{Files, TEMPLATE_JAVASCRIPT, TEMPLATE_PYTHON, TEMPLATE_RUST};
use crate::error::{AuthorError, Result};
use crate::files::write_changed;
use crate::kit;

/// What to make.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// The extension's name; also the directory's when `dir` is absent.
    pub name: String,
    /// What it is to be written in.
    pub language: Language,
    /// Where it is made, which must not exist yet (an empty directory will do); `./NAME` when absent.
    pub dir: Option<PathBuf>,
    /// Who publishes it; `example` when absent.
    pub publisher: Option<String>,
}

/// What was made.
#[derive(Debug, Clone)]
pub struct NewReport {
    /// Where.
    pub dir: PathBuf,
    /// The files, relative to it, sorted.
    pub files: Vec<PathBuf>,
}

/// Makes a project that builds, tests and installs at once.
///
/// # Errors
/// A bad name, a directory that is there already, or a file that cannot be written. Nothing is left behind then.
pub fn new_project(new: &NewProject) -> Result<NewReport> {
    let name: ExtensionName = new.name.parse()?;
    let publisher: PublisherName = new.publisher.as_deref().unwrap_or("example").parse()?;
    let dir = new.dir.clone().unwrap_or_else(|| PathBuf::from(name.as_str()));
    let files: Files = match new.language {
        Language::Rust => TEMPLATE_RUST,
        Language::Python => TEMPLATE_PYTHON,
        Language::Javascript => TEMPLATE_JAVASCRIPT,
        Language::Component => {
            return Err(AuthorError::Project {
                message: "there are templates for rust, python and javascript".to_owned(),
            });
        }
    };
    let there = fs::symlink_metadata(&dir).is_ok();
    let empty = there && fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_none());
    if there && !empty {
        return Err(AuthorError::ProjectExists { path: dir });
    }
    let laid_out = lay_out(&dir, files, &name, &publisher).and_then(|files| {
        kit::materialise(&dir, new.language)?;
        Ok(files)
    });
    match laid_out {
        Ok(files) => Ok(NewReport { dir, files }),
        Err(error) => {
            // Only what this call made: the directory was absent or empty before.
            let _ = fs::remove_dir_all(&dir);
            Err(error)
        }
    }
}

fn lay_out(dir: &Path, files: Files, name: &ExtensionName, publisher: &PublisherName) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    for (path, content) in files {
        // Cargo and git would act upon files of these names inside this repository's own templates.
        let path = path
            .replace("Cargo.toml.template", "Cargo.toml")
            .replace("gitignore.template", ".gitignore");
        let text = std::str::from_utf8(content).map_err(|_| AuthorError::Project {
            message: format!("the template file {path} is not text"),
        })?;
        let text = text.replace("{{name}}", name.as_str()).replace("{{publisher}}", publisher.as_str());
        write_changed(&dir.join(&path), text.as_bytes())?;
        made.push(PathBuf::from(path));
    }
    made.sort();
    Ok(made)
}
