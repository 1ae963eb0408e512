//! Why a call failed.

use std::fmt;

/// The error of the guest API, as generated.
#[doc(hidden)]
pub use crate::bindings::imports::oriel::extension::types::Error as Wire;

/// A result whose error is the kit's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a program or a host call failed. The host maps each case to a stable error code.
///
/// Any `std::error::Error` becomes [`Error::Internal`] with `?`. (For that reason this type itself does not
/// implement `std::error::Error`.)
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The caller's input is wrong; the same input will fail again.
    InvalidInput(String),
    /// Something that the extension depends on failed; a retry may help.
    Unavailable(String),
    /// The grant does not cover what was asked.
    Denied(String),
    /// A limit of the extension was reached; the text names it.
    LimitExceeded(String),
    /// The call's deadline passed.
    DeadlineExceeded,
    /// A fault of the program, or of the host when a host call answers it.
    Internal(String),
}

impl Error {
    /// The input is wrong, and this is what is wrong with it.
    pub fn invalid_input(message: impl fmt::Display) -> Self {
        Self::InvalidInput(message.to_string())
    }

    /// Something that the program depends on failed for now.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::Unavailable(message.to_string())
    }

    /// A fault of the program itself.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::Internal(message.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput(message) => write!(f, "invalid input: {message}"),
            Self::Unavailable(message) => write!(f, "unavailable: {message}"),
            Self::Denied(message) => write!(f, "denied: {message}"),
            Self::LimitExceeded(message) => write!(f, "limit exceeded: {message}"),
            Self::DeadlineExceeded => f.write_str("deadline exceeded"),
            Self::Internal(message) => f.write_str(message),
        }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        Self::Internal(text)
    }
}

/// From the generated error. A function, because a `From` would meet the blanket one above.
pub(crate) fn from_wire(error: Wire) -> Error {
    match error {
        Wire::InvalidInput(message) => Error::InvalidInput(message),
        Wire::Unavailable(message) => Error::Unavailable(message),
        Wire::Denied(message) => Error::Denied(message),
        Wire::LimitExceeded(message) => Error::LimitExceeded(message),
        Wire::DeadlineExceeded => Error::DeadlineExceeded,
        Wire::Internal(message) => Error::Internal(message),
    }
}

pub(crate) fn to_wire(error: Error) -> Wire {
    match error {
        Error::InvalidInput(message) => Wire::InvalidInput(message),
        Error::Unavailable(message) => Wire::Unavailable(message),
        Error::Denied(message) => Wire::Denied(message),
        Error::LimitExceeded(message) => Wire::LimitExceeded(message),
        Error::DeadlineExceeded => Wire::DeadlineExceeded,
        Error::Internal(message) => Wire::Internal(message),
    }
}
