//! Claiming on SQLite: its one writer keeps claims apart. Nobody takes the writer only to find that nothing is due.

use std::collections::HashMap;

use oriel_store::{LEASE_RAN_OUT, Result, Work};

use super::{Wanted, columns, stored, work};
use crate::db::{Db, params};
use crate::error::corrupt;

/// $1 kinds, $2 now, $3 limit, $4 limit per tenant and kind. Looks once per tenant that has units, however many it has.
const PICK: &str = "WITH RECURSIVE lanes (kind, tenant) AS (
        SELECT k.value, (SELECT w.tenant FROM work w WHERE w.kind = k.value AND w.dead_at IS NULL ORDER BY w.tenant LIMIT 1)
        FROM json_each($1) k
        UNION ALL
        SELECT l.kind, (
            SELECT w.tenant FROM work w WHERE w.kind = l.kind AND w.tenant > l.tenant AND w.dead_at IS NULL ORDER BY w.tenant LIMIT 1
        ) FROM lanes l WHERE l.tenant IS NOT NULL
    ), heads AS MATERIALIZED (
        SELECT l.kind, l.tenant, coalesce(t.turn, 0) AS turn, (
            SELECT w.ready_at FROM work w WHERE w.kind = l.kind AND w.tenant = l.tenant AND w.dead_at IS NULL AND w.ready_at <= $2
            ORDER BY w.ready_at LIMIT 1
        ) AS head_at, $4 - (
            SELECT count(*) FROM work w WHERE w.kind = l.kind AND w.tenant = l.tenant AND w.lease IS NOT NULL AND w.ready_at > $2
        ) AS room
        FROM lanes l LEFT JOIN work_turns t ON t.kind = l.kind AND t.tenant = l.tenant WHERE l.tenant IS NOT NULL
    ), served AS MATERIALIZED (
        SELECT * FROM heads WHERE head_at IS NOT NULL AND room > 0 ORDER BY turn, head_at, kind, tenant LIMIT $3
    ), ranked AS MATERIALIZED (
        SELECT s.turn, s.room, w.place, w.ready_at,
            row_number() OVER (PARTITION BY s.kind, s.tenant ORDER BY w.ready_at, w.place) AS round
        FROM served s CROSS JOIN work w ON w.place IN (
            SELECT u.place FROM work u WHERE u.kind = s.kind AND u.tenant = s.tenant AND u.dead_at IS NULL AND u.ready_at <= $2
            ORDER BY u.ready_at, u.place LIMIT min($3, $4)
        )
    )
    SELECT place FROM ranked WHERE round <= room ORDER BY round, turn, ready_at, place LIMIT $3";

pub(super) async fn claim(db: &Db, wanted: &Wanted) -> Result<Vec<Work>> {
    let pick = || params![wanted.kinds.as_str(), wanted.now, wanted.limit, wanted.per_tenant];
    if db.rows(PICK, pick()).await?.is_empty() {
        return Ok(Vec::new());
    }

    let mut transaction = db.begin().await?;
    let bury = "UPDATE work SET dead_at = $2, error = $3, lease = NULL WHERE place IN (
        SELECT w.place FROM json_each($1) k CROSS JOIN work w
        WHERE w.kind = k.value AND w.lease IS NOT NULL AND w.ready_at <= $2 AND w.attempts >= w.max_attempts)";
    let ran_out = params![wanted.kinds.as_str(), wanted.now, stored(LEASE_RAN_OUT)?];
    transaction.execute(bury, ran_out).await?;

    let rows = transaction.rows(PICK, pick()).await?;
    let places = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<i64>>>()?;
    let list = serde_json::to_string(&places).map_err(corrupt)?;
    let turn = "INSERT INTO work_turns (kind, tenant, turn)
        SELECT DISTINCT kind, tenant, (SELECT coalesce(max(turn), 0) + 1 FROM work_turns) FROM work
        WHERE place IN (SELECT value FROM json_each($1))
        ON CONFLICT (kind, tenant) DO UPDATE SET turn = excluded.turn";
    transaction.execute(turn, params![list.as_str()]).await?;
    let take = concat!(
        "UPDATE work SET lease = $2, ready_at = $3, attempts = attempts + 1
        WHERE place IN (SELECT value FROM json_each($1)) RETURNING ",
        columns!(),
        ", place"
    );
    let taken = transaction
        .rows(take, params![list, wanted.lease.to_string(), wanted.until])
        .await?;
    let mut units = taken
        .iter()
        .map(|row| Ok((row.int(11)?, work(row)?)))
        .collect::<Result<HashMap<i64, Work>>>()?;
    transaction.commit().await?;
    Ok(places.iter().filter_map(|place| units.remove(place)).collect())
}
