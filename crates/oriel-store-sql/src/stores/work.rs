//! Units of work. Claiming is a file per engine, all else is the same for both.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::id::{LeaseId, TenantId, WorkId};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Claim, Leased, NewAudit, NewWork, Result, StoreError, Work, WorkCount, WorkKind, WorkQueue, cursor};
use sqlx::AssertSqlSafe;

use super::audit::Audited;
use super::{Store, insert_many};
use crate::db::{Db, Param, Row, Transaction, params};
use crate::error::{corrupt, named};

const WHAT: &str = "unit of work";
const CONFLICT: StoreError = StoreError::Conflict { what: WHAT };

const NEW: [&str; 10] = [
    "tenant",
    "id",
    "kind",
    "key",
    "payload",
    "due_at",
    "ready_at",
    "attempts",
    "max_attempts",
    "created_at",
];

/// What [`work`] reads, in this order.
macro_rules! columns {
    () => {
        "tenant, id, kind, key, payload, due_at, attempts, max_attempts, error, created_at, dead_at"
    };
}
use columns;

/// Text of anybody's making, as it is stored.
fn stored(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(corrupt)
}

fn maybe_stored(row: &Row, column: usize) -> Result<Option<String>> {
    row.maybe_text(column)?.map(serde_json::from_str).transpose().map_err(corrupt)
}

fn new(unit: &NewWork) -> Result<Vec<Param>> {
    Ok(params![
        unit.tenant.to_string(),
        unit.id.to_string(),
        unit.kind.as_str(),
        unit.key.as_deref().map(stored).transpose()?,
        unit.payload.clone(),
        unit.due_at,
        unit.due_at,
        0_i64,
        unit.max_attempts,
        unit.created_at,
    ])
}

fn work(row: &Row) -> Result<Work> {
    Ok(Work {
        tenant: row.parse(0)?,
        id: row.parse(1)?,
        kind: WorkKind::stored(row.text(2)?),
        key: maybe_stored(row, 3)?,
        payload: Bytes::copy_from_slice(row.blob(4)?),
        due_at: row.moment(5)?,
        attempts: row.count(6)?,
        max_attempts: row.count(7)?,
        error: maybe_stored(row, 8)?,
        created_at: row.moment(9)?,
        dead_at: row.maybe_int(10)?.map(Timestamp::from_millis),
    })
}

/// Takes one unit, within a transaction of somebody else.
pub(super) async fn put(transaction: &mut Transaction, unit: &NewWork) -> Result<()> {
    let (insert, _) = insert_many("work", &NEW, 1, " ON CONFLICT DO NOTHING");
    transaction.execute(insert, new(unit)?).await.map(drop)
}

/// Takes a unit out, whoever holds it, within a transaction of somebody else.
pub(super) async fn take(transaction: &mut Transaction, tenant: TenantId, id: WorkId) -> Result<()> {
    let take = "DELETE FROM work WHERE tenant = $1 AND id = $2";
    transaction
        .execute(take, params![tenant.to_string(), id.to_string()])
        .await
        .map(drop)
}

/// A claim as both engines take it.
struct Wanted {
    /// Without repetition, as a JSON array.
    kinds: String,
    now: Timestamp,
    lease: LeaseId,
    until: Timestamp,
    limit: u32,
    per_tenant: u32,
}

impl Store {
    /// Runs one statement that touches the unit only if `lease` holds it.
    async fn held(&self, sql: &'static str, params: Vec<Param>) -> Result<()> {
        if self.db.write(sql, params).await? == 0 {
            Err(CONFLICT)
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl WorkQueue for Store {
    async fn enqueue(&self, mut units: Vec<NewWork>) -> Result<u64> {
        // Who inserts keys in the same order never waits for another in a circle.
        units.sort_by(|one, other| {
            let place = |unit: &NewWork| unit.key.clone().map(|key| (unit.tenant, unit.kind.clone(), key));
            place(one).cmp(&place(other))
        });
        let mut rows = units.iter().map(new).collect::<Result<Vec<_>>>()?;
        let take = |rows: &mut Vec<Vec<Param>>| {
            let (insert, length) = insert_many("work", &NEW, rows.len(), " ON CONFLICT DO NOTHING");
            (insert, rows.drain(..length).flatten().collect())
        };
        if rows.len() == 1 {
            let (insert, params) = take(&mut rows);
            return self.db.write(insert, params).await;
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let mut transaction = self.db.begin().await?;
        let mut taken = 0;
        while !rows.is_empty() {
            let (insert, params) = take(&mut rows);
            taken += transaction.execute(insert, params).await?;
        }
        transaction.commit().await?;
        Ok(taken)
    }

    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Leased>> {
        let kinds: std::collections::BTreeSet<&str> = claim.kinds.iter().map(WorkKind::as_str).collect();
        let wanted = Wanted {
            kinds: serde_json::to_string(&kinds).map_err(corrupt)?,
            now: claim.now,
            lease: LeaseId::new(claim.now),
            until: claim.now.plus(claim.lease_for),
            limit: claim.limit,
            per_tenant: claim.per_tenant,
        };
        let units = match &self.db {
            Db::Sqlite { .. } => sqlite::claim(&self.db, &wanted).await,
            Db::Postgres(_) => postgres::claim(&self.db, &wanted).await,
        };
        let leased = |work| Leased {
            work,
            lease: wanted.lease,
            until: wanted.until,
        };
        Ok(units?.into_iter().map(leased).collect())
    }

    async fn extend(&self, tenant: TenantId, id: WorkId, lease: LeaseId, until: Timestamp) -> Result<()> {
        let extend = "UPDATE work SET ready_at = $4 WHERE tenant = $1 AND id = $2 AND lease = $3";
        let params = params![tenant.to_string(), id.to_string(), lease.to_string(), until];
        self.held(extend, params).await
    }

    async fn complete(&self, tenant: TenantId, ids: &[WorkId], lease: LeaseId) -> Result<()> {
        let complete = "DELETE FROM work WHERE tenant = $1 AND id = $2 AND lease = $3";
        let params = |id: &WorkId| params![tenant.to_string(), id.to_string(), lease.to_string()];
        match ids {
            [] => Ok(()),
            [id] => self.held(complete, params(id)).await,
            ids => {
                let mut transaction = self.db.begin().await?;
                // In order and each once, so that two that end the same units do not wait for each other in a circle.
                for id in ids.iter().collect::<std::collections::BTreeSet<_>>() {
                    if transaction.execute(complete, params(id)).await? == 0 {
                        return Err(CONFLICT);
                    }
                }
                transaction.commit().await
            }
        }
    }

    async fn retry(&self, tenant: TenantId, id: WorkId, lease: LeaseId, due_at: Timestamp, error: &str, now: Timestamp) -> Result<bool> {
        let retry = "UPDATE work SET lease = NULL, due_at = $4, ready_at = $4, error = $5,
                dead_at = CASE WHEN attempts >= max_attempts THEN $6 END
            WHERE tenant = $1 AND id = $2 AND lease = $3 RETURNING dead_at";
        let params = params![tenant.to_string(), id.to_string(), lease.to_string(), due_at, stored(error)?, now];
        let rows = self.db.write_rows(retry, params).await?;
        Ok(rows.first().ok_or(CONFLICT)?.maybe_int(0)?.is_none())
    }

    async fn bury(&self, tenant: TenantId, id: WorkId, lease: LeaseId, error: &str, now: Timestamp) -> Result<()> {
        let bury = "UPDATE work SET lease = NULL, dead_at = $4, error = $5 WHERE tenant = $1 AND id = $2 AND lease = $3";
        let params = params![tenant.to_string(), id.to_string(), lease.to_string(), now, stored(error)?];
        self.held(bury, params).await
    }

    async fn get(&self, tenant: TenantId, id: WorkId) -> Result<Option<Work>> {
        let get = concat!("SELECT ", columns!(), " FROM work WHERE tenant = $1 AND id = $2");
        let row = self.db.row(get, params![tenant.to_string(), id.to_string()]).await?;
        row.as_ref().map(work).transpose()
    }

    async fn counts(&self, tenant: Option<TenantId>, now: Timestamp) -> Result<Vec<WorkCount>> {
        let mut params = params![now];
        let mut of = "";
        if let Some(tenant) = tenant {
            params.push(tenant.to_string().into());
            of = "AND tenant = $2";
        }
        let part = |state: &str, oldest: &str, condition: &str| {
            format!("SELECT tenant, kind, '{state}', count(*), min({oldest}) FROM work WHERE {condition} {of} GROUP BY tenant, kind")
        };
        let parts = [
            part("due", "ready_at", "dead_at IS NULL AND ready_at <= $1"),
            part("later", "ready_at", "dead_at IS NULL AND ready_at > $1"),
            part("leased", "ready_at", "lease IS NOT NULL AND ready_at > $1"),
            part("dead", "dead_at", "dead_at IS NOT NULL"),
        ];
        // Only texts written above are in it.
        let rows = self.db.rows(AssertSqlSafe(parts.join(" UNION ALL ")), params).await?;
        let mut counts: BTreeMap<(TenantId, WorkKind), WorkCount> = BTreeMap::new();
        for row in rows {
            let (tenant, kind) = (row.parse(0)?, WorkKind::stored(row.text(1)?));
            let count = counts.entry((tenant, kind.clone())).or_insert_with(|| WorkCount {
                tenant,
                kind,
                due: 0,
                oldest_due: None,
                scheduled: 0,
                leased: 0,
                dead: 0,
            });
            let units = row.count(3)?;
            match row.text(2)? {
                "due" => {
                    count.due = units;
                    count.oldest_due = Some(row.moment(4)?);
                }
                "later" => count.scheduled = units,
                "leased" => count.leased = units,
                _ => count.dead = units,
            }
        }
        for count in counts.values_mut() {
            count.scheduled = count.scheduled.saturating_sub(count.leased);
        }
        Ok(counts.into_values().collect())
    }

    async fn dead(&self, tenant: TenantId, kind: Option<&WorkKind>, page: PageRequest) -> Result<Page<Work>> {
        let before = match cursor::decode("dead-work", &page)? {
            Some(place) => place.parse::<WorkId>().map_err(|_| StoreError::Cursor)?.to_string(),
            // Above every id, which begins with "work_".
            None => "work`".to_owned(),
        };
        let mut params = params![tenant.to_string(), before, cursor::limit(&page) + 1];
        let dead = match kind {
            None => concat!(
                "SELECT ",
                columns!(),
                " FROM work WHERE tenant = $1 AND id < $2 AND dead_at IS NOT NULL ORDER BY id DESC LIMIT $3"
            ),
            Some(kind) => {
                params.push(kind.as_str().into());
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM work WHERE tenant = $1 AND id < $2 AND dead_at IS NOT NULL AND kind = $4 ORDER BY id DESC LIMIT $3"
                )
            }
        };
        let rows = self.db.rows(dead, params).await?;
        let items = rows.iter().map(work).collect::<Result<Vec<_>>>()?;
        Ok(cursor::page("dead-work", &page, items, |work| work.id.to_string()))
    }

    async fn requeue(&self, tenant: TenantId, ids: &[WorkId], due_at: Timestamp, audit: NewAudit) -> Result<u64> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let requeue = "UPDATE work SET dead_at = NULL, attempts = 0, due_at = $3, ready_at = $3
            WHERE tenant = $1 AND id = $2 AND dead_at IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM work o WHERE o.tenant = $1 AND o.kind = work.kind AND o.key = work.key AND o.key IS NOT NULL AND o.dead_at IS NULL)";
        let mut count = 0;
        for id in ids {
            let params = params![tenant.to_string(), id.to_string(), due_at];
            let done = audited.transaction.execute(requeue, params).await;
            count += done.map_err(|error| named(error, WHAT))?;
        }
        if count > 0 {
            audited.commit(audit).await?;
        }
        Ok(count)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let purge = "DELETE FROM work WHERE place IN
            (SELECT place FROM work WHERE dead_at IS NOT NULL AND dead_at < $1 ORDER BY dead_at LIMIT $2)";
        self.db.write(purge, params![before, limit]).await
    }
}
