//! Opening PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use oriel_store::Result;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::SqlOptions;
use crate::db::Db;
use crate::error::{map, unavailable};

/// A connection that rested longer than this is asked whether it still stands before it is used.
const RESTED: Duration = Duration::from_secs(2);

pub(crate) async fn open(url: &str, options: &SqlOptions) -> Result<Db> {
    // The driver's message may repeat the URL with its password.
    let connect = PgConnectOptions::from_str(url).map_err(|_| unavailable("the PostgreSQL URL cannot be understood"))?;
    let pool = PgPoolOptions::new()
        .max_connections(options.connections.max(1))
        .acquire_timeout(options.patience)
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(connect.application_name("oriel").statement_cache_capacity(200))
        .await
        .map_err(map)?;
    Ok(Db::Postgres(pool))
}
