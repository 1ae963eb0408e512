//! Projects in temporary directories.

use std::path::PathBuf;

use oriel_author::{BuildOptions, BuildReport, NewProject, build, new_project};
use oriel_model::manifest::Language;
use tempfile::TempDir;

/// A new project in its own directory.
pub(super) fn project(language: Language) -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("a temporary directory");
    let dir = temp.path().join("field-counter");
    new_project(&NewProject {
        name: "field-counter".to_owned(),
        language,
        dir: Some(dir.clone()),
        publisher: None,
    })
    .expect("a project");
    (temp, dir)
}

pub(super) fn built(dir: &std::path::Path) -> BuildReport {
    build(dir, &BuildOptions::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Replaces `from`, which must be there, by `to` in a file of the project.
pub(super) fn edit(file: &std::path::Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(file).expect("the file");
    assert!(text.contains(from), "{} lacks `{from}`", file.display());
    std::fs::write(file, text.replace(from, to)).expect("written");
}
