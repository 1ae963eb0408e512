//! A project on disk: its directory, manifest and build table.

use std::fs;
use std::path::{Component, Path, PathBuf};

use oriel_model::manifest::{self, Build, Language, Manifest};

use crate::error::{AuthorError, Result};

/// The manifest's file name.
pub const MANIFEST_FILE: &str = "extension.toml";

/// A project whose manifest was read.
#[derive(Debug, Clone)]
pub struct Project {
    /// Where it lies.
    pub dir: PathBuf,
    /// Its checked manifest, schema files read in.
    pub manifest: Manifest,
    /// Its `[build]` table.
    pub build: Build,
}

impl Project {
    /// Reads the project in `dir`.
    ///
    /// # Errors
    /// [`AuthorError::NoProject`] without an `extension.toml`, [`AuthorError::Manifest`] with every problem in it.
    pub fn open(dir: &Path) -> Result<Self> {
        // Tools run in other directories than ours.
        let dir = &std::path::absolute(dir).map_err(AuthorError::file("find", dir))?;
        let path = dir.join(MANIFEST_FILE);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(AuthorError::NoProject { path: dir.clone() });
            }
            Err(error) => return Err(AuthorError::file("read", &path)(error)),
        };
        let resolve = |relative: &str| read_inside(dir, relative);
        let (manifest, build) = manifest::parse_bytes(&bytes, &resolve)?;
        Ok(Self {
            dir: dir.to_owned(),
            manifest,
            build,
        })
    }

    /// Where the built component lies.
    #[must_use]
    pub fn component_path(&self) -> PathBuf {
        self.dir.join(self.build.component_path(&self.manifest.name))
    }

    /// What it is written in: the manifest's word, or what the directory shows.
    ///
    /// # Errors
    /// [`AuthorError::Project`] when neither tells.
    pub fn language(&self) -> Result<Language> {
        if let Some(language) = self.build.language {
            return Ok(language);
        }
        let has = |name: &str| self.dir.join(name).exists();
        if has("Cargo.toml") {
            Ok(Language::Rust)
        } else if has("package.json") {
            Ok(Language::Javascript)
        } else if has("pyproject.toml") {
            Ok(Language::Python)
        } else if self.build.component.is_some() || self.component_path().exists() {
            Ok(Language::Component)
        } else {
            Err(AuthorError::Project {
                message: "the manifest does not say what the extension is written in; add `[build]` with \
                          `language = \"rust\"`, \"python\", \"javascript\" or \"component\""
                    .to_owned(),
            })
        }
    }
}

/// The text of a file of the project. The manifest's reader refuses climbing paths; a link that leaves the project
/// is refused here.
fn read_inside(dir: &Path, relative: &str) -> std::result::Result<String, String> {
    if !Path::new(relative)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        return Err("the path must stay inside the project".to_owned());
    }
    let path = dir.join(relative);
    let real = path.canonicalize().map_err(|error| error.to_string())?;
    let root = dir.canonicalize().map_err(|error| error.to_string())?;
    if !real.starts_with(root) {
        return Err("the file lies outside the project".to_owned());
    }
    fs::read_to_string(real).map_err(|error| error.to_string())
}
