//! How often a tenant's list has changed.

use oriel_model::id::TenantId;
use oriel_store::{Result, Versioned};
use serde::de::DeserializeOwned;

use crate::db::{Db, Row, Transaction, params};
use crate::error::corrupt;

pub(super) const BINDINGS: &str = "bindings";
pub(super) const HOOKS: &str = "hooks";

/// Counts one change more and answers the count.
pub(super) async fn bump(transaction: &mut Transaction, tenant: TenantId, list: &str) -> Result<u64> {
    let bump = "INSERT INTO list_versions (tenant, list, version) VALUES ($1, $2, 1)
        ON CONFLICT (tenant, list) DO UPDATE SET version = list_versions.version + 1 RETURNING version";
    let row = transaction.row(bump, params![tenant.to_string(), list]).await?;
    row.ok_or_else(|| corrupt("a version answers nothing"))?.count(0)
}

pub(super) async fn version(db: &Db, tenant: TenantId, list: &str) -> Result<u64> {
    let version = "SELECT version FROM list_versions WHERE tenant = $1 AND list = $2";
    let row = db.row(version, params![tenant.to_string(), list]).await?;
    row.map_or(Ok(0), |row| row.count(0))
}

/// Rows of version and item; a single row without an item stands for an empty list.
pub(super) fn read<T: DeserializeOwned>(rows: &[Row]) -> Result<Versioned<T>> {
    let version = rows.first().map_or(Ok(0), |row| row.count(0))?;
    let mut items = Vec::with_capacity(rows.len());
    for row in rows {
        if row.maybe_text(1)?.is_some() {
            items.push(row.json(1)?);
        }
    }
    Ok(Versioned { version, items })
}
