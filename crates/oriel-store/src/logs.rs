//! The port of extensions' log lines.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TenantId};
use oriel_model::log::{LogLevel, LogLine};
use oriel_model::name::ExtensionName;

use crate::Result;

/// A line before it has its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLogLine {
    /// Whose it is.
    pub tenant: TenantId,
    /// When it was written.
    pub at: Timestamp,
    /// Who wrote it.
    pub extension: ExtensionName,
    /// In which call.
    pub execution_id: Option<ExecutionId>,
    /// How much it matters.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// Structured values.
    pub fields: Vec<(String, String)>,
}

/// Which lines are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// Of this extension.
    pub extension: Option<ExtensionName>,
    /// At least this level.
    pub level: LogLevel,
    /// After this sequence, oldest first; nothing: the newest `limit` lines, still oldest first.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// Log lines per tenant, in the order of their sequence.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Adds lines, all or none.
    async fn append(&self, lines: Vec<NewLogLine>) -> Result<()>;

    /// Lines of one tenant.
    async fn read(&self, tenant: TenantId, filter: &LogFilter) -> Result<Vec<LogLine>>;

    /// Deletes at most `limit` lines of all tenants written before `before`; answers how many.
    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
