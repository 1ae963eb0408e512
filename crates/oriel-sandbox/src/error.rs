//! What can go wrong, with the stable code of each.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::{Coded, Digest, ErrorCode};

use crate::gate::Refused;
use crate::ports::RemoteError;

/// Why a component cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The bytes are not a component that this sandbox can run.
    #[error("not a usable WebAssembly component: {reason}")]
    Invalid {
        /// What is wrong with them.
        reason: String,
    },
    /// Exports and manifest disagree.
    #[error("{reason}")]
    Export {
        /// The interface in question.
        interface: String,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// It imports what it may not.
    #[error("{reason}")]
    Import {
        /// The interface in question.
        interface: String,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// The source answered other bytes than the digest promises.
    #[error("the component should have digest {expected} but has {actual}")]
    Digest {
        /// What was promised.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// The component's bytes could not be had.
    #[error("the component's bytes could not be loaded: {source}")]
    Source {
        /// Why not.
        source: Arc<SourceError>,
    },
    /// The code cache cannot be read or written.
    #[error("the code cache at {} failed: {source}", path.display())]
    Cache {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<std::io::Error>,
    },
    /// The engine cannot be set up on this machine, or failed where it must not.
    #[error("the WebAssembly engine failed: {reason}")]
    Engine {
        /// What it said.
        reason: String,
    },
}

impl SandboxError {
    pub(crate) fn cache(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Cache {
            path: path.into(),
            source: Arc::new(source),
        }
    }
}

impl Coded for SandboxError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } => ErrorCode::ComponentInvalid,
            Self::Export { .. } => ErrorCode::ComponentExport,
            Self::Import { .. } => ErrorCode::ComponentImport,
            Self::Digest { .. } => ErrorCode::PackageDigest,
            Self::Source { source } => source.code,
            Self::Cache { source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorCode::StoreFull,
                std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => ErrorCode::StoreReadOnly,
                _ => ErrorCode::Internal,
            },
            Self::Engine { .. } => ErrorCode::Internal,
        }
    }
}

/// Why a [`ComponentSource`](crate::ComponentSource) has no bytes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// The code of the failure behind it, such as `store.unavailable`.
    pub code: ErrorCode,
    /// What happened.
    pub message: String,
}

impl SourceError {
    /// The failure `error`, with its code.
    #[must_use]
    pub fn new(error: &dyn Coded) -> Self {
        Self {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

/// Why a call has no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The input is over the `input` limit.
    #[error("the input has {length} bytes, the limit is {limit}")]
    InputTooLarge {
        /// Bytes given.
        length: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The output is over the `output` limit.
    #[error("the output has {length} bytes, the limit is {limit}")]
    OutputTooLarge {
        /// Bytes answered.
        length: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The deadline passed.
    #[error("the call did not end within {} ms", limit.as_millis())]
    Timeout {
        /// Time that the call had.
        limit: Duration,
    },
    /// Guest code ran longer than the `cpu` limit.
    #[error("guest code ran longer than {} ms", limit.as_millis())]
    Cpu {
        /// Time that guest code had.
        limit: Duration,
    },
    /// The guest wanted more memory or table space than it may have, and crashed over it.
    #[error("the program wanted more {what} than its limit of {limit} and could not go on")]
    Memory {
        /// `memory` or `table elements`.
        what: &'static str,
        /// The limit, in bytes or elements.
        limit: u64,
    },
    /// Guest code trapped.
    #[error("the program crashed: {detail}")]
    Trapped {
        /// The trap.
        detail: String,
    },
    /// The guest made more host calls, or moved more bytes through them, than it may.
    #[error("the program went over its limit of {limit} {what}")]
    HostCalls {
        /// `host calls` or `host call bytes`.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The guest answered `invalid-input`.
    #[error("{message}")]
    Rejected {
        /// The guest's words.
        message: String,
    },
    /// The guest answered `unavailable`.
    #[error("{message}")]
    Unavailable {
        /// The guest's words.
        message: String,
    },
    /// The guest answered `denied`.
    #[error("{message}")]
    Denied {
        /// The guest's words.
        message: String,
    },
    /// The guest answered `limit-exceeded`.
    #[error("{message}")]
    LimitExceeded {
        /// The guest's words.
        message: String,
    },
    /// The guest answered `internal`.
    #[error("{message}")]
    Failed {
        /// The guest's words.
        message: String,
    },
    /// The guest answered what its interface allows and the question does not.
    #[error("{reason}")]
    Answer {
        /// What is wrong with the answer.
        reason: String,
    },
    /// No instance could be started.
    #[error("the extension did not start: {reason}")]
    StartFailed {
        /// Why not.
        reason: String,
    },
    /// Whoever asked went away before the answer was complete.
    #[error("the caller went away")]
    CallerGone,
    /// The time was up while the guest waited for its caller to send, or to take, what belongs to the call.
    #[error("the caller took longer than {} ms", limit.as_millis())]
    CallerSlow {
        /// Time that the call had.
        limit: Duration,
    },
    /// The component does not export what was called.
    #[error("the component does not export {interface}")]
    NotExported {
        /// The interface.
        interface: &'static str,
    },
    /// The queue is full, or no instance became free in time.
    #[error("no instance became free: {waiting} calls wait")]
    Overloaded {
        /// Calls in the queue.
        waiting: u32,
    },
    /// The pool takes no more calls: its release was replaced, disabled or uninstalled. Whoever has a newer
    /// pool should call that one.
    #[error("this release takes no more calls")]
    Draining,
    /// The service of a remote extension has not answered as it should.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The pool's gate is closed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The component could not be loaded.
    #[error(transparent)]
    Load(#[from] SandboxError),
}

impl CallError {
    /// Whether guest code crashed or was stopped at a limit, whatever it had in mind; of a service, whether it failed as a service.
    #[must_use]
    pub const fn is_excess(&self) -> bool {
        matches!(
            self,
            Self::OutputTooLarge { .. }
                | Self::Timeout { .. }
                | Self::Cpu { .. }
                | Self::Memory { .. }
                | Self::Trapped { .. }
                | Self::HostCalls { .. }
                | Self::StartFailed { .. }
                | Self::Remote(
                    RemoteError::Address { .. }
                        | RemoteError::Unreachable { .. }
                        | RemoteError::Refused { .. }
                        | RemoteError::Answer { .. }
                )
        )
    }
}

impl Coded for CallError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InputTooLarge { .. } => ErrorCode::InputTooLarge,
            Self::OutputTooLarge { .. } => ErrorCode::OutputTooLarge,
            Self::Timeout { .. } => ErrorCode::ExecutionTimeout,
            Self::Cpu { .. } => ErrorCode::ExecutionCpu,
            Self::Memory { .. } => ErrorCode::ExecutionMemory,
            Self::Trapped { .. } => ErrorCode::ExecutionTrap,
            Self::HostCalls { .. } => ErrorCode::ExecutionHostCalls,
            Self::Rejected { .. } => ErrorCode::ProgramInvalidInput,
            Self::Unavailable { .. } => ErrorCode::ProgramUnavailable,
            Self::Denied { .. } => ErrorCode::ProgramDenied,
            Self::LimitExceeded { .. } => ErrorCode::ProgramLimit,
            Self::Failed { .. } => ErrorCode::ProgramInternal,
            Self::Answer { .. } => ErrorCode::OutputInvalid,
            Self::StartFailed { .. } => ErrorCode::ExtensionStartFailed,
            Self::CallerGone => ErrorCode::ExecutionCancelled,
            Self::CallerSlow { .. } => ErrorCode::RequestTimeout,
            Self::NotExported { .. } => ErrorCode::ComponentExport,
            Self::Overloaded { .. } => ErrorCode::ExtensionOverloaded,
            Self::Draining => ErrorCode::ExtensionDisabled,
            Self::Remote(error) => error.code(),
            Self::Refused(refused) => refused.code,
            Self::Load(error) => error.code(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refused) => refused.retry_after,
            _ => None,
        }
    }
}

/// Why the host stopped a guest; travels through the engine as the error of the trap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the deadline passed")]
    Timeout,
    #[error("the cpu limit was reached")]
    Cpu,
    #[error("too many host calls")]
    HostCalls,
    #[error("too many host call bytes")]
    HostBytes,
    #[error("nobody waits for the answer")]
    Early,
}

/// Guests' words are shown to people and kept in records: at most this many bytes of them.
pub(crate) const MAX_GUEST_MESSAGE: usize = 4 << 10;

/// `text`, cut at a character boundary when it is longer than [`MAX_GUEST_MESSAGE`].
pub(crate) fn shortened(mut text: String) -> String {
    if text.len() > MAX_GUEST_MESSAGE {
        let end = text.floor_char_boundary(MAX_GUEST_MESSAGE);
        text.truncate(end);
        text.push('…');
    }
    text
}
