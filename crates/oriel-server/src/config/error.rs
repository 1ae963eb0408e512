//! Why a configuration cannot be used.

use std::path::PathBuf;

use oriel_model::{Coded, ErrorCode};

/// An error in the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Names or values are wrong.
    #[error("{}", problems.join("\n"))]
    Invalid {
        /// One line each, with its place.
        problems: Vec<String>,
    },
}

impl Coded for ConfigError {
    fn code(&self) -> ErrorCode {
        ErrorCode::ServerConfig
    }
}
