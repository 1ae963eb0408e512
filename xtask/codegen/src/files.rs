//! Generated files against what is on disk.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// One generated file.
#[derive(Debug)]
pub(crate) struct Generated {
    /// Relative to the root.
    pub(crate) path: PathBuf,
    /// All of it.
    pub(crate) text: String,
}

/// Directories in which only generated files lie: whatever other file lies there is left over.
const OWNED: &[&str] = &["docs/errors", "schemas"];

/// What was compared and what differed, files left over included.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How many files there should be.
    pub(crate) total: usize,
    /// Those that are missing, differ or are left over.
    pub(crate) differing: Vec<PathBuf>,
}

/// Compares `wanted` with the files under `root` and, unless it only checks, makes them equal.
///
/// # Errors
/// When a file cannot be read, written or removed.
pub(crate) fn reconcile(root: &Path, wanted: &[Generated], check: bool) -> Result<Outcome> {
    let mut differing = Vec::new();
    for file in wanted {
        let path = root.join(&file.path);
        if std::fs::read_to_string(&path).is_ok_and(|text| text == file.text) {
            continue;
        }
        differing.push(file.path.clone());
        if !check {
            let parent = path.parent().context("a generated file lies in a directory")?;
            std::fs::create_dir_all(parent).with_context(|| format!("could not make {}", parent.display()))?;
            std::fs::write(&path, &file.text).with_context(|| format!("could not write {}", path.display()))?;
        }
    }
    for directory in OWNED {
        for entry in std::fs::read_dir(root.join(directory)).into_iter().flatten() {
            let path = Path::new(directory).join(entry?.file_name());
            // What people write by hand may lie in a directory of its own.
            if wanted.iter().any(|file| file.path == path) || root.join(&path).is_dir() {
                continue;
            }
            if !check {
                std::fs::remove_file(root.join(&path)).with_context(|| format!("could not remove {}", path.display()))?;
            }
            differing.push(path);
        }
    }
    Ok(Outcome {
        total: wanted.len(),
        differing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_tells_and_a_write_mends() {
        let root = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| Generated {
            path: PathBuf::from("docs/errors").join(name),
            text: text.to_owned(),
        };
        let differing = |wanted: &[Generated], check| {
            let paths = reconcile(root.path(), wanted, check).unwrap().differing;
            paths
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };

        let first = [file("a.md", "1"), file("b.md", "1")];
        assert_eq!(differing(&first, true), ["a.md", "b.md"], "missing");
        assert_eq!(differing(&first, true), ["a.md", "b.md"], "a check writes nothing");
        assert_eq!(differing(&first, false), ["a.md", "b.md"]);
        assert_eq!(differing(&first, true), [""; 0]);

        let second = [file("a.md", "2")];
        assert_eq!(differing(&second, true), ["a.md", "b.md"], "changed and left over");
        assert_eq!(differing(&second, false), ["a.md", "b.md"]);
        assert_eq!(differing(&second, true), [""; 0]);
        assert!(!root.path().join("docs/errors/b.md").exists());
    }
}
