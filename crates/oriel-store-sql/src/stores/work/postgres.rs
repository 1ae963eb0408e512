//! Claiming on PostgreSQL: a function in the database does it all in one round trip (see its migration).

use oriel_store::{LEASE_RAN_OUT, Result, Work};

use super::{Wanted, columns, stored, work};
use crate::db::{Db, params};

pub(super) async fn claim(db: &Db, wanted: &Wanted) -> Result<Vec<Work>> {
    let claim = concat!("SELECT ", columns!(), " FROM oriel_work_claim($1, $2, $3, $4, $5, $6, $7)");
    let params = params![
        wanted.kinds.as_str(),
        wanted.now,
        wanted.until,
        wanted.lease.to_string(),
        wanted.limit,
        wanted.per_tenant,
        stored(LEASE_RAN_OUT)?,
    ];
    db.write_rows(claim, params).await?.iter().map(work).collect()
}
