//! Where scopes lie: files that are opened when they are needed, or schemas of the one database.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use oriel_model::Digest;
use oriel_store::{CollectionScope, Result, StoreError};
use sqlx::AssertSqlSafe;
use tokio::sync::Mutex;

use crate::SqlOptions;
use crate::db::{Db, params};
use crate::error::unavailable;
use crate::sqlite;

/// Files that stay open. Each has a connection that writes and, at need, one that reads.
const OPEN: usize = 128;

const TABLES: &str = include_str!("../../../migrations/collections.sql");

/// The database of one scope.
pub(super) struct Shelf {
    pub(super) db: Db,
    /// The schema's name, of `a-z`, `0-9` and `_`.
    schema: String,
}

impl Shelf {
    /// A statement in which `{s}` stands for the schema.
    pub(super) fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        // Statements are texts of this crate; the schema's name is made from an id and a digest.
        AssertSqlSafe(text.replace("{s}", &self.schema))
    }

    /// Makes the tables that are not there.
    async fn make(&self) -> Result<()> {
        let (types, ending) = match &self.db {
            Db::Sqlite { .. } => (["TEXT", "BLOB"], "WITHOUT ROWID"),
            Db::Postgres(_) => (["TEXT COLLATE \"C\"", "BYTEA"], ""),
        };
        let mut transaction = self.db.begin().await?;
        if matches!(self.db, Db::Postgres(_)) {
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            transaction.rows(lock, params![self.schema.as_str()]).await?;
            transaction.execute(self.sql("CREATE SCHEMA IF NOT EXISTS {s}"), params![]).await?;
        }
        for statement in TABLES.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
            let [words, bytes] = types;
            let statement = statement.replace("@text", words).replace("@blob", bytes).replace("@ending", ending);
            transaction.execute(self.sql(&statement), params![]).await?;
        }
        transaction.commit().await
    }
}

/// Where the scopes of a database are.
pub(super) struct Shelves {
    place: Place,
    open: Mutex<Open>,
}

enum Place {
    /// Files below a directory.
    Files { directory: PathBuf, options: SqlOptions },
    /// Nowhere: they live as long as this.
    Memory(SqlOptions),
    /// Schemas.
    Schemas(Db),
}

#[derive(Default)]
struct Open {
    shelves: HashMap<CollectionScope, (Arc<Shelf>, u64)>,
    uses: u64,
    /// Schemas that are known to be there.
    known: HashSet<CollectionScope>,
}

impl Shelves {
    pub(super) fn new(db: &Db, directory: Option<PathBuf>, options: &SqlOptions) -> Self {
        let options = SqlOptions {
            readers: 1,
            ..options.clone()
        };
        let place = match (db, directory) {
            (Db::Postgres(_), _) => Place::Schemas(db.clone()),
            (Db::Sqlite { .. }, Some(directory)) => Place::Files { directory, options },
            (Db::Sqlite { .. }, None) => Place::Memory(options),
        };
        Self {
            place,
            open: Mutex::default(),
        }
    }

    /// The scope's database; nothing when there is none and none is to be made.
    pub(super) async fn open(&self, scope: &CollectionScope, make: bool) -> Result<Option<Arc<Shelf>>> {
        let mut open = self.open.lock().await;
        open.uses += 1;
        let uses = open.uses;
        if let Some((shelf, used)) = open.shelves.get_mut(scope) {
            *used = uses;
            return Ok(Some(shelf.clone()));
        }
        let shelf = match &self.place {
            Place::Schemas(db) => {
                let shelf = Shelf {
                    db: db.clone(),
                    schema: schema(scope),
                };
                if make {
                    shelf.make().await?;
                    open.known.insert(scope.clone());
                } else if !open.known.contains(scope) {
                    let there = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
                    let row = db.row(there, params![shelf.schema.as_str()]).await?;
                    if row.map_or(Ok(0), |row| row.int(0))? == 0 {
                        return Ok(None);
                    }
                    open.known.insert(scope.clone());
                }
                return Ok(Some(Arc::new(shelf)));
            }
            Place::Memory(_) if !make => return Ok(None),
            Place::Memory(options) => in_file(":memory:", options).await?,
            Place::Files { directory, options } => {
                let file = file(directory, scope);
                if !make && !tokio::fs::try_exists(&file).await.map_err(unavailable)? {
                    return Ok(None);
                }
                if let Some(parent) = file.parent() {
                    tokio::fs::create_dir_all(parent).await.map_err(refused)?;
                }
                let path = file.to_str().ok_or_else(|| unavailable("the data directory's path is not UTF-8"))?;
                in_file(path, options).await?
            }
        };
        let shelf = Arc::new(shelf);
        open.shelves.insert(scope.clone(), (shelf.clone(), uses));
        if open.shelves.len() > OPEN && matches!(self.place, Place::Files { .. }) {
            let idle = open.shelves.iter().filter(|(_, (shelf, _))| Arc::strong_count(shelf) == 1);
            let oldest = idle.min_by_key(|(_, (_, used))| *used).map(|(scope, _)| scope.clone());
            if let Some((oldest, _)) = oldest.and_then(|oldest| open.shelves.remove(&oldest)) {
                oldest.db.close().await;
            }
        }
        Ok(Some(shelf))
    }

    /// Drops the scope's database.
    pub(super) async fn forget(&self, scope: &CollectionScope) -> Result<()> {
        let mut open = self.open.lock().await;
        open.known.remove(scope);
        if let Some((shelf, _)) = open.shelves.remove(scope) {
            shelf.db.close().await;
        }
        match &self.place {
            Place::Memory(_) => Ok(()),
            Place::Schemas(db) => {
                // The name is made from an id and a digest.
                let drop = AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {} CASCADE", schema(scope)));
                db.write(drop, params![]).await.map(|_| ())
            }
            Place::Files { directory, .. } => {
                let file = file(directory, scope);
                for ending in ["", "-wal", "-shm"] {
                    let mut name = file.clone().into_os_string();
                    name.push(ending);
                    match tokio::fs::remove_file(&name).await {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(refused(error)),
                        _ => {}
                    }
                }
                // It goes when it was the tenant's last one.
                if let Some(parent) = file.parent() {
                    let _ = tokio::fs::remove_dir(parent).await;
                }
                Ok(())
            }
        }
    }

    /// Closes every file.
    pub(super) async fn close(&self) {
        let mut open = self.open.lock().await;
        for (_, (shelf, _)) in open.shelves.drain() {
            shelf.db.close().await;
        }
    }
}

async fn in_file(path: &str, options: &SqlOptions) -> Result<Shelf> {
    let shelf = Shelf {
        db: sqlite::open(path, options).await?,
        schema: "main".to_owned(),
    };
    shelf.make().await?;
    Ok(shelf)
}

fn refused(error: std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly,
        std::io::ErrorKind::StorageFull => StoreError::Full,
        _ => unavailable(error),
    }
}

/// Ids and names hold nothing that a path could be led astray by.
fn file(directory: &std::path::Path, scope: &CollectionScope) -> PathBuf {
    directory.join(scope.tenant.to_string()).join(format!("{}.db", scope.extension))
}

/// PostgreSQL's names have 63 bytes at most: the tenant as it is, the extension by its digest.
fn schema(scope: &CollectionScope) -> String {
    let extension = Digest::of(scope.extension.as_str().as_bytes()).to_string();
    let extension: String = extension.chars().rev().take(16).collect();
    format!("oriel_{}_{extension}", scope.tenant.ulid().to_string().to_lowercase())
}
