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

/// The manifests of the packages and workspaces that lie beside the workspace (kits, guests, benchmarks), topmost ones
/// only. Templates of author tools are no packages.
pub(crate) fn packages_beside(root: &Path) -> Result<Vec<String>> {
    let files = files(root)?;
    let manifests = files
        .iter()
        .map(|file| file.path.as_str())
        .filter(|path| path.ends_with("/Cargo.toml"));
    Ok(topmost(
        manifests.filter(|path| !path.starts_with("crates/") && !path.starts_with("xtask/")),
    ))
}

/// Those paths in whose directory, or above it, no other one lies.
fn topmost<'a>(manifests: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut sorted: Vec<&str> = manifests.collect();
    sorted.sort_by_key(|path| path.len());
    for path in sorted {
        let below = |other: &String| path.starts_with(other.trim_end_matches("Cargo.toml"));
        if !found.iter().any(below) {
            found.push(path.to_owned());
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_topmost_manifests_count() {
        let paths = [
            "tests/guests/echo/Cargo.toml",
            "tests/guests/Cargo.toml",
            "kits/rust/Cargo.toml",
            "tests/guests-more/Cargo.toml",
        ];
        assert_eq!(
            topmost(paths.into_iter()),
            ["kits/rust/Cargo.toml", "tests/guests-more/Cargo.toml", "tests/guests/Cargo.toml"]
        );
    }
}
