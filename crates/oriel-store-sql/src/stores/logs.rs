use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::log::{LogLevel, LogLine};
use oriel_store::{LogFilter, Logs, NewLogLine, Result};
use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;

use super::{Store, insert_many};
use crate::db::{Param, Row, Transaction, params};
use crate::error::corrupt;

const COLUMNS: [&str; 6] = ["tenant", "at", "extension", "execution", "level", "body"];

/// Serialises appends among nodes: "log" as bytes. Who follows a log reads on from the last sequence seen; a lower
/// one that is committed later would never be read.
const APPEND_LOCK: i64 = 0x006c_6f67;

const LEVELS: [LogLevel; 5] = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];

/// What a guest wrote, as JSON: PostgreSQL's text holds no NUL, JSON escapes it.
#[derive(Serialize, Deserialize)]
struct Body {
    message: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fields: Vec<(String, String)>,
}

fn columns(line: NewLogLine) -> Result<Vec<Param>> {
    let body = Body {
        message: line.message,
        fields: line.fields,
    };
    Ok(params![
        line.tenant.to_string(),
        line.at,
        line.extension.as_str(),
        line.execution_id.map(|id| id.to_string()),
        line.level as i64,
        serde_json::to_string(&body).map_err(corrupt)?,
    ])
}

fn line(row: &Row) -> Result<LogLine> {
    let Body { message, fields } = row.json(5)?;
    let level: usize = row.count(4)?;
    Ok(LogLine {
        sequence: row.int(0)?,
        at: row.moment(1)?,
        extension: row.parse(2)?,
        execution_id: row.maybe_parse(3)?,
        level: *LEVELS.get(level).ok_or_else(|| corrupt(format_args!("{level} is no log level")))?,
        message,
        fields,
    })
}

#[async_trait]
impl Logs for Store {
    async fn append(&self, lines: Vec<NewLogLine>) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut rows = lines.into_iter().map(columns).collect::<Result<Vec<_>>>()?;
        let mut transaction = self.db.begin().await?;
        if let Transaction::Postgres(_) = transaction {
            transaction.rows("SELECT pg_advisory_xact_lock($1)", params![APPEND_LOCK]).await?;
        }
        while !rows.is_empty() {
            let (insert, length) = insert_many("log_lines", &COLUMNS, rows.len(), "");
            let params = rows.drain(..length).flatten().collect();
            transaction.execute(insert, params).await?;
        }
        transaction.commit().await
    }

    async fn read(&self, tenant: TenantId, filter: &LogFilter) -> Result<Vec<LogLine>> {
        let mut sql =
            String::from("SELECT sequence, at, extension, execution, level, body FROM log_lines WHERE tenant = $1 AND level >= $2");
        let mut params = params![tenant.to_string(), filter.level as i64, filter.limit];
        if let Some(extension) = &filter.extension {
            params.push(extension.as_str().into());
            sql.push_str(&format!(" AND extension = ${}", params.len()));
        }
        if let Some(after) = filter.after {
            params.push(after.into());
            sql.push_str(&format!(" AND sequence > ${}", params.len()));
        }
        sql.push_str(if filter.after.is_some() {
            " ORDER BY sequence LIMIT $3"
        } else {
            " ORDER BY sequence DESC LIMIT $3"
        });
        // Only conditions written above are in the text.
        let rows = self.db.rows(AssertSqlSafe(sql), params).await?;
        let mut lines = rows.iter().map(line).collect::<Result<Vec<_>>>()?;
        if filter.after.is_none() {
            lines.reverse();
        }
        Ok(lines)
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let prune = "DELETE FROM log_lines WHERE sequence IN (SELECT sequence FROM log_lines WHERE at < $1 ORDER BY at LIMIT $2)";
        self.db.write(prune, params![before, limit]).await
    }
}
