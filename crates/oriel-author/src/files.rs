//! Reading and writing files of a project.

use std::fs;
use std::path::Path;

use crate::embedded::Files;
use crate::error::{AuthorError, Result};

/// Creates a directory and those above it.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(AuthorError::file("create", path))
}

/// Writes `content` unless the file holds it already, so that build tools that watch times see no change.
pub(crate) fn write_changed(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    fs::write(path, content).map_err(AuthorError::file("write", path))
}

/// Replaces `path` as a whole: a reader sees the old content or the new, never a part.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let temporary = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&temporary, content).map_err(AuthorError::file("write", &temporary))?;
    fs::rename(&temporary, path).map_err(AuthorError::file("write", path))
}

/// Lays embedded files out below `root`.
pub(crate) fn lay_out(root: &Path, files: Files) -> Result<()> {
    for (path, content) in files {
        write_changed(&root.join(path), content)?;
    }
    Ok(())
}
