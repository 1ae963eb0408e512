//! Where calls of remote extensions go.

use bytes::Bytes;
use oriel_model::{Coded, ErrorCode};
use tokio::time::Instant;

/// The service of a remote extension.
pub trait Remote: Send + Sync {
    /// A way to it for one call at a time. Nothing is connected yet.
    fn connect(&self) -> Box<dyn RemoteConnection>;
}

/// One request to a service.
#[derive(Debug)]
pub struct RemoteRequest {
    /// Below the service's address, beginning with `/`.
    pub path: String,
    /// JSON.
    pub body: Bytes,
    /// The longest answer that is read, in bytes.
    pub limit: u64,
    /// When nobody waits for the answer any more.
    pub deadline: Instant,
}

/// A way to a service, for one request at a time.
#[async_trait::async_trait]
pub trait RemoteConnection: Send {
    /// Signs and sends the request; answers the body of the service's answer. Dropping the future ends the exchange.
    async fn ask(&mut self, request: RemoteRequest) -> Result<Bytes, RemoteError>;
}

/// Why a service has not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// It may not be called where it is.
    #[error("the service may not be called: {reason}")]
    Address {
        /// Why not.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("the service does not answer: {reason}")]
    Unreachable {
        /// What failed.
        reason: String,
    },
    /// It does not take the request for one of this server's.
    #[error("the service refused the request with the status {status}")]
    Refused {
        /// 401, 403 or 409.
        status: u16,
    },
    /// It has too much to do.
    #[error("the service is overloaded: it answered with the status {status}")]
    Busy {
        /// 429 or 503.
        status: u16,
    },
    /// It answers, but not as the protocol says.
    #[error("the service's answer breaks the protocol: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
    /// It answers more than is read.
    #[error("the service's answer is longer than {limit} bytes")]
    TooLong {
        /// What is read at most.
        limit: u64,
    },
    /// The deadline passed.
    #[error("the service did not answer in time")]
    Late,
}

impl Coded for RemoteError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Address { .. } => ErrorCode::RemoteAddress,
            Self::Unreachable { .. } => ErrorCode::RemoteUnreachable,
            Self::Refused { .. } => ErrorCode::RemoteRefused,
            Self::Busy { .. } => ErrorCode::ProgramUnavailable,
            Self::Answer { .. } => ErrorCode::RemoteAnswer,
            Self::TooLong { .. } => ErrorCode::OutputTooLarge,
            Self::Late => ErrorCode::ExecutionTimeout,
        }
    }
}
