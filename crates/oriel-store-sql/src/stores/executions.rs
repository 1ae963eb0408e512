use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_store::{Executions, Result, Segment, SegmentFilter, SegmentHead};
use sqlx::AssertSqlSafe;

use super::{Store, insert_many};
use crate::db::{Param, Row, params};
use crate::error::named;

const COLUMNS: [&str; 11] = [
    "tenant",
    "first_id",
    "last_id",
    "task",
    "extension",
    "batch",
    "from_at",
    "to_at",
    "records",
    "failures",
    "body",
];

fn columns(segment: Segment) -> Vec<Param> {
    let Segment { head, body } = segment;
    params![
        head.tenant.to_string(),
        head.first.to_string(),
        head.last.to_string(),
        head.task.map(|task| task.to_string()),
        head.extension,
        head.batch.map(|batch| batch.to_string()),
        head.from,
        head.to,
        head.count,
        head.failures,
        body,
    ]
}

fn head(row: &Row, tenant: TenantId) -> Result<SegmentHead> {
    Ok(SegmentHead {
        tenant,
        first: row.parse(0)?,
        last: row.parse(1)?,
        task: row.maybe_parse(2)?,
        extension: row.text(3)?.to_owned(),
        batch: row.maybe_parse(4)?,
        from: row.moment(5)?,
        to: row.moment(6)?,
        count: row.count(7)?,
        failures: row.count(8)?,
    })
}

/// `tenant, last_id, first_id`, the order of the index that finds it.
fn identity(head: &SegmentHead) -> Vec<Param> {
    params![head.tenant.to_string(), head.last.to_string(), head.first.to_string()]
}

/// The conditions of a filter, each with its value; only what narrows is said, so that the right index serves.
fn conditions(tenant: TenantId, filter: &SegmentFilter) -> (String, Vec<Param>) {
    let mut sql = String::from("tenant = $1");
    let mut params = params![tenant.to_string()];
    let mut and = |condition: &str, value: Param| {
        params.push(value);
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &format!("${}", params.len())));
    };
    if let Some(task) = filter.task {
        and("task = ?", task.to_string().into());
    }
    if let Some(extension) = &filter.extension {
        and("extension = ?", extension.as_str().into());
    }
    if let Some(batch) = filter.batch {
        and("batch = ?", batch.to_string().into());
    }
    if let Some(from) = filter.from {
        and("to_at >= ?", from.into());
    }
    if let Some(to) = filter.to {
        and("from_at < ?", to.into());
    }
    if let Some(before) = filter.before {
        and("first_id < ?", before.to_string().into());
    }
    if let Some(id) = filter.holding {
        and("last_id >= ?", id.to_string().into());
        and("first_id <= ?", id.to_string().into());
    }
    if let Some(at_most) = filter.at_most {
        and("records <= ?", at_most.into());
    }
    match filter.failed {
        Some(true) => sql.push_str(" AND failures > 0"),
        Some(false) => sql.push_str(" AND failures < records"),
        None => {}
    }
    (sql, params)
}

#[async_trait]
impl Executions for Store {
    async fn append(&self, segments: Vec<Segment>) -> Result<()> {
        let insert = |rows| insert_many("segments", &COLUMNS, rows, " ON CONFLICT (tenant, last_id, first_id) DO NOTHING");
        let mut rows: Vec<Vec<Param>> = segments.into_iter().map(columns).collect();
        let (statement, length) = insert(rows.len());
        if rows.len() == length {
            // The usual group commit: one statement is a transaction of its own.
            return self.db.write(statement, rows.concat()).await.map(drop);
        }
        let mut transaction = self.db.begin().await?;
        while !rows.is_empty() {
            let (statement, length) = insert(rows.len());
            let params = rows.drain(..length).flatten().collect();
            transaction.execute(statement, params).await?;
        }
        transaction.commit().await
    }

    async fn find(&self, tenant: TenantId, filter: &SegmentFilter, offset: u32, limit: u32) -> Result<Vec<SegmentHead>> {
        let (conditions, mut params) = conditions(tenant, filter);
        let (limit_at, offset_at) = (params.len() + 1, params.len() + 2);
        params.extend(params![limit, offset]);
        let find = format!(
            "SELECT first_id, last_id, task, extension, batch, from_at, to_at, records, failures FROM segments
            WHERE {conditions} ORDER BY last_id DESC, first_id DESC LIMIT ${limit_at} OFFSET ${offset_at}"
        );
        // Only conditions written above are in the text.
        let rows = self.db.rows(AssertSqlSafe(find), params).await?;
        rows.iter().map(|row| head(row, tenant)).collect()
    }

    async fn body(&self, head: &SegmentHead) -> Result<Option<Bytes>> {
        let body = "SELECT body FROM segments WHERE tenant = $1 AND last_id = $2 AND first_id = $3";
        let row = self.db.row(body, identity(head)).await?;
        row.map(|row| Ok(Bytes::copy_from_slice(row.blob(0)?))).transpose()
    }

    async fn replace(&self, old: &[SegmentHead], new: Segment) -> Result<bool> {
        if old.iter().any(|head| head.tenant != new.head.tenant) {
            return Ok(false);
        }
        // In one order on every node, so that two replacements of the same segments cannot wait for each other.
        let mut old: Vec<&SegmentHead> = old.iter().collect();
        old.sort_by_key(|head| (head.last, head.first));
        old.dedup_by_key(|head| (head.last, head.first));
        let mut transaction = self.db.begin().await?;
        for head in old {
            let delete = "DELETE FROM segments WHERE tenant = $1 AND last_id = $2 AND first_id = $3";
            if transaction.execute(delete, identity(head)).await? == 0 {
                return Ok(false);
            }
        }
        let (insert, _) = insert_many("segments", &COLUMNS, 1, "");
        transaction
            .execute(insert, columns(new))
            .await
            .map_err(|error| named(error, "segment"))?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let prune = "DELETE FROM segments WHERE id IN (SELECT id FROM segments WHERE to_at < $1 ORDER BY to_at LIMIT $2)";
        self.db.write(prune, params![before, limit]).await
    }

    async fn fragmented(&self, at_most: u32, more_than: u32) -> Result<Vec<TenantId>> {
        let fragmented = "SELECT tenant FROM segments WHERE records <= $1 GROUP BY tenant HAVING count(*) > $2 ORDER BY tenant";
        let rows = self.db.rows(fragmented, params![at_most, more_than]).await?;
        rows.iter().map(|row| row.parse(0)).collect()
    }
}
