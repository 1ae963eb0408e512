//! Why a task could not be managed or executed.

use std::sync::Arc;

use oriel_access::AccessError;
use oriel_extensions::ExtensionError;
use oriel_model::execution::ExecutionError;
use oriel_model::id::ExecutionId;
use oriel_model::schema::{SchemaError, SchemaProblem};
use oriel_model::{Coded, ErrorCode};
use oriel_sandbox::CallError;
use oriel_store::StoreError;

/// An error of the task service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// No task with this id or name in the tenant.
    #[error("there is no task `{task}` in this tenant")]
    NotFound {
        /// The id or name as it came, cut to 128 characters.
        task: String,
    },
    /// The name is taken.
    #[error("a task named `{name}` exists")]
    Exists {
        /// The name.
        name: String,
    },
    /// The `If-Match` names another revision, or somebody else was faster.
    #[error("the task `{task}` was changed by somebody else")]
    Precondition {
        /// The task.
        task: String,
    },
    /// A field of the request is out of range.
    #[error("{reason}")]
    Invalid {
        /// Which and why.
        reason: String,
    },
    /// There can be no such incident report.
    #[error("{reason}")]
    Incident {
        /// Why not.
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
    /// No execution with this id in the tenant.
    #[error("there is no execution `{id}` in this tenant")]
    ExecutionNotFound {
        /// The id as it came.
        id: String,
    },
    /// No batch with this id in the tenant.
    #[error("there is no batch `{id}` in this tenant")]
    BatchNotFound {
        /// The id as it came.
        id: String,
    },
    /// Too many items.
    #[error("the batch has more than {max} items")]
    BatchTooLarge {
        /// The most that is accepted.
        max: usize,
    },
    /// The execution failed; it is recorded.
    #[error("{fault}")]
    Failed {
        /// Its id; its record holds the same error.
        id: ExecutionId,
        /// Why.
        fault: Fault,
    },
    /// It was refused before it began, and is not recorded.
    #[error("{fault}")]
    Refused {
        /// Why.
        fault: Fault,
    },
    /// The execution ended, but its record could not be written, so it does not count.
    #[error("the execution could not be recorded: {source}")]
    Record {
        /// Why not.
        source: Arc<StoreError>,
    },
    /// The cursor or another part of the query is foreign.
    #[error("the cursor is not one of this list's")]
    Cursor,
    /// The extension does not answer.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// The principal may not.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why one execution failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The input breaks its schema.
    #[error("the input does not fit the schema: {}", first(.problems))]
    Input {
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// The output breaks its schema.
    #[error("the output does not fit the schema: {}", first(.problems))]
    Output {
        /// Where and why.
        problems: Vec<SchemaProblem>,
    },
    /// The output is not JSON.
    #[error("the output is not JSON: {reason}")]
    OutputSyntax {
        /// What the parser said.
        reason: String,
    },
    /// An inline validator found the output invalid.
    #[error("the validator `{validator}` found the output invalid: {message}")]
    Invalid {
        /// Which.
        validator: String,
        /// Its reason.
        message: String,
    },
    /// An inline validator that may not fail did.
    #[error("the validator `{validator}` could not judge the output: {message}")]
    Unjudged {
        /// Which.
        validator: String,
        /// What it failed with.
        message: String,
    },
    /// A hook before the execution did not let the input through.
    #[error("{message}")]
    Hook {
        /// The hook's code.
        code: ErrorCode,
        /// What happened.
        message: String,
    },
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The extension cannot be called at present.
    #[error("{message}")]
    Refused {
        /// Its code.
        code: ErrorCode,
        /// Why.
        message: String,
    },
    /// The item was never a call: its line is malformed.
    #[error("{reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// It was not run because the batch ended before its turn.
    #[error("not run: the batch ended before its turn")]
    Cancelled,
}

fn first(problems: &[SchemaProblem]) -> String {
    problems.first().map_or_else(String::new, |problem| {
        let path = if problem.path.is_empty() { "the whole" } else { &problem.path };
        format!("{path}: {}", problem.message)
    })
}

impl Fault {
    /// Whether the extension's gate was closed: nothing ran.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Call(CallError::Refused(_)))
    }

    /// The form that records and replies carry.
    #[must_use]
    pub fn to_error(&self) -> ExecutionError {
        ExecutionError {
            code: self.code().as_str().to_owned(),
            message: self.to_string(),
        }
    }
}

impl From<&ExtensionError> for Fault {
    fn from(error: &ExtensionError) -> Self {
        Self::Refused {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

impl Coded for Fault {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Input { .. } => ErrorCode::InputInvalid,
            Self::Output { .. } | Self::OutputSyntax { .. } => ErrorCode::OutputInvalid,
            Self::Invalid { .. } => ErrorCode::ExecutionInvalid,
            Self::Unjudged { .. } => ErrorCode::ExecutionUnjudged,
            Self::Hook { code, .. } => *code,
            Self::Call(error) => error.code(),
            Self::Refused { code, .. } => *code,
            Self::Malformed { .. } => ErrorCode::RequestJson,
            Self::Cancelled => ErrorCode::ExecutionCancelled,
        }
    }

    fn places(&self) -> Option<serde_json::Value> {
        match self {
            Self::Input { problems } | Self::Output { problems } => serde_json::to_value(problems).ok(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Call(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl Coded for TaskError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound { .. } => ErrorCode::TaskNotFound,
            Self::Exists { .. } => ErrorCode::TaskExists,
            Self::Precondition { .. } => ErrorCode::PreconditionFailed,
            Self::Incident { .. } => ErrorCode::IncidentInvalid,
            Self::Invalid { .. } => ErrorCode::RequestInvalid,
            Self::Schema { .. } => ErrorCode::SchemaInvalid,
            Self::ExecutionNotFound { .. } => ErrorCode::ExecutionNotFound,
            Self::BatchNotFound { .. } => ErrorCode::BatchNotFound,
            Self::BatchTooLarge { .. } => ErrorCode::BatchTooLarge,
            Self::Failed { fault, .. } | Self::Refused { fault } => fault.code(),
            Self::Record { source } => source.code(),
            Self::Cursor => ErrorCode::RequestCursor,
            Self::Extension(error) => error.code(),
            Self::Access(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }

    fn places(&self) -> Option<serde_json::Value> {
        match self {
            Self::Failed { fault, .. } => fault.places(),
            Self::Extension(error) => error.places(),
            _ => None,
        }
    }
    fn retry_after(&self) -> Option<std::time::Duration> {
        match self {
            Self::Failed { fault, .. } | Self::Refused { fault } => fault.retry_after(),
            Self::Extension(error) => error.retry_after(),
            _ => None,
        }
    }
}
