//! What can go wrong between an author and a component.

use std::io;
use std::path::{Path, PathBuf};

use oriel_model::manifest::Diagnostics;
use oriel_model::name::NameError;
use oriel_model::{Coded, ErrorCode};

/// A result of author tools.
pub type Result<T, E = AuthorError> = std::result::Result<T, E>;

/// Why a project could not be made, built or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorError {
    /// The directory for a new project is already there.
    #[error("{} already exists; choose another name or directory", path.display())]
    ProjectExists {
        /// The directory.
        path: PathBuf,
    },
    /// There is no project here.
    #[error("there is no extension.toml in {}; run this in a project, or make one with `oriel new NAME --lang rust`", path.display())]
    NoProject {
        /// The directory.
        path: PathBuf,
    },
    /// The name cannot be an extension's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The manifest has problems.
    #[error(transparent)]
    Manifest(#[from] Diagnostics),
    /// The project cannot be built as it is described; the text says what to change.
    #[error("{message}")]
    Project {
        /// What is wrong and how to mend it.
        message: String,
    },
    /// A program of the author's machine is missing or too old.
    #[error("{what}; {cure}")]
    ToolchainMissing {
        /// What was looked for and why.
        what: String,
        /// How to get it.
        cure: String,
    },
    /// A pinned compiler could not be fetched.
    #[error("the {toolchain} toolchain could not be installed: {detail}")]
    ToolchainInstall {
        /// Which one.
        toolchain: &'static str,
        /// What the package manager said.
        detail: String,
    },
    /// The compiler refused the source, or stopped.
    #[error("{tool} failed\n{output}")]
    Build {
        /// The tool that answered so.
        tool: String,
        /// Its own words, uncoloured.
        output: String,
    },
    /// The built file is not a component that Oriel can use.
    #[error("the build made no usable component: {detail}")]
    Component {
        /// Why not.
        detail: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// "read", "write", "create", …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl AuthorError {
    /// For `map_err` on file operations.
    pub(crate) fn file(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::File { action, path, source }
    }
}

impl Coded for AuthorError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::ProjectExists { .. } => ErrorCode::AuthorProjectExists,
            Self::NoProject { .. } | Self::Project { .. } | Self::Name(_) => ErrorCode::AuthorProjectInvalid,
            Self::Manifest(_) => ErrorCode::ManifestInvalid,
            Self::ToolchainMissing { .. } => ErrorCode::AuthorToolchainMissing,
            Self::ToolchainInstall { .. } => ErrorCode::AuthorToolchainInstall,
            Self::Build { .. } => ErrorCode::AuthorBuildFailed,
            Self::Component { .. } => ErrorCode::ComponentInvalid,
            Self::File { .. } => ErrorCode::AuthorFile,
        }
    }

    fn places(&self) -> Option<serde_json::Value> {
        match self {
            Self::Manifest(diagnostics) => serde_json::to_value(&diagnostics.items).ok(),
            _ => None,
        }
    }
}
