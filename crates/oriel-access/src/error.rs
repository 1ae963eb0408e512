//! Why access was refused or could not be managed.

use oriel_model::access::{Role, Scope};
use oriel_model::{Coded, ErrorCode};
use oriel_store::StoreError;

use crate::gate::RateState;
use crate::policy::PolicyProblem;

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
    /// The text is no policy that makes sense.
    #[error("the policy is not valid: {}", problems.first().map_or("", |problem| &problem.message))]
    PolicyInvalid {
        /// Where and why.
        problems: Vec<PolicyProblem>,
    },
    /// No policy with this id in the tenant.
    #[error("there is no policy `{id}` in this tenant")]
    PolicyNotFound {
        /// The id as it came.
        id: String,
    },
    /// No member with this id in the tenant.
    #[error("there is no member `{id}` in this tenant")]
    MemberNotFound {
        /// The id as it came.
        id: String,
    },
    /// A member with this name is there.
    #[error("a member named `{name}` exists")]
    MemberExists {
        /// The name.
        name: String,
    },
    /// Somebody else changed it first.
    #[error("somebody else changed it first; read it again")]
    Changed,
    /// A quota of the tenant is used up.
    #[error("the quota of {limit} {what} is used up")]
    Quota {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// More requests in a time than allowed.
    #[error("the {} may make {} requests a second", state.name, state.limit.requests_per_second)]
    TooOften {
        /// Which limit, and how long to wait.
        state: RateState,
    },
    /// More requests at once than allowed.
    #[error("the {name} may have {most} requests worked on at once")]
    TooMany {
        /// `tenant` or `key`.
        name: &'static str,
        /// How many.
        most: u32,
    },
    /// No tenant of this name.
    #[error("there is no tenant `{name}`")]
    TenantNotFound {
        /// The name as it came.
        name: String,
    },
    /// The cookie's session is over, or never was.
    #[error("the session has ended; sign in again")]
    SessionEnded,
    /// No session with this id in the tenant.
    #[error("there is no session `{id}` in this tenant")]
    SessionNotFound {
        /// The id as it came.
        id: String,
    },
    /// The server has no issuer.
    #[error("this server has no OpenID Connect issuer")]
    SignInUnavailable,
    /// The answer of the issuer, or of the browser, cannot be used.
    #[error("signing in failed: {reason}")]
    SignInFailed {
        /// Why.
        reason: String,
    },
    /// Known to the issuer and to nobody here.
    #[error("{who} is no member of the tenant `{tenant}`")]
    SignInRefused {
        /// Who.
        who: String,
        /// Of which tenant.
        tenant: String,
    },
    /// The issuer failed.
    #[error("the issuer does not answer as it should: {reason}")]
    IssuerUnavailable {
        /// How.
        reason: String,
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
            Self::PolicyInvalid { .. } => ErrorCode::PolicyInvalid,
            Self::PolicyNotFound { .. } => ErrorCode::PolicyNotFound,
            Self::MemberNotFound { .. } => ErrorCode::MemberNotFound,
            Self::MemberExists { .. } => ErrorCode::MemberExists,
            Self::TooOften { .. } | Self::TooMany { .. } => ErrorCode::RateLimited,
            Self::TenantNotFound { .. } => ErrorCode::TenantNotFound,
            Self::SessionEnded => ErrorCode::SessionEnded,
            Self::SessionNotFound { .. } => ErrorCode::SessionNotFound,
            Self::SignInUnavailable => ErrorCode::SignInUnavailable,
            Self::SignInFailed { .. } => ErrorCode::SignInFailed,
            Self::SignInRefused { .. } => ErrorCode::SignInRefused,
            Self::IssuerUnavailable { .. } => ErrorCode::IssuerUnavailable,
            Self::Changed => ErrorCode::PreconditionFailed,
            Self::Quota { .. } => ErrorCode::QuotaExceeded,
            Self::Store(error) => error.code(),
        }
    }

    fn places(&self) -> Option<serde_json::Value> {
        match self {
            Self::PolicyInvalid { problems } => serde_json::to_value(problems).ok(),
            _ => None,
        }
    }
}
