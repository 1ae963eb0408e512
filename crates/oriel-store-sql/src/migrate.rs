//! Migrations: an ordered list, run forward only, each remembered with the checksum of its text.

use oriel_model::Digest;
use oriel_store::{Result, StoreError};
use sqlx::{AssertSqlSafe, Executor};

use crate::db::{Db, Transaction, params};
use crate::error::map;

struct Migration {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// Never change one that was released: add the next.
const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "base",
        sqlite: include_str!("../migrations/0001_base.sql"),
        postgres: include_str!("../migrations/0001_base.sql"),
    },
    Migration {
        name: "key_value",
        sqlite: include_str!("../migrations/0002_key_value.sqlite.sql"),
        postgres: include_str!("../migrations/0002_key_value.postgres.sql"),
    },
    Migration {
        name: "bindings",
        sqlite: include_str!("../migrations/0003_bindings.sql"),
        postgres: include_str!("../migrations/0003_bindings.sql"),
    },
    Migration {
        name: "work",
        sqlite: include_str!("../migrations/0004_work.sql"),
        postgres: concat!(
            include_str!("../migrations/0004_work.sql"),
            include_str!("../migrations/0004_work.postgres.sql")
        ),
    },
    Migration {
        name: "access",
        sqlite: include_str!("../migrations/0005_access.sql"),
        postgres: include_str!("../migrations/0005_access.sql"),
    },
    Migration {
        name: "canary",
        sqlite: include_str!("../migrations/0006_canary.sql"),
        postgres: include_str!("../migrations/0006_canary.sql"),
    },
    Migration {
        name: "samples",
        sqlite: include_str!("../migrations/0007_samples.sql"),
        postgres: include_str!("../migrations/0007_samples.sql"),
    },
    Migration {
        name: "jobs",
        sqlite: include_str!("../migrations/0009_jobs.sql"),
        postgres: include_str!("../migrations/0009_jobs.sql"),
    },
    Migration {
        name: "anomalies",
        sqlite: include_str!("../migrations/0011_anomalies.sql"),
        postgres: include_str!("../migrations/0011_anomalies.sql"),
    },
];

/// Any number that nobody else uses for an advisory lock; this one is "oriel" and a zero, as bytes.
const LOCK: i64 = 0x006f_7269_656c_0000;

impl Migration {
    fn text(&self, db: &Db) -> String {
        let (text, types) = match db {
            Db::Sqlite { .. } => (self.sqlite, ["TEXT", "BLOB", "INTEGER PRIMARY KEY AUTOINCREMENT"]),
            Db::Postgres(_) => (
                self.postgres,
                ["TEXT COLLATE \"C\"", "BYTEA", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"],
            ),
        };
        let [words, bytes, serial] = types;
        text.replace("@text", words).replace("@blob", bytes).replace("@serial", serial)
    }
}

/// Brings the database to this release's version. Several nodes may do so at once: they take turns, and all but
/// the first find nothing to do.
pub(crate) async fn run(db: &Db) -> Result<()> {
    let mut transaction = db.begin().await?;
    if let Transaction::Postgres(_) = transaction {
        transaction.rows("SELECT pg_advisory_xact_lock($1)", params![LOCK]).await?;
    }
    let table = "CREATE TABLE IF NOT EXISTS oriel_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL)";
    transaction.execute(table, params![]).await?;
    let done = transaction
        .rows("SELECT version, name, checksum FROM oriel_migrations ORDER BY version", params![])
        .await?;

    for (index, row) in done.iter().enumerate() {
        let (version, name, checksum) = (row.int(0)?, row.text(1)?, row.text(2)?);
        let what = match MIGRATIONS.get(index) {
            None => format!("it was written by a newer release (migration {version} `{name}`)"),
            Some(known) if version != index as i64 + 1 || Digest::of(known.text(db).as_bytes()).to_string() != checksum => {
                format!("migration {version} `{name}` is not the one that this release has")
            }
            Some(_) => continue,
        };
        return Err(StoreError::Migration { what });
    }

    for (index, migration) in MIGRATIONS.iter().enumerate().skip(done.len()) {
        let text = migration.text(db);
        let checksum = Digest::of(text.as_bytes());
        match &mut transaction {
            Transaction::Sqlite(transaction) => transaction.connection().execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map(drop),
            Transaction::Postgres(transaction) => transaction.execute(sqlx::raw_sql(AssertSqlSafe(text))).await.map(drop),
        }
        .map_err(map)?;
        let remember = "INSERT INTO oriel_migrations (version, name, checksum) VALUES ($1, $2, $3)";
        transaction.execute(remember, params![index + 1, migration.name, checksum]).await?;
        tracing::info!(version = index + 1, name = migration.name, "migrated the database");
    }
    transaction.commit().await
}
