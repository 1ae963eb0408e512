//! Which files of a project matter, and when they changed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use oriel_model::ErrorCode;
use tokio::sync::mpsc;

use crate::error::{Failure, Result};

/// Editors write a file in several steps: a change counts once nothing moved for so long.
const SETTLE: Duration = Duration::from_millis(60);
/// Directories that builds fill.
const BUILT: [&str; 5] = ["target", "build", "dist", "node_modules", "__pycache__"];

/// Watches a project's sources.
pub(super) struct Watch {
    dir: PathBuf,
    watcher: RecommendedWatcher,
    watched: HashSet<PathBuf>,
    changes: mpsc::UnboundedReceiver<()>,
}

impl Watch {
    /// Starts watching.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let dir = dir.canonicalize().map_err(|error| Failure::file(dir, &error))?;
        let (sender, changes) = mpsc::unbounded_channel();
        let root = dir.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error means that notices were lost: better look once too often.
            let counts = event.map_or(true, |event| matters(&root, &event));
            if counts {
                let _ = sender.send(());
            }
        })?;
        let mut watch = Self {
            dir,
            watcher,
            watched: HashSet::new(),
            changes,
        };
        watch.cover()?;
        Ok(watch)
    }

    /// Watches what is not watched yet: the directory itself, and each directory of sources in it with all below. The
    /// ones that builds fill are left out; they can hold more directories than the system watches.
    fn cover(&mut self) -> Result<()> {
        if self.watched.insert(self.dir.clone()) {
            self.watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
        }
        let entries = std::fs::read_dir(&self.dir).map_err(|error| Failure::file(&self.dir, &error))?;
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() && !ignored(&path, &self.dir) && self.watched.insert(path.clone()) {
                self.watcher.watch(&path, RecursiveMode::Recursive)?;
            }
        }
        self.watched.retain(|path| path.exists());
        Ok(())
    }

    /// Waits until something changed and settled.
    pub(super) async fn changed(&mut self) -> Result<()> {
        let gone = || Failure::new(ErrorCode::Internal, "the watching of files stopped");
        self.changes.recv().await.ok_or_else(gone)?;
        while let Ok(next) = tokio::time::timeout(SETTLE, self.changes.recv()).await {
            next.ok_or_else(gone)?;
        }
        self.cover()
    }
}

fn matters(root: &Path, event: &Event) -> bool {
    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(|path| !ignored(path, root))
}

/// Whether a path is hidden, built, or an editor's own.
fn ignored(path: &Path, root: &Path) -> bool {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name.starts_with('.') || name.ends_with('~') || BUILT.contains(&name.as_ref())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_matter_and_built_files_do_not() {
        let root = Path::new("/p");
        for (path, expected) in [
            ("/p/src/lib.rs", false),
            ("/p/extension.toml", false),
            ("/p/target/debug/x", true),
            ("/p/.oriel/build/wit/a", true),
            ("/p/src/.lib.rs.swp", true),
            ("/p/src/lib.rs~", true),
            ("/p/src/__pycache__/a.pyc", true),
        ] {
            assert_eq!(ignored(Path::new(path), root), expected, "{path}");
        }
    }
}
