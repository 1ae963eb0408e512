//! The ports over a database, one file each.

mod anomalies;
mod audit;
mod batches;
mod bindings;
mod canaries;
mod collections;
mod executions;
mod hooks;
mod idempotency;
mod installations;
mod jobs;
mod key_value;
mod keys;
mod logs;
mod members;
mod policies;
mod quotas;
mod samples;
mod spend;
mod tasks;
mod tenants;
mod usage;
mod versions;
mod work;

use std::sync::Arc;

use oriel_store::{Blobs, Stores};
use sqlx::AssertSqlSafe;

pub(crate) use self::collections::SqlCollections;
use crate::db::Db;

/// One of the ports over the database.
pub(crate) struct Store {
    db: Db,
}

pub(crate) fn all(db: &Db, blobs: Arc<dyn Blobs>, collections: Arc<SqlCollections>) -> Stores {
    let store = Arc::new(Store { db: db.clone() });
    Stores {
        tenants: store.clone(),
        keys: store.clone(),
        policies: store.clone(),
        members: store.clone(),
        sessions: store.clone(),
        quotas: store.clone(),
        audit: store.clone(),
        installations: store.clone(),
        blobs,
        key_value: store.clone(),
        collections,
        tasks: store.clone(),
        executions: store.clone(),
        batches: store.clone(),
        logs: store.clone(),
        idempotency: store.clone(),
        bindings: store.clone(),
        hooks: store.clone(),
        work: store.clone(),
        jobs: store.clone(),
        spend: store.clone(),
        usage: store.clone(),
        canaries: store.clone(),
        baselines: store.clone(),
        anomalies: store.clone(),
        samples: store,
        journal: None,
    }
}

/// Rows per statement when many are inserted: three lengths, so that at most three statements per table are prepared.
const ROWS_PER_INSERT: [usize; 3] = [64, 8, 1];

/// `INSERT INTO table (columns) VALUES ($1, …), …`, then `ending`, for as many rows as the largest fitting length, and
/// that length.
fn insert_many(table: &str, columns: &[&str], rows: usize, ending: &str) -> (AssertSqlSafe<String>, usize) {
    let length = ROWS_PER_INSERT.into_iter().find(|length| *length <= rows).unwrap_or(1);
    let mut sql = format!("INSERT INTO {table} ({}) VALUES ", columns.join(", "));
    for row in 0..length {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns.len() {
            let number = row * columns.len() + column + 1;
            sql.push_str(if column == 0 { "$" } else { ", $" });
            sql.push_str(&number.to_string());
        }
        sql.push(')');
    }
    sql.push_str(ending);
    // The table, its columns and the ending are texts of this crate, never anybody's input.
    (AssertSqlSafe(sql), length)
}
