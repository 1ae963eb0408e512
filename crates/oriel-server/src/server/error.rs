//! Why a server does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use oriel_model::{Coded, ErrorCode};

/// An error at start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Another process uses the data directory.
    #[error("another server uses {path}: stop it or choose another directory with --data-dir", path = path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The data directory cannot be used.
    #[error("cannot use {path}: {source}", path = path.display())]
    DataDir {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// A key cannot be used.
    #[error("`master_key`: {source}")]
    MasterKey {
        /// Why.
        source: oriel_access::SealError,
    },
    /// Log lines or traces cannot be set up.
    #[error("cannot set up log lines or traces: {reason}")]
    Telemetry {
        /// Why.
        reason: String,
    },
    /// The directory of extensions cannot be watched.
    #[error("cannot watch {path}: {source}", path = path.display())]
    Watch {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate authorities of `ca_certificates` cannot be trusted.
    #[error("`ca_certificates`: cannot use {path}: {reason}", path = path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A binding of the configuration file names something wrong.
    #[error("{place}: `bindings`: {reason}")]
    Bindings {
        /// Where it stands.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals {
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("cannot use the database: {0}")]
    Store(#[from] oriel_store::StoreError),
    /// The first tenant or key cannot be made.
    #[error("cannot set up access: {0}")]
    Access(#[from] oriel_access::AccessError),
    /// What a former run left cannot be taken up.
    #[error("cannot take up what the last run left: {0}")]
    Tasks(#[from] oriel_tasks::TaskError),
    /// The sandbox cannot be set up.
    #[error("cannot set up the sandbox: {0}")]
    Sandbox(#[from] oriel_sandbox::SandboxError),
}

impl Coded for ServerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Listen { .. } => ErrorCode::ServerListen,
            Self::Locked { .. }
            | Self::MasterKey { .. }
            | Self::Telemetry { .. }
            | Self::Watch { .. }
            | Self::Certificates { .. }
            | Self::Bindings { .. } => ErrorCode::ServerConfig,
            Self::DataDir { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull => ErrorCode::StoreFull,
                std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => ErrorCode::StoreReadOnly,
                _ => ErrorCode::ServerConfig,
            },
            Self::Config(error) => error.code(),
            Self::Signals { .. } => ErrorCode::Internal,
            Self::Store(error) => error.code(),
            Self::Access(error) => error.code(),
            Self::Tasks(error) => error.code(),
            Self::Sandbox(error) => error.code(),
        }
    }
}
