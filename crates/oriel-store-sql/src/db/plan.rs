//! In this crate's own tests every statement that SQLite runs must find its rows through an index.

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

/// Read on purpose from end to end, through an index: small segments by tenant, units of work of all tenants, what files declare.
const MAY_SCAN: &[&str] = &[
    "SELECT tenant FROM segments WHERE records <= $1 GROUP BY tenant",
    "SELECT tenant, kind, 'due', count(*), min(ready_at) FROM work WHERE dead_at IS NULL AND ready_at <= $1  GROUP BY",
    "SELECT DISTINCT tenant FROM bindings WHERE origin = 'file'",
];

/// What may be scanned: no tables, but lists in the statement's parameters.
const LISTS: &[&str] = &["CONSTANT ROW", "VALUES CLAUSE", "VIRTUAL TABLE"];

/// Panics when the statement would read a whole table.
pub(super) async fn check(connection: &mut SqliteConnection, sql: &str) {
    let data = ["SELECT", "INSERT", "UPDATE", "DELETE"].iter().any(|word| sql.starts_with(word));
    if !data || sql.contains("oriel_migrations") || MAY_SCAN.iter().any(|known| sql.starts_with(known)) {
        return;
    }
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    for step in sqlx::query(explain)
        .fetch_all(connection)
        .await
        .expect("SQLite explains what it runs")
    {
        let detail: String = step.get("detail");
        let scans = detail.starts_with("SCAN") && !LISTS.iter().any(|list| detail.contains(list));
        assert!(!scans, "{detail}: {sql}");
    }
}
