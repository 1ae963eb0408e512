//! Opening SQLite.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use oriel_store::{Result, StoreError};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::db::Db;
use crate::error::{is_busy, map};
use crate::{SqlOptions, Synchronous};

/// Bytes of a page: SQLite's own default, and the page of most file systems.
const PAGE: u32 = 4_096;

/// The directory of a database file; nothing for one in memory.
pub(crate) fn directory(path: &str) -> Option<PathBuf> {
    let file = Path::new(path.strip_prefix("//").unwrap_or(path));
    (path != ":memory:").then(|| file.parent().map(Path::to_path_buf).unwrap_or_default())
}

pub(crate) async fn open(path: &str, options: &SqlOptions) -> Result<Db> {
    let connect = SqliteConnectOptions::new()
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(options.patience)
        .statement_cache_capacity(200)
        .synchronous(match options.synchronous {
            Synchronous::Normal => SqliteSynchronous::Normal,
            Synchronous::Full => SqliteSynchronous::Full,
        })
        // 16 MiB of cache for each connection (in KiB, hence the sign) and reading through a map of the file.
        .pragma("cache_size", "-16384")
        .pragma("mmap_size", "268435456")
        // A checkpoint each 16 MiB of log instead of each 4: fewer waits for the disk under load.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864")
        .pragma("temp_store", "memory");

    let connect = match options.max_size {
        Some(bytes) => connect.pragma("max_page_count", (bytes / u64::from(PAGE)).max(1).to_string()),
        None => connect,
    };

    if path == ":memory:" {
        // Each connection to `:memory:` is a database of its own: one connection, which is never given up.
        let only = pool(1, options).connect_with(connect.in_memory(true)).await.map_err(map)?;
        return Ok(Db::Sqlite {
            writer: only.clone(),
            readers: only,
        });
    }

    let file = Path::new(path.strip_prefix("//").unwrap_or(path));
    let connect = connect.filename(file).page_size(PAGE);
    let writer = writer(file, &connect, options).await?;
    let readers = pool(options.readers.max(1), options)
        .min_connections(0)
        .connect_lazy_with(connect.create_if_missing(false));
    Ok(Db::Sqlite { writer, readers })
}

fn pool(connections: u32, options: &SqlOptions) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(options.patience)
        // A local file does not go away: asking it first would double the cost of a read.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Connects for writing and switches to the write-ahead log. SQLite does not wait for the lock that the switch needs, so
/// when several processes open a new file at once, the later ones try again.
async fn writer(file: &Path, connect: &SqliteConnectOptions, options: &SqlOptions) -> Result<SqlitePool> {
    let connect = connect.clone().journal_mode(SqliteJournalMode::Wal);
    let start = Instant::now();
    loop {
        match pool(1, options).connect_with(connect.clone()).await {
            Ok(pool) => return Ok(pool),
            Err(error) if is_busy(&error) && start.elapsed() < options.patience => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => return Err(refused(file, error)),
        }
    }
}

/// SQLite says "unable to open database file" whatever the reason; asking the file system tells which it was.
fn refused(file: &Path, error: sqlx::Error) -> StoreError {
    let open = std::fs::OpenOptions::new().append(true).create(true).open(file);
    match open.map_err(|cause| cause.kind()) {
        Err(std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem) => StoreError::ReadOnly,
        Err(std::io::ErrorKind::StorageFull) => StoreError::Full,
        _ => map(error),
    }
}
