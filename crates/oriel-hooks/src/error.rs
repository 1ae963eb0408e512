//! Why a hook could not be declared or fired.

use oriel_access::AccessError;
use oriel_extensions::ExtensionError;
use oriel_model::schema::{SchemaError, SchemaProblem};
use oriel_model::{Coded, ErrorCode};
use oriel_store::StoreError;

use crate::report::Report;

/// An error of the hook service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// No hook of this name in the tenant.
    #[error("there is no hook `{name}` in this tenant")]
    NotFound {
        /// The name as it came, cut to 128 characters.
        name: String,
    },
    /// The platform has a hook of this name.
    #[error("`{name}` is one of the platform's own hooks")]
    Reserved {
        /// The name.
        name: String,
    },
    /// A field of the declaration is out of range or does not fit the others.
    #[error("{reason}")]
    Invalid {
        /// Which and why.
        reason: String,
    },
    /// A schema cannot be used.
    #[error("`{field}`: {source}")]
    Schema {
        /// `inputSchema` or `outputSchema`.
        field: &'static str,
        /// Why not.
        source: SchemaError,
    },
    /// Handlers are bound that answer hooks of the former kind.
    #[error("the hook `{name}` has bindings, so its kind cannot change")]
    InUse {
        /// The hook.
        name: String,
    },
    /// The tenant declares as many as it may.
    #[error("the tenant has {most} hooks, and more are not accepted")]
    TooMany {
        /// How many.
        most: usize,
    },
    /// The `If-Match` names another revision, or somebody else was faster.
    #[error("the hook `{name}` was changed by somebody else")]
    Precondition {
        /// The hook.
        name: String,
    },
    /// The payload is not what the hook takes.
    #[error("the payload does not fit the hook's schema: {}", first(.problems))]
    Payload {
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// A handler that may not fail did.
    #[error("the handler `{contribution}` of the hook `{hook}` failed: {message}")]
    Handler {
        /// The hook.
        hook: String,
        /// The handler.
        contribution: String,
        /// What it failed with.
        message: String,
        /// What every handler came to so far.
        reports: Vec<Report>,
    },
    /// The hook's time was up.
    #[error("the hook `{hook}` did not end within {timeout_ms} ms")]
    Timeout {
        /// The hook.
        hook: String,
        /// The time that it had, in milliseconds.
        timeout_ms: u64,
        /// What every handler came to so far.
        reports: Vec<Report>,
    },
    /// An extension cannot be asked.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// The principal may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn first(problems: &[SchemaProblem]) -> String {
    problems.first().map_or_else(String::new, |problem| {
        let path = if problem.path.is_empty() { "the whole" } else { &problem.path };
        format!("{path}: {}", problem.message)
    })
}

impl Coded for HookError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::HookNotFound,
            Self::Reserved { .. } => ErrorCode::HookReserved,
            Self::Invalid { .. } => ErrorCode::RequestInvalid,
            Self::Schema { .. } => ErrorCode::HookSchema,
            Self::InUse { .. } => ErrorCode::HookInUse,
            Self::TooMany { .. } => ErrorCode::HookTooMany,
            Self::Precondition { .. } => ErrorCode::PreconditionFailed,
            Self::Payload { .. } => ErrorCode::HookPayload,
            Self::Handler { .. } => ErrorCode::HookHandlerFailed,
            Self::Timeout { .. } => ErrorCode::HookTimeout,
            Self::Extension(error) => error.code(),
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn places(&self) -> Option<serde_json::Value> {
        match self {
            Self::Payload { problems } => serde_json::to_value(problems).ok(),
            Self::Extension(error) => error.places(),
            Self::Handler { reports, .. } | Self::Timeout { reports, .. } => {
                // Problem documents name places by path and message; a handler's place is its binding.
                let failed = reports.iter().filter_map(|report| {
                    let failure = report.error.as_ref()?;
                    Some(serde_json::json!({
                        "path": format!("{} ({})", report.contribution, report.binding),
                        "message": format!("{}: {}", failure.code, failure.message),
                    }))
                });
                Some(failed.collect())
            }
            _ => None,
        }
    }
}
