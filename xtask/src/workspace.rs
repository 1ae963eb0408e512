//! What the repository holds: its root, its files, its packages.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell::{cargo, run};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // xtask lies directly under the root; the path is the one it was built in.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or(own.clone(), Path::to_path_buf)
}

/// Where build products and downloads go.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A path as people write it in the root: without the root, when it lies below it.
pub(crate) fn short(path: &Path) -> PathBuf {
    path.strip_prefix(root()).unwrap_or(path).to_owned()
}

/// One file of the repository, with its path relative to the root.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    /// Its text; files that are not UTF-8 are not listed.
    pub(crate) text: String,
}

/// Every text file that git knows or would add, in order.
pub(crate) fn files(root: &Path) -> Result<Vec<SourceFile>> {
    let listed = run("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .directory(root)
        .hint("tidy reads the list of files from git")
        .read()?;
    let mut paths: Vec<&str> = listed.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    Ok(paths
        .into_iter()
        .filter_map(|path| {
            // A file deleted in the working tree but not yet in the index is no file; a binary one has no text.
            let text = String::from_utf8(std::fs::read(root.join(path)).ok()?).ok()?;
            Some(SourceFile {
                path: path.to_owned(),
                text,
            })
        })
        .collect())
}

/// `cargo metadata` of the workspace. With `resolve`, third-party packages too.
pub(crate) fn metadata(root: &Path, resolve: bool) -> Result<Value> {
    let mut command = cargo().args(["metadata", "--format-version=1", "--locked"]).directory(root);
    if !resolve {
        command = command.args(["--no-deps"]);
    }
    serde_json::from_str(&command.read()?).context("cargo metadata did not answer JSON")
}

/// The Rust files of the packages and workspaces that lie beside the workspace: kits, guests, examples, benchmarks.
/// Templates of author tools are no packages.
pub(crate) fn sources_beside(root: &Path) -> Result<Vec<String>> {
    let beside = |path: &String| path.ends_with(".rs") && !path.starts_with("crates/") && !path.starts_with("xtask/");
    Ok(files(root)?.into_iter().map(|file| file.path).filter(beside).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_beside_the_workspace_are_its_neighbours_alone() {
        let files = sources_beside(&root()).expect("the repository lists its files");
        assert!(files.iter().any(|path| path.starts_with("kits/rust/")), "{files:?}");
        assert!(!files.iter().any(|path| path.starts_with("crates/")), "{files:?}");
    }
}
