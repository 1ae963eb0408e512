//! Two engines behind one handle: statements in, rows out.
//!
//! This is deliberately less than an abstraction of databases. It knows the five types that the tables use and
//! two kinds of statement, so that each store is written once; every statement is prepared once per connection.

mod param;
#[cfg(test)]
mod plan;
mod row;
mod transaction;

use oriel_store::Result;
use sqlx::{PgPool, SqlitePool};
use sqlx::{SqlSafeStr, SqlStr};

pub(crate) use self::param::{Param, params};
pub(crate) use self::row::Row;
pub(crate) use self::transaction::Transaction;
use crate::error::map;

/// The open database.
#[derive(Clone, Debug)]
pub(crate) enum Db {
    /// One connection writes, so that writers queue in here and never meet `SQLITE_BUSY`; several read.
    Sqlite { writer: SqlitePool, readers: SqlitePool },
    /// One pool for all.
    Postgres(PgPool),
}

impl Db {
    /// Reads.
    pub(crate) async fn rows(&self, sql: impl SqlSafeStr, params: Vec<Param>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite { readers, .. } => sqlite_rows(&mut *readers.acquire().await.map_err(map)?, sql.into_sql_str(), params).await,
            Self::Postgres(pool) => postgres_rows(&mut *pool.acquire().await.map_err(map)?, sql.into_sql_str(), params).await,
        }
    }

    /// Reads one row, the first.
    pub(crate) async fn row(&self, sql: impl SqlSafeStr, params: Vec<Param>) -> Result<Option<Row>> {
        Ok(self.rows(sql, params).await?.into_iter().next())
    }

    /// Runs one writing statement, a transaction of its own, and answers what it returns.
    pub(crate) async fn write_rows(&self, sql: impl SqlSafeStr, params: Vec<Param>) -> Result<Vec<Row>> {
        match self {
            Self::Sqlite { writer, .. } => sqlite_rows(&mut *writer.acquire().await.map_err(map)?, sql.into_sql_str(), params).await,
            Self::Postgres(pool) => postgres_rows(&mut *pool.acquire().await.map_err(map)?, sql.into_sql_str(), params).await,
        }
    }

    /// Runs one writing statement, a transaction of its own, and answers how many rows it touched.
    pub(crate) async fn write(&self, sql: impl SqlSafeStr, params: Vec<Param>) -> Result<u64> {
        match self {
            Self::Sqlite { writer, .. } => sqlite_execute(&mut *writer.acquire().await.map_err(map)?, sql.into_sql_str(), params).await,
            Self::Postgres(pool) => postgres_execute(&mut *pool.acquire().await.map_err(map)?, sql.into_sql_str(), params).await,
        }
    }

    /// Begins a writing transaction. Dropped without `commit` it leaves nothing behind.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        match self {
            Self::Sqlite { writer, .. } => Transaction::sqlite(writer).await,
            Self::Postgres(pool) => Ok(Transaction::postgres(pool.begin().await.map_err(map)?)),
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                // The last connection to close moves the write-ahead log into the database: let it be the writer.
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

async fn sqlite_rows(connection: &mut sqlx::SqliteConnection, sql: SqlStr, params: Vec<Param>) -> Result<Vec<Row>> {
    #[cfg(test)]
    plan::check(connection, sql.as_str()).await;
    let query = sqlx::query_with(sql, param::sqlite(params)?);
    let rows = query.fetch_all(connection).await.map_err(map)?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
}

async fn postgres_rows(connection: &mut sqlx::PgConnection, sql: SqlStr, params: Vec<Param>) -> Result<Vec<Row>> {
    let query = sqlx::query_with(sql, param::postgres(params)?);
    let rows = query.fetch_all(connection).await.map_err(map)?;
    Ok(rows.into_iter().map(Row::Postgres).collect())
}

async fn sqlite_execute(connection: &mut sqlx::SqliteConnection, sql: SqlStr, params: Vec<Param>) -> Result<u64> {
    #[cfg(test)]
    plan::check(connection, sql.as_str()).await;
    let query = sqlx::query_with(sql, param::sqlite(params)?);
    Ok(query.execute(connection).await.map_err(map)?.rows_affected())
}

async fn postgres_execute(connection: &mut sqlx::PgConnection, sql: SqlStr, params: Vec<Param>) -> Result<u64> {
    let query = sqlx::query_with(sql, param::postgres(params)?);
    Ok(query.execute(connection).await.map_err(map)?.rows_affected())
}
