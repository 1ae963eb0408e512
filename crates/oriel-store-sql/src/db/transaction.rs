use oriel_store::Result;
use sqlx::SqlSafeStr;
use sqlx::pool::PoolConnection;
use sqlx::{Postgres, Sqlite, SqlitePool};

use super::{Param, Row, postgres_execute, postgres_rows, sqlite_execute, sqlite_rows};
use crate::error::map;

/// A writing transaction.
pub(crate) enum Transaction {
    Sqlite(SqliteTransaction),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// sqlx's own transaction counts its depth by its own statements; after a full disk SQLite has rolled back by itself, the
/// count is wrong and the connection lost for good. So this one says BEGIN, COMMIT and ROLLBACK itself.
pub(crate) struct SqliteTransaction {
    /// Nothing once it was committed.
    connection: Option<PoolConnection<Sqlite>>,
}

impl SqliteTransaction {
    pub(crate) fn connection(&mut self) -> &mut sqlx::SqliteConnection {
        self.connection
            .as_mut()
            .expect("only commit takes the connection, and it takes us too")
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        // The connection is back in its pool when this is done, so the next writer waits for it. When there is nothing left to
        // roll back, SQLite says so, and that is fine.
        runtime.spawn(async move {
            let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
        });
    }
}

impl Transaction {
    pub(super) async fn sqlite(writer: &SqlitePool) -> Result<Self> {
        let connection = writer.acquire().await.map_err(map)?;
        let mut transaction = SqliteTransaction {
            connection: Some(connection),
        };
        sqlite_execute(transaction.connection(), "BEGIN IMMEDIATE".into_sql_str(), Vec::new()).await?;
        Ok(Self::Sqlite(transaction))
    }

    pub(super) fn postgres(transaction: sqlx::Transaction<'static, Postgres>) -> Self {
        Self::Postgres(transaction)
    }

    pub(crate) async fn rows(&mut self, sql: impl SqlSafeStr, params: Vec<Param>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite(transaction) => sqlite_rows(transaction.connection(), sql.into_sql_str(), params).await,
            Self::Postgres(transaction) => postgres_rows(transaction, sql.into_sql_str(), params).await,
        }
    }

    /// One row, the first.
    pub(crate) async fn row(&mut self, sql: impl SqlSafeStr, params: Vec<Param>) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// How many rows it touched.
    pub(crate) async fn execute(&mut self, sql: impl SqlSafeStr, params: Vec<Param>) -> Result<u64> {
        match self {
            Self::Sqlite(transaction) => sqlite_execute(transaction.connection(), sql.into_sql_str(), params).await,
            Self::Postgres(transaction) => postgres_execute(transaction, sql.into_sql_str(), params).await,
        }
    }

    pub(crate) async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(mut transaction) => {
                sqlite_execute(transaction.connection(), "COMMIT".into_sql_str(), Vec::new()).await?;
                transaction.connection.take();
                Ok(())
            }
            Self::Postgres(transaction) => transaction.commit().await.map_err(map),
        }
    }
}
