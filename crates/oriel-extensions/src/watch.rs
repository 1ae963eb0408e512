//! A watched directory: packages that appear in it are installed for one tenant, newer ones upgrade.
//!
//! The operator who can write there has consented: permissions are granted. A file that cannot be installed is
//! reported in the log once and looked at again when it changes. Removing a file uninstalls nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecursiveMode, Watcher as _};
use oriel_access::Actor;
use oriel_model::access::Tenant;
use tokio::sync::mpsc;

use crate::change::Change;
use crate::install::{Consent, InstallOptions};
use crate::{ExtensionError, Extensions};

/// A file is taken once it has not changed for so long: somebody may still be copying it.
const SETTLE: Duration = Duration::from_millis(300);
/// The directory is also read without a notice, because network file systems send none.
const SWEEP: Duration = Duration::from_secs(30);

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Seen = HashMap<PathBuf, (SystemTime, u64)>;

impl Extensions {
    /// Installs what lies in `directory` for `tenant` and goes on watching it.
    ///
    /// # Errors
    /// When the directory cannot be watched.
    pub fn watch(&self, directory: PathBuf, tenant: Tenant) -> Result<Watcher, notify::Error> {
        let (wake, mut woken) = mpsc::channel(1);
        let mut notices = notify::recommended_watcher(move |_| {
            // A full channel means that a look is due anyway.
            let _ = wake.try_send(());
        })?;
        notices.watch(&directory, RecursiveMode::NonRecursive)?;
        let service = self.clone();
        let task = tokio::spawn(async move {
            let _notices = notices;
            let mut seen = Seen::new();
            loop {
                let settled = service.sweep(&directory, &tenant, &mut seen).await;
                let wait = if settled { SWEEP } else { SETTLE };
                let _ = tokio::time::timeout(wait, woken.recv()).await;
            }
        });
        Ok(Watcher { task })
    }

    /// Installs new and changed packages; answers whether all files had settled.
    async fn sweep(&self, directory: &Path, tenant: &Tenant, seen: &mut Seen) -> bool {
        let mut settled = true;
        for (path, modified, size) in packages_in(directory) {
            if seen.get(&path) == Some(&(modified, size)) {
                continue;
            }
            if modified.elapsed().is_ok_and(|age| age < SETTLE) {
                settled = false;
                continue;
            }
            seen.insert(path.clone(), (modified, size));
            match self.take(&path, tenant).await {
                Ok(version) => tracing::info!(path = %path.display(), %version, "installed from the watched directory"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot install from the watched directory"),
            }
        }
        seen.retain(|path, _| path.exists());
        settled
    }

    async fn take(&self, path: &Path, tenant: &Tenant) -> Result<semver::Version, ExtensionError> {
        let bytes = tokio::fs::read(path)
            .await
            .map_err(|error| oriel_store::StoreError::Unavailable { source: Box::new(error) })?;
        let prepared = self.prepare(bytes.into()).await?;
        let change = Change {
            actor: Actor::System,
            tenant: tenant.id,
            tenant_name: &tenant.name,
        };
        let name = prepared.release.manifest.name.clone();
        let version = prepared.release.manifest.version.clone();
        match self.find(tenant.id, name.as_str()).await {
            // An older file that lies beside a newer one must not win.
            Ok(present) if present.release.manifest.version >= version => Ok(present.release.manifest.version),
            Ok(_) => self
                .upgrade_prepared(&change, name.as_str(), prepared, &Consent::All, None)
                .await
                .map(|_| version),
            Err(ExtensionError::NotFound { .. }) => {
                let options = InstallOptions::new(Consent::All, true);
                self.install_prepared(&change, prepared, options).await.map(|_| version)
            }
            Err(error) => Err(error),
        }
    }
}

/// Package files in a directory, in the order of their names, so that several versions come in a stable order.
fn packages_in(directory: &Path) -> Vec<(PathBuf, SystemTime, u64)> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut packages: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "oriel"))
        .filter_map(|path| {
            let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
            Some((path, metadata.modified().ok()?, metadata.len()))
        })
        .collect();
    packages.sort();
    packages
}
