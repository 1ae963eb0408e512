use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::contribution::ContributionKind;
use oriel_model::id::TenantId;
use oriel_store::{Result, Usage, UsageDelta, Used};

use super::{Store, insert_many};
use crate::db::{Param, Row, params};
use crate::error::corrupt;

const COLUMNS: [&str; 14] = [
    "tenant",
    "hour",
    "extension",
    "kind",
    "contribution",
    "calls",
    "failures",
    "wall_us",
    "cpu_us",
    "host_calls",
    "outbound_bytes",
    "model_input_tokens",
    "model_output_tokens",
    "model_spend",
];

/// Adds to a row that is there. A sum that does not fit stops at the largest number instead of failing the whole batch.
fn adding() -> String {
    let add = |column: &&str| {
        format!(
            "{column} = CASE WHEN usage.{column} > 9223372036854775807 - excluded.{column} THEN 9223372036854775807 \
             ELSE usage.{column} + excluded.{column} END"
        )
    };
    let sums: Vec<String> = COLUMNS[5..].iter().map(add).collect();
    format!(
        " ON CONFLICT (tenant, hour, extension, kind, contribution) DO UPDATE SET {}",
        sums.join(", ")
    )
}

fn columns(delta: &UsageDelta) -> Vec<Param> {
    let used = delta.used;
    params![
        delta.tenant.to_string(),
        delta.hour,
        delta.extension.as_str(),
        delta.kind.as_str(),
        delta.contribution.as_str(),
        used.calls,
        used.failures,
        used.wall_us,
        used.cpu_us,
        used.host_calls,
        used.outbound_bytes,
        used.model_input_tokens,
        used.model_output_tokens,
        used.model_spend,
    ]
}

fn delta(tenant: TenantId, row: &Row) -> Result<UsageDelta> {
    let kind = row.text(2)?;
    Ok(UsageDelta {
        tenant,
        hour: row.moment(0)?,
        extension: row.parse(1)?,
        kind: ContributionKind::from_text(kind).ok_or_else(|| corrupt(format_args!("`{kind}` is no kind of contribution")))?,
        contribution: row.parse(3)?,
        used: Used {
            calls: row.count(4)?,
            failures: row.count(5)?,
            wall_us: row.count(6)?,
            cpu_us: row.count(7)?,
            host_calls: row.count(8)?,
            outbound_bytes: row.count(9)?,
            model_input_tokens: row.count(10)?,
            model_output_tokens: row.count(11)?,
            model_spend: row.count(12)?,
        },
    })
}

#[async_trait]
impl Usage for Store {
    async fn add(&self, deltas: Vec<UsageDelta>) -> Result<()> {
        // Each row once and in order: a statement may touch a row only once, and two nodes do not wait for each other in a circle.
        let mut rows: Vec<Vec<Param>> = UsageDelta::merged(deltas).iter().map(columns).collect();
        if rows.is_empty() {
            return Ok(());
        }
        let adding = adding();
        let mut transaction = self.db.begin().await?;
        while !rows.is_empty() {
            let (insert, length) = insert_many("usage", &COLUMNS, rows.len(), &adding);
            transaction.execute(insert, rows.drain(..length).flatten().collect()).await?;
        }
        transaction.commit().await
    }

    async fn query(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<UsageDelta>> {
        let query = "SELECT hour, extension, kind, contribution, calls, failures, wall_us, cpu_us, host_calls, outbound_bytes,
            model_input_tokens, model_output_tokens, model_spend FROM usage WHERE tenant = $1 AND hour >= $2 AND hour < $3 ORDER BY hour, extension, kind, contribution";
        let rows = self.db.rows(query, params![tenant.to_string(), from, to]).await?;
        rows.iter().map(|row| delta(tenant, row)).collect()
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let purge = "DELETE FROM usage WHERE (tenant, hour, extension, kind, contribution) IN
            (SELECT tenant, hour, extension, kind, contribution FROM usage WHERE hour < $1 ORDER BY hour LIMIT $2)";
        self.db.write(purge, params![before, limit]).await
    }
}
