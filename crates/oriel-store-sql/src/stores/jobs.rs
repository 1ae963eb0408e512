use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{JobRunId, TenantId};
use oriel_model::job::{JobFailure, JobRun, JobState};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Carrier, JobFilter, Jobs, NewAudit, NewWork, Result, StoreError, cursor};

use super::audit::Audited;
use super::{Store, work};
use crate::db::{Param, Row, Transaction, params};
use crate::error::corrupt;

/// The name of the list, for its cursors.
const LIST: &str = "job-runs";
const CONFLICT: StoreError = StoreError::Conflict { what: "job run" };

/// What [`run`] reads, in this order.
macro_rules! columns {
    () => {
        "body, state, error, ended_at, revision"
    };
}

fn run(row: &Row) -> Result<JobRun> {
    let state = row.text(1)?;
    Ok(JobRun {
        state: JobState::from_text(state).ok_or_else(|| corrupt(format_args!("`{state}` is no state of a run")))?,
        error: row.maybe_text(2)?.map(serde_json::from_str).transpose().map_err(corrupt)?,
        ended_at: row.maybe_int(3)?.map(Timestamp::from_millis),
        revision: row.count(4)?,
        ..row.json(0)?
    })
}

fn stored<T: serde::Serialize>(value: Option<&T>) -> Result<Option<String>> {
    value.map(serde_json::to_string).transpose().map_err(corrupt)
}

/// The values of `tenant, id, extension, job, key, state, work, error, ended_at, revision, body`.
fn values(tenant: TenantId, run: &JobRun) -> Result<Vec<Param>> {
    Ok(params![
        tenant.to_string(),
        run.id.to_string(),
        run.extension.as_str(),
        run.job.as_str(),
        stored(run.key.as_ref())?,
        run.state.as_str(),
        run.work.to_string(),
        stored(run.error.as_ref())?,
        run.ended_at,
        run.revision,
        serde_json::to_string(run).map_err(corrupt)?,
    ])
}

/// A transaction that may end with an entry in the audit log. The chain's end is taken first, as everywhere.
#[expect(clippy::large_enum_variant, reason = "one at a time, on its way through one function")]
enum Change {
    Told(Audited, NewAudit),
    Quiet(Transaction),
}

impl Change {
    async fn begin(store: &Store, tenant: TenantId, audit: Option<NewAudit>) -> Result<Self> {
        Ok(match audit {
            Some(audit) => Self::Told(Audited::begin(&store.db, tenant).await?, audit),
            None => Self::Quiet(store.db.begin().await?),
        })
    }

    const fn transaction(&mut self) -> &mut Transaction {
        match self {
            Self::Told(audited, _) => &mut audited.transaction,
            Self::Quiet(transaction) => transaction,
        }
    }

    async fn commit(self) -> Result<()> {
        match self {
            Self::Told(audited, audit) => audited.commit(audit).await.map(drop),
            Self::Quiet(transaction) => transaction.commit().await,
        }
    }
}

/// Holds the extension's queue until the transaction ends.
async fn hold(transaction: &mut Transaction, tenant: TenantId, extension: &str) -> Result<()> {
    // The update changes nothing; it locks the row, there or not before.
    let hold = "INSERT INTO job_queues (tenant, extension) VALUES ($1, $2)
        ON CONFLICT (tenant, extension) DO UPDATE SET extension = excluded.extension";
    transaction.execute(hold, params![tenant.to_string(), extension]).await.map(drop)
}

/// Whether the extension whose queue is held may have one more run that waits.
async fn room(transaction: &mut Transaction, tenant: TenantId, extension: &str, most: u64) -> Result<()> {
    let count = "SELECT count(*) FROM job_runs WHERE tenant = $1 AND extension = $2 AND state = 'queued'";
    let row = transaction.row(count, params![tenant.to_string(), extension]).await?;
    let waiting: u64 = row.ok_or_else(|| corrupt("a count answers nothing"))?.count(0)?;
    if waiting >= most {
        return Err(StoreError::Quota { what: "job_queue" });
    }
    Ok(())
}

/// The other run that is not over and carries the key.
async fn twin(transaction: &mut Transaction, tenant: TenantId, run: &JobRun) -> Result<Option<JobRunId>> {
    let Some(key) = stored(run.key.as_ref())? else { return Ok(None) };
    let find = "SELECT id FROM job_runs WHERE tenant = $1 AND extension = $2 AND job = $3 AND key = $4 AND key IS NOT NULL
        AND ended_at IS NULL AND id <> $5";
    let params = params![
        tenant.to_string(),
        run.extension.as_str(),
        run.job.as_str(),
        key,
        run.id.to_string()
    ];
    transaction.row(find, params).await?.map(|row| row.parse(0)).transpose()
}

#[async_trait]
impl Jobs for Store {
    async fn insert(&self, tenant: TenantId, run: JobRun, unit: NewWork, most: u64, audit: Option<NewAudit>) -> Result<JobRunId> {
        let mut change = Change::begin(self, tenant, audit).await?;
        let transaction = change.transaction();
        hold(transaction, tenant, run.extension.as_str()).await?;
        if let Some(there) = twin(transaction, tenant, &run).await? {
            return Ok(there);
        }
        room(transaction, tenant, run.extension.as_str(), most).await?;
        let insert = "INSERT INTO job_runs (tenant, id, extension, job, key, state, work, error, ended_at, revision, body)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        transaction.execute(insert, values(tenant, &run)?).await?;
        work::put(transaction, &unit).await?;
        change.commit().await?;
        Ok(run.id)
    }

    async fn get(&self, tenant: TenantId, id: JobRunId) -> Result<Option<JobRun>> {
        let get = concat!("SELECT ", columns!(), " FROM job_runs WHERE tenant = $1 AND id = $2");
        let row = self.db.row(get, params![tenant.to_string(), id.to_string()]).await?;
        row.as_ref().map(self::run).transpose()
    }

    async fn list(&self, tenant: TenantId, extension: &str, filter: &JobFilter, page: PageRequest) -> Result<Page<JobRun>> {
        let before = match cursor::decode(LIST, &page)? {
            Some(place) => place.parse::<JobRunId>().map_err(|_| StoreError::Cursor)?.to_string(),
            // Above every id, which begins with "jrun_".
            None => "jrun`".to_owned(),
        };
        let list = concat!(
            "SELECT ",
            columns!(),
            " FROM job_runs WHERE tenant = $1 AND extension = $2 AND id < $3 AND ($4 IS NULL OR job = $4)
            AND ($5 IS NULL OR state = $5) ORDER BY id DESC LIMIT $6"
        );
        let params = params![
            tenant.to_string(),
            extension,
            before,
            filter.job.as_ref().map(ToString::to_string),
            filter.state.map(|state| state.as_str().to_owned()),
            cursor::limit(&page) + 1,
        ];
        let rows = self.db.rows(list, params).await?;
        let found = rows.iter().map(self::run).collect::<Result<Vec<_>>>()?;
        Ok(cursor::page(LIST, &page, found, |run| run.id.to_string()))
    }

    async fn update(
        &self,
        tenant: TenantId,
        run: JobRun,
        expected: u64,
        carrier: Carrier,
        most: u64,
        audit: Option<NewAudit>,
    ) -> Result<()> {
        let mut change = Change::begin(self, tenant, audit).await?;
        let transaction = change.transaction();
        if matches!(carrier, Carrier::Becomes(_)) {
            hold(transaction, tenant, run.extension.as_str()).await?;
        }
        let there = "SELECT ended_at, work FROM job_runs WHERE tenant = $1 AND id = $2 AND revision = $3";
        let place = params![tenant.to_string(), run.id.to_string(), expected];
        let row = transaction.row(there, place).await?.ok_or(CONFLICT)?;
        let was_over = row.maybe_int(0)?.is_some();
        let before = row.parse(1)?;
        if was_over && !run.state.is_over() {
            if twin(transaction, tenant, &run).await?.is_some() {
                return Err(CONFLICT);
            }
            room(transaction, tenant, run.extension.as_str(), most).await?;
        }
        let update = "UPDATE job_runs SET state = $6, work = $7, error = $8, ended_at = $9, revision = $10, body = $11
            WHERE tenant = $1 AND id = $2 AND extension = $3 AND job = $4 AND ($5 IS NULL OR key = $5) AND revision = $12";
        let mut values = values(tenant, &run)?;
        values.push(expected.into());
        if transaction.execute(update, values).await? == 0 {
            return Err(CONFLICT);
        }
        match carrier {
            Carrier::Stays => {}
            Carrier::Goes => work::take(transaction, tenant, before).await?,
            Carrier::Becomes(unit) => {
                work::take(transaction, tenant, before).await?;
                work::put(transaction, &unit).await?;
            }
        }
        change.commit().await
    }

    async fn waiting(&self, tenant: TenantId, extension: &str, job: Option<&str>) -> Result<u64> {
        let count = "SELECT count(*) FROM job_runs WHERE tenant = $1 AND extension = $2 AND state = 'queued' AND ($3 IS NULL OR job = $3)";
        let params = params![tenant.to_string(), extension, job.map(str::to_owned)];
        let row = self.db.row(count, params).await?;
        row.ok_or_else(|| corrupt("a count answers nothing"))?.count(0)
    }

    async fn cancel_all(&self, tenant: TenantId, extension: &ExtensionName, reason: &JobFailure, now: Timestamp) -> Result<u64> {
        let mut transaction = self.db.begin().await?;
        hold(&mut transaction, tenant, extension.as_str()).await?;
        let place = || params![tenant.to_string(), extension.as_str()];
        let cancel = "UPDATE job_runs SET state = 'cancelled', error = $3, ended_at = $4, revision = revision + 1
            WHERE tenant = $1 AND extension = $2 AND ended_at IS NULL";
        let mut params = place();
        params.extend(params![stored(Some(reason))?, now]);
        let count = transaction.execute(cancel, params).await?;
        // Runs first, then their units, as in every other change: who locks in one order never waits in a circle.
        let take = "DELETE FROM work WHERE tenant = $1 AND id IN
            (SELECT work FROM job_runs WHERE tenant = $1 AND extension = $2 AND state = 'cancelled' AND ended_at = $3)";
        let mut params = place();
        params.push(now.into());
        transaction.execute(take, params).await?;
        transaction.commit().await?;
        Ok(count)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let purge = "DELETE FROM job_runs WHERE (tenant, id) IN
            (SELECT tenant, id FROM job_runs WHERE ended_at IS NOT NULL AND ended_at < $1 ORDER BY ended_at LIMIT $2)";
        self.db.write(purge, params![before, limit]).await
    }
}
