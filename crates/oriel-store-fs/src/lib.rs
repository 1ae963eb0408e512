//! Package files and this node's journal in local directories.
//!
//! What lives here: the [`Blobs`] port over files named by their digest, `DIRECTORY/ab/cdef…`, and the
//! [`Journal`](oriel_store::Journal) port over files that are only appended to (`journal.rs`). A blob appears whole or
//! not at all: it is written under another name in `DIRECTORY/tmp`, synced, renamed, and its directories are synced.
//! What may not: knowledge of what is inside a file, and of who still uses it.
//!
//! Start reading at [`FsBlobs::open`] and [`FsJournal::open`].

mod journal;

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Digest;
use oriel_store::{Blobs, Result, StoreError};

pub use self::journal::FsJournal;

/// Where files are before they are whole.
const TEMPORARY: &str = "tmp";

/// Files by digest in one directory; cheap to clone. One process at a time uses a directory.
#[derive(Debug, Clone)]
pub struct FsBlobs {
    directory: Arc<Path>,
    /// Tells temporary files apart.
    next: Arc<AtomicU64>,
}

impl FsBlobs {
    /// Opens a directory, makes it when it is not there, and removes what a crash left half written.
    ///
    /// # Errors
    /// `ReadOnly` when it cannot be written, `Full` when no space is left, `Unavailable` for what else stands against it.
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self> {
        let directory: Arc<Path> = directory.into().into();
        let blobs = Self {
            directory,
            next: Arc::default(),
        };
        blobs.run(Self::prepare).await?;
        Ok(blobs)
    }

    fn prepare(&self) -> io::Result<()> {
        let temporary = self.directory.join(TEMPORARY);
        fs::create_dir_all(&temporary)?;
        for leftover in fs::read_dir(&temporary)? {
            let path = leftover?.path();
            tracing::info!(path = %path.display(), "removing a file that a crash left half written");
            fs::remove_file(path)?;
        }
        // The directory may look writable and lie on a read-only file system: better told now than at the first install.
        let probe = temporary.join("probe");
        File::create(&probe)?;
        fs::remove_file(probe)?;
        sync_directory(&self.directory)
    }

    /// `ab/cdef…`: no directory holds too many files.
    fn path(&self, digest: Digest) -> PathBuf {
        let hex = digest.hex();
        self.directory.join(&hex[..2]).join(&hex[2..])
    }

    fn write(&self, digest: Digest, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(digest);
        // The same content is kept already, unless it was damaged: then it is written anew.
        if fs::metadata(&path).is_ok_and(|known| known.len() == bytes.len() as u64) && fs::read(&path).is_ok_and(|known| known == bytes) {
            return Ok(());
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.directory.join(TEMPORARY).join(format!("{}-{number}", digest.hex()));
        let written = self.write_through(&temporary, &path, bytes);
        if written.is_err() {
            // What cannot be removed now is removed at the next start.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn write_through(&self, temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let shard = path.parent().expect("a blob's path has the shard above it");
        if !shard.is_dir() {
            fs::create_dir_all(shard)?;
            sync_directory(&self.directory)?;
        }
        fs::rename(temporary, path)?;
        sync_directory(shard)
    }

    fn remove(&self, digest: Digest) -> io::Result<()> {
        match fs::remove_file(self.path(digest)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Does file work where it may block.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static) -> Result<T> {
        let blobs = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&blobs)).await;
        done.map_err(|error| StoreError::Unavailable { source: error.into() })?.map_err(map)
    }
}

/// A renamed or new name survives a power loss only when its directory is synced too.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn map(error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full,
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => StoreError::ReadOnly,
        _ => StoreError::Unavailable { source: error.into() },
    }
}

#[async_trait]
impl Blobs for FsBlobs {
    async fn put(&self, digest: Digest, bytes: Bytes) -> Result<()> {
        self.run(move |blobs| blobs.write(digest, &bytes)).await
    }

    async fn get(&self, digest: Digest) -> Result<Option<Bytes>> {
        let read = self.run(move |blobs| match fs::read(blobs.path(digest)) {
            Ok(bytes) => Ok(Some((Digest::of(&bytes) == digest, Bytes::from(bytes)))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        match read.await? {
            Some((true, bytes)) => Ok(Some(bytes)),
            None => Ok(None),
            Some((false, _)) => Err(StoreError::Corrupt {
                what: format!("package {digest}"),
            }),
        }
    }

    async fn delete(&self, digest: Digest) -> Result<()> {
        self.run(move |blobs| blobs.remove(digest)).await
    }
}
