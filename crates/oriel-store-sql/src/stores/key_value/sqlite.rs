//! Writing entries on SQLite: one statement when nothing stands against it, which triggers complete (see the
//! migration); a transaction that looks closer when that statement wrote nothing.

use oriel_model::Timestamp;
use oriel_store::Result;
use oriel_store::key_value::parse_integer;

use super::{BYTES, Change, KEYS, Outcome, Write};
use crate::db::{Db, Param, Row, Transaction, params};

/// Answers 1 when what is gone was still there.
pub(super) const DELETE: &str = "DELETE FROM kv_entries
    WHERE scope = (SELECT id FROM kv_scopes WHERE tenant = $1 AND extension = $2) AND key = $3
    RETURNING (expires_at IS NULL OR expires_at > $4)";

pub(super) const PURGE: &str = "DELETE FROM kv_entries
    WHERE rowid IN (SELECT rowid FROM kv_entries WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

/// $1 tenant, $2 extension, $3 key, $4 expiry, $5 and $6 quota of keys and bytes, $7 now, $8 value, $9 its number,
/// $10 the expected version: -1 whatever is there, 0 only if absent.
const PUT: &str = "INSERT INTO kv_entries (scope, key, value, number, version, expires_at)
    SELECT s.id, $3, $8, $9, 1, $4 FROM kv_scopes s LEFT JOIN kv_entries e ON e.scope = s.id AND e.key = $3
    WHERE s.tenant = $1 AND s.extension = $2
        AND s.keys + (e.key IS NULL) <= $5
        AND s.bytes + length($8) + length($3) - coalesce(length(e.value) + length(e.key), 0) <= $6
        AND $10 IN (-1, CASE WHEN e.key IS NULL OR e.expires_at <= $7 THEN 0 ELSE e.version END)
    ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, number = excluded.number, expires_at = excluded.expires_at,
        version = CASE WHEN kv_entries.expires_at <= $7 THEN 1 ELSE kv_entries.version + 1 END
    RETURNING version, number";

/// $1 to $7 as in `PUT`, $8 what is added, $9 and $10 the bounds between which the stored number can take it.
const ADD: &str = "INSERT INTO kv_entries (scope, key, value, number, version, expires_at)
    SELECT s.id, $3, CAST(CAST($8 AS TEXT) AS BLOB), $8, 1, $4
    FROM kv_scopes s LEFT JOIN kv_entries e ON e.scope = s.id AND e.key = $3
    WHERE s.tenant = $1 AND s.extension = $2
        AND s.keys + (e.key IS NULL) <= $5
        AND s.bytes + length(CAST(CASE WHEN e.key IS NULL OR e.expires_at <= $7 THEN $8 ELSE e.number + $8 END AS TEXT)) + length($3)
            - coalesce(length(e.value) + length(e.key), 0) <= $6
        AND (e.key IS NULL OR e.expires_at <= $7 OR e.number BETWEEN $9 AND $10)
    ON CONFLICT (scope, key) DO UPDATE SET
        number = CASE WHEN kv_entries.expires_at <= $7 THEN $8 ELSE kv_entries.number + $8 END,
        value = CAST(CAST(CASE WHEN kv_entries.expires_at <= $7 THEN $8 ELSE kv_entries.number + $8 END AS TEXT) AS BLOB),
        expires_at = CASE WHEN kv_entries.expires_at <= $7 THEN excluded.expires_at ELSE kv_entries.expires_at END,
        version = CASE WHEN kv_entries.expires_at <= $7 THEN 1 ELSE kv_entries.version + 1 END
    RETURNING version, number";

pub(super) async fn write(db: &Db, write: Write<'_>) -> Result<Outcome> {
    let place = || params![write.scope.tenant.to_string(), write.scope.extension.as_str()];
    let key = write.key.as_bytes();
    let mut params = place();
    params.extend(params![key, write.expires_at, write.quota.keys, write.quota.bytes, write.now,]);
    let (statement, expected, adding) = match write.change {
        Change::Put { value, expected } => {
            let number = parse_integer(&value);
            let Ok(version) = expected.map_or(Ok(-1), i64::try_from) else {
                // A version past 63 bits is nobody's.
                return Ok(Outcome::Mismatch);
            };
            params.extend(params![value, number, version]);
            (PUT, expected, None)
        }
        Change::Add(by) => {
            params.extend(params![
                by,
                if by < 0 { i64::MIN - by } else { i64::MIN },
                if by < 0 { i64::MAX } else { i64::MAX - by },
            ]);
            (ADD, None, Some(by))
        }
    };
    if let Some(row) = db.write_rows(statement, params.clone()).await?.first() {
        return done(row);
    }

    // Nothing was written. The scope is new, expired entries stand in the way, or the write is refused.
    let mut transaction = db.begin().await?;
    let make = "INSERT INTO kv_scopes (tenant, extension, keys, bytes) VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING";
    transaction.execute(make, place()).await?;
    let (version, number) = stored(&mut transaction, key.to_vec(), write.now, place()).await?;
    if expected.is_some_and(|expected| expected != version.unwrap_or(0)) {
        return Ok(Outcome::Mismatch);
    }
    if let (Some(by), Some(_)) = (adding, version)
        && number.and_then(|number| number.checked_add(by)).is_none()
    {
        return Ok(Outcome::Form(number));
    }
    let purge = "DELETE FROM kv_entries
        WHERE scope = (SELECT id FROM kv_scopes WHERE tenant = $1 AND extension = $2) AND expires_at <= $3";
    let mut scope_and_now = place();
    scope_and_now.push(write.now.into());
    transaction.execute(purge, scope_and_now).await?;
    if let Some(row) = transaction.row(statement, params).await? {
        let outcome = done(&row)?;
        transaction.commit().await?;
        return Ok(outcome);
    }
    let held = "SELECT keys FROM kv_scopes WHERE tenant = $1 AND extension = $2";
    let keys: u64 = transaction.row(held, place()).await?.map_or(Ok(0), |row| row.count(0))?;
    let full = keys + u64::from(version.is_none()) > write.quota.keys;
    Ok(Outcome::Quota(if full { KEYS } else { BYTES }))
}

fn done(row: &Row) -> Result<Outcome> {
    Ok(Outcome::Done {
        version: row.count(0)?,
        number: row.maybe_int(1)?,
    })
}

/// Version and number of the live entry.
async fn stored(transaction: &mut Transaction, key: Vec<u8>, now: Timestamp, mut params: Vec<Param>) -> Result<(Option<u64>, Option<i64>)> {
    let find = "SELECT version, number FROM kv_entries
        WHERE scope = (SELECT id FROM kv_scopes WHERE tenant = $1 AND extension = $2) AND key = $3
        AND (expires_at IS NULL OR expires_at > $4)";
    params.extend(params![key, now]);
    match transaction.row(find, params).await? {
        Some(row) => Ok((Some(row.count(0)?), row.maybe_int(1)?)),
        None => Ok((None, None)),
    }
}
