//! What authors' commands and installing share: a project's directory or a package's file turned into a package.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use oriel_author::{BuildOptions, BuildReport};
use oriel_model::ErrorCode;
use oriel_model::manifest::{Build, Manifest};
use oriel_package::{Package, ReadLimits};

use crate::error::{Failure, Result};
use crate::ui::{Paint, Ui, clean};

/// A package in memory.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Its manifest.
    pub(crate) manifest: Manifest,
    /// The file's bytes.
    pub(crate) bytes: Bytes,
    /// Its digest.
    pub(crate) digest: oriel_model::Digest,
}

/// Builds the project in `dir`; says what takes long, and what the compiler warned of.
pub(crate) async fn build(ui: &Ui, dir: &Path, force: bool) -> Result<BuildReport> {
    let teller = ui.clone();
    let progress = Arc::new(move |line: &str| teller.note(&teller.paint_error(Paint::Faint, &clean(line))));
    let options = BuildOptions {
        force,
        progress: Some(progress),
        ..BuildOptions::default()
    };
    let dir = dir.to_owned();
    let report = tokio::task::spawn_blocking(move || oriel_author::build(&dir, &options))
        .await
        .map_err(|error| Failure::new(ErrorCode::Internal, format!("the build stopped: {error}")))?
        .map_err(|error| Failure::of(&error))?;
    if !report.warnings.trim().is_empty() {
        ui.note(clean(report.warnings.trim_end()).as_ref());
    }
    Ok(report)
}

/// Builds the project in `dir`, unless it is remote and has nothing to build.
pub(crate) async fn build_if_any(ui: &Ui, dir: &Path, force: bool) -> Result<()> {
    let (manifest, _) = read(dir)?;
    if manifest.remote.is_none() {
        build(ui, dir, force).await?;
    }
    Ok(())
}

/// The manifest of a project, and how it is built or started.
pub(crate) fn read(dir: &Path) -> Result<(Manifest, Build)> {
    oriel_package::read_project(dir).map_err(|error| Failure::of(&error))
}

/// The package of a project, its component as it was built last.
pub(crate) fn package(dir: &Path) -> Result<Package> {
    oriel_package::from_directory(dir).map_err(|error| Failure::of(&error))
}

/// Packs it.
pub(crate) fn pack(package: &Package) -> Result<Loaded> {
    let packed = oriel_package::pack(package).map_err(|error| Failure::of(&error))?;
    Ok(Loaded {
        manifest: package.manifest.clone(),
        bytes: packed.bytes.into(),
        digest: packed.digest,
    })
}

/// The package behind an argument: a project's directory, which is built first, or a package's file.
pub(crate) async fn load(ui: &Ui, target: &Path, no_build: bool) -> Result<Loaded> {
    let about = std::fs::metadata(target).map_err(|error| Failure::file(target, &error))?;
    if about.is_dir() {
        if !no_build {
            build_if_any(ui, target, false).await?;
        }
        return pack(&package(target)?);
    }
    if target.file_name().is_some_and(|name| name == oriel_author::MANIFEST_FILE) {
        return Err(Failure::usage("name the project's directory, not its manifest"));
    }
    let bytes = std::fs::read(target).map_err(|error| Failure::file(target, &error))?;
    let unpacked = oriel_package::read(&bytes, &ReadLimits::default()).map_err(|error| Failure::of(&error))?;
    Ok(Loaded {
        manifest: unpacked.package.manifest,
        bytes: bytes.into(),
        digest: unpacked.digest,
    })
}

/// The argument that names a project: the working directory when it is absent.
pub(crate) fn directory(argument: Option<&PathBuf>) -> PathBuf {
    argument.cloned().unwrap_or_else(|| PathBuf::from("."))
}

/// `12.3 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1_024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}
