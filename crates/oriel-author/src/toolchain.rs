//! Pinned compilers, fetched on first use into a cache of the user by the ordinary package managers.

mod node;
mod python;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{AuthorError, Result};
use crate::files::{make_dir, replace};
pub(crate) use node::{Node, text};
pub(crate) use python::Python;

/// Where pinned compilers live.
///
/// Each toolchain has a directory named after its exact content, so that versions lie side by side, a file lock
/// that keeps two installs apart, and a mark that is written last: a directory without it is an interrupted install
/// and is made anew.
#[derive(Debug, Clone)]
pub struct Toolchains {
    root: PathBuf,
}

impl Toolchains {
    /// Toolchains below `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The user's: `ORIEL_TOOLCHAINS`, or `oriel/toolchains` in the user's cache directory.
    ///
    /// # Errors
    /// [`AuthorError::Project`] when the user has no cache directory.
    pub fn of_user() -> Result<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("ORIEL_TOOLCHAINS")
            .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("oriel/toolchains")))
            .or_else(|| set("LOCALAPPDATA").map(|cache| cache.join("oriel/toolchains")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/oriel/toolchains")));
        root.map(Self::at).ok_or_else(|| AuthorError::Project {
            message: "there is no place for compilers: set ORIEL_TOOLCHAINS to a directory".to_owned(),
        })
    }

    /// The directory of toolchain `name`, after `install` has filled it if need be.
    pub(crate) fn ready(&self, name: &str, install: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let dir = self.root.join(name);
        let mark = dir.join(".complete");
        if mark.is_file() {
            return Ok(dir);
        }
        let _lock = lock(&self.root.join(format!("{name}.lock")))?;
        if mark.is_file() {
            return Ok(dir);
        }
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(AuthorError::file("remove", &dir))?;
        }
        make_dir(&dir)?;
        install(&dir)?;
        replace(&mark, b"")?;
        Ok(dir)
    }
}

/// Takes the lock file at `path`, waiting for whoever has it. The lock ends with the value.
pub(crate) fn lock(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(AuthorError::file("create", path))?;
    file.lock().map_err(AuthorError::file("lock", path))?;
    Ok(file)
}
