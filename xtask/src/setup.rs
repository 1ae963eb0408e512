//! What a machine needs to build and test this repository, and how it gets there. Every part looks first and installs
//! only what is missing, so that a second run does nothing.

mod debian;
mod remote;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

pub(crate) use self::remote::{dotnet, go};
use crate::shell::{have, run};
use crate::{ui, workspace};

/// The targets of rust-toolchain.toml that rustup adds by itself unless told not to.
const TARGETS: &[&str] = &["wasm32-wasip2", "wasm32-unknown-unknown"];

/// The oldest Node that the JavaScript tools run on.
const NODE: u32 = 20;

/// Installs what is missing.
///
/// # Errors
/// Names what is missing and cannot be installed.
pub(crate) fn setup() -> Result<()> {
    ui::step("setup");
    languages()?;
    python_tools()?;
    go()?;
    dotnet()?;
    postgres()?;
    ui::line("setup: everything is there");
    Ok(())
}

/// What building Oriel and extensions in every language needs, without the tools of the tests.
///
/// # Errors
/// Names what is missing and cannot be installed.
pub(crate) fn languages() -> Result<()> {
    rust()?;
    node()?;
    python()
}

fn rust() -> Result<()> {
    for target in TARGETS {
        let library = run("rustc").args(["--print", "target-libdir", "--target", target]).read()?;
        if !Path::new(library.trim()).is_dir() {
            run("rustup")
                .args(["target", "add", target])
                .hint("install the toolchain of rust-toolchain.toml with rustup")
                .go()?;
        }
    }
    for (component, command) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !run("cargo").args([command, "--version"]).succeeds() {
            run("rustup")
                .args(["component", "add", component])
                .hint("install the toolchain of rust-toolchain.toml with rustup")
                .go()?;
        }
    }
    Ok(())
}

/// Makes sure of Node and npm.
///
/// # Errors
/// When they are missing and cannot be installed, or are too old.
pub(crate) fn node() -> Result<()> {
    if !have("node") || !have("npm") {
        debian::install(&["nodejs", "npm"], "JavaScript extensions are built with Node")?;
    }
    let version = run("node").args(["--version"]).read()?;
    match major(&version) {
        Some(found) if found >= NODE => Ok(()),
        _ => bail!("Node {NODE} or newer is needed; this one is {}", version.trim()),
    }
}

/// Makes sure of the client that loads servers under measurement.
///
/// # Errors
/// When it is missing and cannot be installed.
pub(crate) fn wrk() -> Result<()> {
    if have("wrk") {
        return Ok(());
    }
    debian::install(&["wrk"], "the benchmarks load servers with it")
}

fn python() -> Result<()> {
    let check = |code| run("python3").args(["-c", code]);
    if !check("import ensurepip, venv").succeeds() {
        debian::install(&["python3", "python3-venv"], "Python extensions are built in a virtual environment")?;
    }
    if check("import sys; sys.exit(sys.version_info < (3, 10))").succeeds() {
        return Ok(());
    }
    bail!(
        "Python 3.10 or newer is needed; this one is {}",
        check("import platform; print(platform.python_version())").read()?.trim()
    );
}

/// A virtual environment with the pinned tools of the tests, made anew when the list changes; answers its `python`.
///
/// # Errors
/// When it cannot be made, or a package cannot be installed.
pub(crate) fn python_tools() -> Result<PathBuf> {
    let wanted = std::fs::read(workspace::root().join("xtask/data/python-requirements.txt"))?;
    let environment = workspace::target().join("tools/python");
    let (python, done) = (environment.join("bin/python"), environment.join(".done"));
    if std::fs::read(&done).is_ok_and(|last| last == wanted) {
        return Ok(python);
    }
    run("python3").args(["-m", "venv", "--clear"]).args([&environment]).go()?;
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--requirement",
        "xtask/data/python-requirements.txt",
    ];
    run(&python)
        .args(pip)
        .directory(&workspace::root())
        .hint("the tests' Python tools come from PyPI")
        .go()?;
    std::fs::write(done, wanted)?;
    Ok(python)
}

fn postgres() -> Result<()> {
    if postgres_programs().is_none() {
        debian::install(&["postgresql"], "the storage tests start a PostgreSQL server of their own")?;
    }
    match postgres_programs() {
        Some(_) => Ok(()),
        None => bail!("PostgreSQL's server programs (initdb, postgres) are not on PATH nor in /usr/lib/postgresql"),
    }
}

/// Where `initdb` is, as the test helper looks for it.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .chain(std::env::split_paths(&path))
        .find(|directory| directory.join("initdb").is_file())
}

/// The first number of a version such as `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("18.0"), Some(18));
        assert_eq!(major("none"), None);
    }
}
