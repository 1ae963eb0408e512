//! What can be wrong with a package.

use std::path::PathBuf;

use oriel_model::manifest::{Diagnostics, Problem};
use oriel_model::{Coded, ErrorCode};

/// A package that cannot be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The file is not a package, or is damaged in its structure.
    #[error("the package is not valid: {reason}")]
    Invalid {
        /// What is wrong, with the entry that it is about.
        reason: String,
    },
    /// A blob's content is not what its digest says.
    #[error("the content of `{entry}` does not match its digest")]
    DigestMismatch {
        /// The entry's path in the archive.
        entry: String,
    },
    /// The package or a part of it is over a limit.
    #[error("{what} has {size} bytes; at most {limit} are accepted")]
    TooLarge {
        /// The part, such as "the component".
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// There are too many entries.
    #[error("the package has more than {limit} entries")]
    TooMany {
        /// The most that are accepted.
        limit: usize,
    },
    /// The code is not a usable component.
    #[error("the component is not valid: {reason}")]
    Component {
        /// What is wrong with it.
        reason: String,
    },
    /// The manifest inside the package is well-formed but says something that it may not.
    #[error("the manifest in the package is not valid: {}", list(problems))]
    Manifest {
        /// What is wrong; never empty.
        problems: Vec<Problem>,
    },
    /// The manifest inside the package is not a manifest at all.
    #[error("the manifest in the package is not valid: {reason}")]
    ManifestDocument {
        /// What is wrong with it.
        reason: String,
    },
    /// The author's `extension.toml` is not valid.
    #[error(transparent)]
    Source(#[from] Diagnostics),
    /// A file of the author's directory cannot be read.
    #[error("`{}` cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect();
    lines.join("; ")
}

impl PackageError {
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }
}

impl Coded for PackageError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } | Self::File { .. } => ErrorCode::PackageInvalid,
            Self::DigestMismatch { .. } => ErrorCode::PackageDigest,
            Self::TooLarge { .. } | Self::TooMany { .. } => ErrorCode::PackageTooLarge,
            Self::Component { .. } => ErrorCode::ComponentInvalid,
            Self::Manifest { problems } => {
                let host_api_alone = problems.iter().all(|problem| problem.code == ErrorCode::HostApiUnsupported);
                if host_api_alone {
                    ErrorCode::HostApiUnsupported
                } else {
                    ErrorCode::ManifestInvalid
                }
            }
            Self::ManifestDocument { .. } => ErrorCode::ManifestInvalid,
            Self::Source(diagnostics) => diagnostics.code(),
        }
    }

    fn places(&self) -> Option<serde_json::Value> {
        match self {
            Self::Source(diagnostics) => diagnostics.places(),
            Self::Manifest { problems } => Some(
                problems
                    .iter()
                    .map(|problem| serde_json::json!({ "path": problem.path, "message": problem.message }))
                    .collect(),
            ),
            _ => None,
        }
    }
}
