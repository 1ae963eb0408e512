//! What happens from time to time: retention, expired entries, the tidying of metrics.

use std::sync::Arc;
use std::time::Duration;

use crate::app::App;

/// How often what is old is looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How often recorded durations are moved into their buckets.
const UPKEEP: Duration = Duration::from_secs(5);
/// Rows that one statement deletes, so that no sweep holds the database for long.
const STRIDE: u32 = 1_000;

/// What was spent in the present month counts, however short usage is kept.
const SPENDING: Duration = Duration::from_secs(32 * 24 * 3_600);

pub(super) fn start(app: &Arc<App>) {
    let upkeep = app.clone();
    app.background.spawn(async move {
        while upkeep.ending.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            upkeep.metrics.tidy_up();
        }
    });
    let sweeper = app.clone();
    app.background.spawn(async move {
        while sweeper.ending.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            let swept = match sweeper.tasks.maintain().await {
                Ok(_) => sweep(&sweeper).await.map_err(Into::into),
                Err(error) => Err(error),
            };
            if let Err(error) = swept {
                tracing::warn!(%error, "what is past its retention was not deleted; the next sweep tries again");
            }
        }
    });
}

/// Deletes what is past its time, executions and batches apart, which are the task service's.
async fn sweep(app: &App) -> Result<u64, oriel_store::StoreError> {
    let (stores, config) = (&app.stores, &app.config);
    let now = app.clock.now();
    let mut total = 0;
    loop {
        let mut deleted = stores.logs.prune(now.minus(config.retention_logs.0), STRIDE).await?;
        deleted += stores.usage.purge(now.minus(config.retention_usage.0), STRIDE).await?;
        deleted += stores.jobs.purge(now.minus(config.retention_jobs.0), STRIDE).await?;
        deleted += stores
            .spend
            .purge(now.minus(config.retention_usage.0.max(SPENDING)), STRIDE)
            .await?;
        deleted += stores.anomalies.purge(now.minus(config.retention_anomalies.0), STRIDE).await?;
        deleted += stores.key_value.purge_expired(now, STRIDE).await?;
        deleted += stores.idempotency.purge_expired(now, STRIDE).await?;
        deleted += stores.sessions.prune(now, STRIDE).await?;
        total += deleted;
        if deleted == 0 || app.ending.is_cancelled() {
            return Ok(total);
        }
    }
}
