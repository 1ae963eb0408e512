//! What the server keeps beside its stores: the lock on its data directory, its secret key, its name.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use oriel_access::Sealer;
use oriel_model::time::{Clock as _, SystemClock};

use super::ServerError;
use crate::config::{Config, Secret};

/// Held while the server runs; the system releases it when the process ends, however it ends.
pub(super) struct Lock(#[expect(dead_code, reason = "dropping it unlocks")] File);

/// Makes the data directory if need be and claims it for this process.
pub(super) fn claim(data_dir: &Path) -> Result<Lock, ServerError> {
    let failed = |path: PathBuf| move |source| ServerError::DataDir { path, source };
    std::fs::create_dir_all(data_dir).map_err(failed(data_dir.to_owned()))?;
    let path = data_dir.join("oriel.lock");
    let file = private().create(true).truncate(false).open(&path).map_err(failed(path.clone()))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(ServerError::Locked { path: data_dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(failed(path)(source)),
    }
}

/// A sealer under the configured key, or under the one in the data directory.
pub(super) fn sealer(config: &Config) -> Result<Sealer, ServerError> {
    let key = match &config.master_key {
        Some(key) => key.clone(),
        None => Secret::new(kept(&config.data_dir.join("secret.key"), Sealer::generate_key)?),
    };
    Sealer::from_base64(key.reveal()).map_err(|source| ServerError::MasterKey { source })
}

/// The configured name of this node, or the one in the data directory.
pub(super) fn node_id(config: &Config) -> Result<String, ServerError> {
    match &config.node_id {
        Some(id) => Ok(id.clone()),
        None => kept(&config.data_dir.join("node.id"), || {
            let ulid = oriel_model::id::next_ulid(SystemClock.now());
            format!("node_{}", ulid.to_string().to_ascii_lowercase())
        }),
    }
}

/// The text of a file; without the file, a new text, written whole or not at all.
fn kept(path: &Path, new: impl FnOnce() -> String) -> Result<String, ServerError> {
    let failed = |source| ServerError::DataDir {
        path: path.to_owned(),
        source,
    };
    match std::fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let text = new();
    let half = path.with_extension("new");
    let mut file = private().create(true).truncate(true).open(&half).map_err(failed)?;
    file.write_all(format!("{text}\n").as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    std::fs::rename(&half, path).map_err(failed)?;
    Ok(text)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_kept_stays_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let config = Config {
            data_dir: directory.path().to_owned(),
            ..Config::default()
        };
        assert_eq!(node_id(&config).unwrap(), node_id(&config).unwrap());
        let sealed = sealer(&config).unwrap().seal("here", b"text");
        assert_eq!(sealer(&config).unwrap().open("here", &sealed).unwrap(), b"text");
        let mode = std::fs::metadata(directory.path().join("secret.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_data_directory_has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let first = claim(directory.path()).unwrap();
        assert!(matches!(claim(directory.path()), Err(ServerError::Locked { .. })));
        drop(first);
        assert!(claim(directory.path()).is_ok());
    }
}
