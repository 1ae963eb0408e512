//! In this crate's own tests every statement that SQLite runs must find its rows through an index.

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

/// Reads on purpose through an index from end to end: it groups small segments by tenant.
const MAY_SCAN: &[&str] = &["SELECT tenant FROM segments WHERE records <= $1 GROUP BY tenant"];

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
        let scans = detail.starts_with("SCAN") && !detail.contains("CONSTANT ROW") && !detail.contains("VALUES CLAUSE");
        assert!(!scans, "{detail}: {sql}");
    }
}
