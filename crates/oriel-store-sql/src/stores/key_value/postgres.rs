//! Writing entries on PostgreSQL: a function in the database does it all in one round trip (see its migration).

use oriel_store::Result;
use oriel_store::key_value::parse_integer;

use super::{BYTES, Change, KEYS, Outcome, Write};
use crate::db::{Db, params};
use crate::error::corrupt;

pub(super) const DELETE: &str = "SELECT oriel_kv_delete($1, $2, $3, $4)";
pub(super) const PURGE: &str = "SELECT oriel_kv_purge($1, $2)";

pub(super) async fn write(db: &Db, write: Write<'_>) -> Result<Outcome> {
    let call = "SELECT outcome, new_version, new_number FROM oriel_kv_write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    let (value, amount, adding, expected) = match write.change {
        Change::Put { value, expected } => {
            let number = parse_integer(&value);
            // -1 stands for "whatever is there".
            (value, number, false, expected.map_or(Ok(-1), i64::try_from))
        }
        Change::Add(by) => (Vec::new(), Some(by), true, Ok(-1)),
    };
    // A version past 63 bits is nobody's.
    let Ok(expected) = expected else { return Ok(Outcome::Mismatch) };
    let params = params![
        write.scope.tenant.to_string(),
        write.scope.extension.as_str(),
        write.key.as_bytes(),
        value,
        amount,
        adding,
        write.expires_at,
        expected,
        write.quota.keys,
        write.quota.bytes,
        write.now,
    ];
    let rows = db.write_rows(call, params).await?;
    let row = rows.first().ok_or_else(|| corrupt("oriel_kv_write answers nothing"))?;
    Ok(match row.text(0)? {
        "done" => Outcome::Done {
            version: row.count(1)?,
            number: row.maybe_int(2)?,
        },
        "mismatch" => Outcome::Mismatch,
        "form" => Outcome::Form(row.maybe_int(2)?),
        "keys" => Outcome::Quota(KEYS),
        "bytes" => Outcome::Quota(BYTES),
        other => return Err(corrupt(format_args!("oriel_kv_write answers `{other}`"))),
    })
}
