//! The extensions that are measured, built as an author builds them, and variants of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use oriel_package::{Package, ReadLimits};

use crate::server::Server;

/// The package of the answering program in a language.
pub fn answer(language: &str) -> Result<Package> {
    package(&format!("answer-{language}"))
}

/// The package of the guest of this name.
pub fn package(name: &str) -> Result<Package> {
    let file = built(name)?;
    Ok(oriel_package::read(&std::fs::read(file)?, &ReadLimits::default())?.package)
}

/// The component of the answering program, as a file.
pub fn component(language: &str, directory: &Path) -> Result<PathBuf> {
    let file = directory.join(format!("answer-{language}.wasm"));
    std::fs::write(&file, answer(language)?.component.expect("the guests are components"))?;
    Ok(file)
}

fn built(name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = root.join("target/packages");
    std::fs::create_dir_all(&directory)?;
    let file = directory.join(format!("{name}.oriel"));
    let newest = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
    if newest(&file).is_some_and(|built| newest(&Server::binary().unwrap_or_default()).is_none_or(|binary| built > binary)) {
        return Ok(file);
    }
    let status = Command::new(Server::binary()?)
        .arg("pack")
        .arg(root.join("guests").join(name))
        .arg("--output")
        .arg(&file)
        .stdout(std::process::Stdio::null())
        .status()?;
    ensure!(status.success(), "the guest {name} does not build");
    Ok(file)
}

/// The same under another name.
pub fn named(package: &Package, name: &str) -> Result<Package> {
    let mut package = package.clone();
    package.manifest.name = name.parse()?;
    Ok(package)
}

/// The same with other bytes and so another digest: a component that was never compiled.
pub fn distinct(package: &Package, mark: &str) -> Package {
    let mut package = package.clone();
    // A custom section: id 0, its length, the length of its name, its name.
    let name = format!("mark-{mark}");
    let length = u8::try_from(name.len()).expect("marks are short");
    let component = package.component.as_mut().expect("the guests are components");
    component.extend([0, length + 1, length]);
    component.extend(name.as_bytes());
    package
}

pub fn packed(package: &Package) -> Result<Vec<u8>> {
    Ok(oriel_package::pack(package)?.bytes)
}
