//! Reading what an author wrote: a directory with `extension.toml`, the built component, README and assets.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use oriel_model::manifest::{self, Build, Manifest};

use crate::limits::within;
use crate::{Asset, Package, PackageError, ReadLimits};

/// Reads `extension.toml` in `directory`, with the schema files that it refers to.
///
/// # Errors
/// When the file cannot be read, or with every problem in it.
pub fn read_project(directory: &Path) -> Result<(Manifest, Build), PackageError> {
    let path = directory.join(manifest::FILE_NAME);
    // One byte more than the parser accepts lets it say that the file is too long.
    let bytes = bounded(&path, manifest::MAX_BYTES + 1).map_err(|source| PackageError::File { path, source })?;
    let resolve = |name: &str| -> Result<String, String> {
        let path = below(directory, name).map_err(|error| describe(&error))?;
        let bytes = bounded(&path, oriel_model::schema::MAX_SCHEMA_BYTES + 1).map_err(|error| describe(&error))?;
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
    };
    Ok(manifest::parse_bytes(&bytes, &resolve)?)
}

/// Reads everything that a package of `directory` holds: `extension.toml`, the component where `[build]` says,
/// `README.md` if there is one, and the assets that `[build]` names. The component must have been built.
///
/// # Errors
/// When a file cannot be read, is too large, or lies outside of the directory, or the manifest has problems.
pub fn from_directory(directory: &Path) -> Result<Package, PackageError> {
    let limits = ReadLimits::default();
    let (manifest, build) = read_project(directory)?;
    let component = match &manifest.remote {
        Some(_) => None,
        None => Some(file(
            directory,
            &build.component_path(&manifest.name),
            "the component",
            limits.component,
        )?),
    };
    let readme = match file(directory, "README.md", "the README", limits.readme) {
        Ok(bytes) => Some(String::from_utf8(bytes).map_err(|_| PackageError::invalid("README.md is not UTF-8 text"))?),
        Err(PackageError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut assets = Vec::new();
    for name in &build.assets {
        collect(directory, name.trim_end_matches('/'), &limits, &mut assets)?;
    }
    assets.sort_by(|a, b| a.path.cmp(&b.path));
    assets.dedup_by(|a, b| a.path == b.path);
    Ok(Package {
        manifest,
        component,
        readme,
        assets,
        sbom: None,
    })
}

/// Adds a file, or all files below a directory.
fn collect(directory: &Path, name: &str, limits: &ReadLimits, assets: &mut Vec<Asset>) -> Result<(), PackageError> {
    let mut open = vec![name.to_owned()];
    while let Some(name) = open.pop() {
        let path = directory.join(&name);
        let fail = |source| PackageError::File {
            path: path.clone(),
            source,
        };
        let kind = fs::symlink_metadata(&path).map_err(fail)?.file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(&path).map_err(fail)? {
                let entry = entry.map_err(fail)?;
                let below = entry.file_name();
                let below = below
                    .to_str()
                    .ok_or_else(|| PackageError::invalid(format!("a name in `{name}` is not UTF-8")))?;
                open.push(format!("{name}/{below}"));
            }
        } else if kind.is_file() {
            if assets.len() >= limits.entries {
                return Err(PackageError::TooMany { limit: limits.entries });
            }
            let path = name
                .split('/')
                .filter(|part| !matches!(*part, "" | "."))
                .collect::<Vec<_>>()
                .join("/");
            let bytes = file(directory, &name, &format!("the asset `{name}`"), limits.asset)?;
            assets.push(Asset { path, bytes });
        } else {
            return Err(PackageError::invalid(format!(
                "the asset `{name}` is a link or special file; put the file itself there"
            )));
        }
    }
    Ok(())
}

fn file(directory: &Path, name: &str, what: &str, limit: usize) -> Result<Vec<u8>, PackageError> {
    let path = directory.join(name);
    let bytes = below(directory, name)
        .and_then(|path| bounded(&path, limit.saturating_add(1)))
        .map_err(|source| PackageError::File { path, source })?;
    within(what, bytes.len(), limit)?;
    Ok(bytes)
}

/// The real path of a file that must lie in the directory, links followed.
fn below(directory: &Path, name: &str) -> io::Result<PathBuf> {
    let root = directory.canonicalize()?;
    let path = directory.join(name).canonicalize()?;
    if path.starts_with(&root) {
        return Ok(path);
    }
    Err(io::Error::other("it lies outside of the extension's directory"))
}

/// At most `limit` bytes of a file; never a device or pipe, which might not end.
fn bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn describe(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "there is no such file".to_owned()
    } else {
        error.to_string()
    }
}
