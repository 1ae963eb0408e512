use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TaskId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_model::sample::{Sample, SampleSummary};
use oriel_store::samples::{mean, millionths};
use oriel_store::{Result, SampleFilter, Samples, cursor};

use super::{Store, insert_many};
use crate::db::{Param, params};
use crate::error::corrupt;

/// The name of the list, for its cursors.
const LIST: &str = "samples";

const COLUMNS: [&str; 9] = [
    "tenant",
    "execution",
    "task",
    "extension",
    "version",
    "valid",
    "score",
    "judged_at",
    "body",
];

/// Takes the place of a sample that is there.
const REPLACING: &str = " ON CONFLICT (tenant, execution) DO UPDATE SET task = excluded.task, extension = excluded.extension, \
    version = excluded.version, valid = excluded.valid, score = excluded.score, judged_at = excluded.judged_at, body = excluded.body";

fn columns(tenant: TenantId, sample: &Sample) -> Result<Vec<Param>> {
    Ok(params![
        tenant.to_string(),
        sample.execution.to_string(),
        sample.task.to_string(),
        sample.extension.as_str(),
        sample.version.to_string(),
        sample.valid().map(i64::from),
        millionths(sample).and_then(|score| i64::try_from(score).ok()),
        sample.judged_at,
        serde_json::to_string(sample).map_err(corrupt)?,
    ])
}

#[async_trait]
impl Samples for Store {
    async fn put(&self, tenant: TenantId, samples: Vec<Sample>) -> Result<()> {
        // Each execution once and in order: a statement may touch a row only once, and two nodes do not wait for each other.
        let samples: std::collections::BTreeMap<ExecutionId, Sample> =
            samples.into_iter().map(|sample| (sample.execution, sample)).collect();
        let rows = samples.values().map(|sample| columns(tenant, sample));
        let mut rows = rows.collect::<Result<Vec<_>>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut transaction = self.db.begin().await?;
        while !rows.is_empty() {
            let (insert, length) = insert_many("samples", &COLUMNS, rows.len(), REPLACING);
            transaction.execute(insert, rows.drain(..length).flatten().collect()).await?;
        }
        transaction.commit().await
    }

    async fn get(&self, tenant: TenantId, execution: ExecutionId) -> Result<Option<Sample>> {
        let get = "SELECT body FROM samples WHERE tenant = $1 AND execution = $2";
        let row = self.db.row(get, params![tenant.to_string(), execution.to_string()]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn list(&self, tenant: TenantId, filter: SampleFilter, page: PageRequest) -> Result<Page<Sample>> {
        let before = cursor::decode(LIST, &page)?;
        let list = "SELECT body FROM samples WHERE tenant = $1 AND ($2 IS NULL OR task = $2) AND ($3 IS NULL OR valid = $3)
            AND ($4 IS NULL OR execution < $4) ORDER BY execution DESC LIMIT $5";
        let params = params![
            tenant.to_string(),
            filter.task.map(|task| task.to_string()),
            filter.valid.map(i64::from),
            before,
            cursor::limit(&page) + 1,
        ];
        let rows = self.db.rows(list, params).await?;
        let found = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Sample>>>()?;
        Ok(cursor::page(LIST, &page, found, |sample| sample.execution.to_string()))
    }

    async fn summary(&self, tenant: TenantId, task: TaskId) -> Result<Vec<SampleSummary>> {
        let sum = "SELECT extension, version, COUNT(*), CAST(SUM(valid) AS BIGINT), CAST(SUM(score) AS BIGINT) FROM samples
            WHERE tenant = $1 AND task = $2 AND valid IS NOT NULL GROUP BY extension, version ORDER BY extension, version";
        let rows = self.db.rows(sum, params![tenant.to_string(), task.to_string()]).await?;
        let summary = |row: &crate::db::Row| {
            let judged = row.count(2)?;
            Ok(SampleSummary {
                extension: row.parse(0)?,
                version: row.parse(1)?,
                judged,
                valid: row.count(3)?,
                mean_score: mean(judged, row.count(4)?),
            })
        };
        rows.iter().map(summary).collect()
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let purge = "DELETE FROM samples WHERE (tenant, execution) IN
            (SELECT tenant, execution FROM samples WHERE judged_at < $1 ORDER BY judged_at LIMIT $2)";
        self.db.write(purge, params![before, limit]).await
    }
}
