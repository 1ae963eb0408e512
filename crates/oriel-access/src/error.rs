//! Why access was refused or could not be managed.

use oriel_model::access::{Role, Scope};
use oriel_model::{Coded, ErrorCode};
use oriel_store::StoreError;

/// An error of the access service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// No such key, or the token is malformed. Deliberately one error for both.
    #[error("no valid API key was presented")]
    Unauthenticated,
    /// The key's time is over.
    #[error("the API key has expired")]
    Expired,
    /// The key was revoked.
    #[error("the API key was revoked")]
    Revoked,
    /// The role or the key's scopes do not cover it.
    #[error("this needs the scope `{scope}`, which the role {} and above have", Role::needed_for(*scope))]
    MissingScope {
        /// The scope that is missing.
        scope: Scope,
    },
    /// Covered by a scope, but not for this principal.
    #[error("{reason}")]
    Forbidden {
        /// Why not.
        reason: String,
    },
    /// A field of the request is out of range.
    #[error("{reason}")]
    Invalid {
        /// Which and why.
        reason: String,
    },
    /// No key with this id in the tenant.
    #[error("there is no key `{id}` in this tenant")]
    KeyNotFound {
        /// The id as it came.
        id: String,
    },
    /// Nobody could manage the tenant afterwards.
    #[error("this is the tenant's last owner key")]
    LastOwner,
    /// The tenant's name is taken.
    #[error("a tenant named `{name}` exists")]
    TenantExists {
        /// The name.
        name: String,
    },
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for AccessError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unauthenticated => ErrorCode::Unauthenticated,
            Self::Expired => ErrorCode::KeyExpired,
            Self::Revoked => ErrorCode::KeyRevoked,
            Self::MissingScope { .. } | Self::Forbidden { .. } => ErrorCode::Forbidden,
            Self::Invalid { .. } => ErrorCode::RequestInvalid,
            Self::KeyNotFound { .. } => ErrorCode::KeyNotFound,
            Self::LastOwner => ErrorCode::LastOwner,
            Self::TenantExists { .. } => ErrorCode::TenantExists,
            Self::Store(error) => error.code(),
        }
    }
}
