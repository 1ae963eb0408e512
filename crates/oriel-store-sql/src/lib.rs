//! SQLite and PostgreSQL behind the storage ports.
//!
//! What lives here: the tables (`migrations/`), each store written once over both engines (`stores/`), and what the
//! engines do differently (`sqlite.rs`, `postgres.rs` and the key-value writes, `stores/key_value/`).
//! What may not: a rule of a service, a clock, package files (they lie beside the database, see `oriel-store-fs`).
//!
//! Start reading at [`open`]. The storage page of the operator's book tells what `Ok` means after a power loss.

mod db;
mod error;
mod migrate;
mod postgres;
mod sqlite;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use oriel_store::{Blobs, Result, Stores};

use crate::db::{Db, params};
use crate::error::unavailable;

/// When SQLite waits for the disk. Neither mode loses anything when only the process dies, and neither leaves a
/// damaged database. PostgreSQL has its own setting, `synchronous_commit`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// At checkpoints only: a power loss or a crash of the kernel can take the last transactions.
    #[default]
    Normal,
    /// At each commit: what was acknowledged survives a power loss, as far as the disk keeps its word.
    Full,
}

/// How a database is opened. What concerns the other engine is ignored.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqlOptions {
    /// SQLite: when to wait for the disk.
    pub synchronous: Synchronous,
    /// SQLite: how many connections read, beside the one that writes.
    pub readers: u32,
    /// SQLite: how many bytes the file may grow to, beside its write-ahead log; past it writes answer
    /// [`oriel_store::StoreError::Full`].
    pub max_size: Option<u64>,
    /// PostgreSQL: how many connections this node opens at most.
    pub connections: u32,
    /// How long a method waits for a connection (or SQLite for another process's lock) before it answers
    /// [`oriel_store::StoreError::Unavailable`].
    pub patience: Duration,
}

impl Default for SqlOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Normal,
            readers: 4,
            max_size: None,
            connections: 16,
            patience: Duration::from_secs(10),
        }
    }
}

/// An open, migrated database; cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlStores {
    db: Db,
    collections: Arc<stores::SqlCollections>,
}

/// Opens a database and brings it to this release's version.
///
/// `url` is one of
/// - `sqlite:PATH`: a file, made when it is not there (its directory is not); documents of collections lie in files of their own, in the
///   directory `collections` beside it;
/// - `sqlite::memory:`: a database that lives as long as its handle, with one connection for all;
/// - `postgres://USER:PASSWORD@HOST/DATABASE` (also `postgresql://`), with libpq's parameters.
///
/// # Errors
/// [`oriel_store::StoreError::Migration`] for a database of a newer release or with an altered migration,
/// `ReadOnly` when it cannot be written, `Unavailable` when it cannot be reached or the URL is none of the above (the
/// message never repeats the URL, which may hold a password).
pub async fn open(url: &str, options: SqlOptions) -> Result<SqlStores> {
    let mut beside = None;
    let db = if let Some(path) = url.strip_prefix("sqlite:") {
        beside = sqlite::directory(path);
        sqlite::open(path, &options).await?
    } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        postgres::open(url, &options).await?
    } else {
        return Err(unavailable("a database URL starts with `sqlite:` or `postgres://`"));
    };
    migrate::run(&db).await?;
    let collections = Arc::new(stores::SqlCollections::new(
        &db,
        beside.map(|beside| beside.join("collections")),
        &options,
    ));
    Ok(SqlStores { db, collections })
}

impl SqlStores {
    /// All stores over this database, and `blobs` beside it.
    #[must_use]
    pub fn stores(&self, blobs: Arc<dyn Blobs>) -> Stores {
        stores::all(&self.db, blobs, self.collections.clone())
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// `Unavailable` when it does not.
    pub async fn ping(&self) -> Result<()> {
        self.db.row("SELECT 1", params![]).await.map(drop)
    }

    /// Waits for what runs, then closes all connections; SQLite's write-ahead log is moved into the database file.
    pub async fn close(&self) {
        self.collections.close().await;
        self.db.close().await;
    }
}

/// The ports' suite once more, with the plan of each statement checked (see `db/plan.rs`).
#[cfg(test)]
mod plans {
    async fn make() -> ((), oriel_store::Stores) {
        let sql = crate::open("sqlite::memory:", crate::SqlOptions::default()).await.unwrap();
        ((), sql.stores(oriel_store::memory::stores().blobs))
    }
    oriel_store::conformance!(make);
}
