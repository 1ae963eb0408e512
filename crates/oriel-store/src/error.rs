//! Why storage did not do what was asked.

use oriel_model::{Coded, ErrorCode};

/// An error of a storage adapter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Something with this unique name or id exists.
    #[error("{what} exists already")]
    Exists {
        /// What, such as "task".
        what: &'static str,
    },
    /// The revision was not the expected one, or the row is gone: another writer was faster.
    #[error("{what} was changed by somebody else")]
    Conflict {
        /// What, such as "installation".
        what: &'static str,
    },
    /// A quota of the data's owner is used up; nothing was written.
    #[error("the {what} quota is used up")]
    Quota {
        /// Which one, such as "kv_keys".
        what: &'static str,
    },
    /// The value stored there has another form than the operation needs.
    #[error("the stored value is not {expected}")]
    WrongForm {
        /// What it should be, such as "a decimal integer".
        expected: &'static str,
    },
    /// A cursor that this list did not give out.
    #[error("the cursor is not one of this list's")]
    Cursor,
    /// No space is left; nothing was written.
    #[error("no space is left on the storage device")]
    Full,
    /// The storage cannot be written.
    #[error("the storage is read-only")]
    ReadOnly,
    /// Stored data cannot be understood or does not match its checksum.
    #[error("stored data is damaged: {what}")]
    Corrupt {
        /// Which data.
        what: String,
    },
    /// The database was written by a newer release, or a migration was altered after it ran.
    #[error("the database's version is not known to this release: {what}")]
    Migration {
        /// What does not fit.
        what: String,
    },
    /// The storage does not answer or refused; a retry may help.
    #[error("the storage is unavailable")]
    Unavailable {
        /// What the driver said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Coded for StoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Cursor => ErrorCode::RequestCursor,
            Self::Full => ErrorCode::StoreFull,
            Self::ReadOnly => ErrorCode::StoreReadOnly,
            Self::Corrupt { .. } => ErrorCode::StoreCorrupt,
            Self::Migration { .. } => ErrorCode::StoreMigration,
            Self::Unavailable { .. } => ErrorCode::StoreUnavailable,
            // Services turn these into codes of their own before anybody sees them.
            Self::Exists { .. } | Self::Conflict { .. } | Self::Quota { .. } | Self::WrongForm { .. } => ErrorCode::Internal,
        }
    }
}
