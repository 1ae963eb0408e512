//! What can go wrong.

use oriel_model::{Coded, ErrorCode};
use oriel_package::PackageError;
use oriel_sandbox::{CallError, SandboxError};

/// Why an extension could not be loaded or called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The package is not valid.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The component cannot be used.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The manifest asks for more than was granted.
    #[error("the extension asks for more than is granted: {}", missing.join(", "))]
    NotGranted {
        /// What is missing, in words.
        missing: Vec<String>,
    },
    /// The configuration does not fit.
    #[error("the configuration does not fit the extension: {}", problems.join("; "))]
    Config {
        /// What is wrong, each with its place.
        problems: Vec<String>,
    },
    /// A program's schema cannot be used.
    #[error("the schema of program `{program}` cannot be used: {reason}")]
    Schema {
        /// The program.
        program: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The extension has no such program.
    #[error("the extension has no program `{program}`")]
    NoProgram {
        /// The name that was asked for.
        program: String,
    },
    /// The input does not fit the program's schema.
    #[error("the input does not fit the program's schema: {}", problems.join("; "))]
    Input {
        /// What is wrong, each with its place.
        problems: Vec<String>,
    },
    /// The output is not JSON, does not fit the program's schema or not the type that the caller wants.
    #[error("the output cannot be used: {}", problems.join("; "))]
    Output {
        /// What is wrong, each with its place.
        problems: Vec<String>,
    },
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Coded for Error {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Package(error) => error.code(),
            Self::Sandbox(error) => error.code(),
            Self::NotGranted { .. } => ErrorCode::ConsentRequired,
            Self::Config { .. } => ErrorCode::ConfigInvalid,
            Self::Schema { .. } => ErrorCode::SchemaInvalid,
            Self::NoProgram { .. } => ErrorCode::ProgramNotFound,
            Self::Input { .. } => ErrorCode::InputInvalid,
            Self::Output { .. } => ErrorCode::OutputInvalid,
            Self::Call(error) => error.code(),
        }
    }
}
