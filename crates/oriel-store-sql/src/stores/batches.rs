use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{BatchId, TenantId};
use oriel_store::{Batch, BatchState, Batches, Result};

use super::Store;
use crate::db::params;
use crate::error::corrupt;

const fn word(state: BatchState) -> &'static str {
    match state {
        BatchState::Running => "running",
        BatchState::Completed => "completed",
        BatchState::Stopped => "stopped",
        BatchState::Interrupted => "interrupted",
    }
}

fn state(text: &str) -> Result<BatchState> {
    use BatchState::{Completed, Interrupted, Running, Stopped};
    let known = [Running, Completed, Stopped, Interrupted]
        .into_iter()
        .find(|state| word(*state) == text);
    known.ok_or_else(|| corrupt(format_args!("`{text}` is no state of a batch")))
}

#[async_trait]
impl Batches for Store {
    async fn put(&self, batch: Batch) -> Result<()> {
        let put = "INSERT INTO batches (tenant, id, task, state, total, succeeded, failed, started_at, finished_at, node)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            ON CONFLICT (tenant, id) DO UPDATE SET task = excluded.task, state = excluded.state, total = excluded.total,
            succeeded = excluded.succeeded, failed = excluded.failed, started_at = excluded.started_at,
            finished_at = excluded.finished_at, node = excluded.node";
        let params = params![
            batch.tenant.to_string(),
            batch.id.to_string(),
            batch.task.to_string(),
            word(batch.state),
            batch.total,
            batch.succeeded,
            batch.failed,
            batch.started_at,
            batch.finished_at,
            batch.node,
        ];
        self.db.write(put, params).await.map(drop)
    }

    async fn get(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>> {
        let get = "SELECT task, state, total, succeeded, failed, started_at, finished_at, node FROM batches
            WHERE tenant = $1 AND id = $2";
        let Some(row) = self.db.row(get, params![tenant.to_string(), id.to_string()]).await? else {
            return Ok(None);
        };
        Ok(Some(Batch {
            id,
            tenant,
            task: row.parse(0)?,
            state: state(row.text(1)?)?,
            total: row.count(2)?,
            succeeded: row.count(3)?,
            failed: row.count(4)?,
            started_at: row.moment(5)?,
            finished_at: row.maybe_int(6)?.map(Timestamp::from_millis),
            node: row.text(7)?.to_owned(),
        }))
    }

    async fn interrupt(&self, node: &str, at: Timestamp) -> Result<u64> {
        let interrupt = "UPDATE batches SET state = 'interrupted', finished_at = $2 WHERE node = $1 AND state = 'running'";
        self.db.write(interrupt, params![node, at]).await
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let prune = "DELETE FROM batches WHERE (tenant, id) IN
            (SELECT tenant, id FROM batches WHERE started_at < $1 ORDER BY started_at LIMIT $2)";
        self.db.write(prune, params![before, limit]).await
    }
}
