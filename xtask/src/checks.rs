//! What CI runs: tests and checks; and the other programs that this door leads to.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell::{cargo, run};
use crate::{codegen, fuzz, setup, tidy, ui, workspace};

/// Sets the machine up and runs every test.
///
/// # Errors
/// When something is missing or a test fails.
pub(crate) fn test() -> Result<()> {
    setup::setup()?;
    let root = workspace::root();
    ui::step("tests");
    cargo().args(["test", "--workspace", "--locked"]).directory(&root).go()?;
    ui::step("tests of the Rust kit");
    // Not a member of the workspace: it is what authors build with, for another target. As a library it has no lock file.
    let kit = ["test", "--all-features", "--manifest-path", "kits/rust/Cargo.toml", "--target-dir"];
    cargo().args(kit).args([workspace::target().join("kits")]).directory(&root).go()?;
    ui::step("tests of the JavaScript kit");
    run("node")
        .args(["--test", "--test-reporter", "dot"])
        .directory(&root.join("kits/javascript"))
        .go()?;
    ui::step("tests of the Python kit");
    let pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider"];
    run(setup::python_tools()?).args(pytest).directory(&root.join("kits/python")).go()?;
    ui::step("tests beside the extensions' cases");
    run(setup::python_tools()?)
        .args(pytest)
        .directory(&root.join("extensions/adaptive-sampler"))
        .go()?;
    // The kit that its manifest names was laid down when the workspace's tests built it.
    let sampler = [
        "test",
        "--quiet",
        "--manifest-path",
        "extensions/reservoir-sampler/Cargo.toml",
        "--target-dir",
    ];
    cargo()
        .args(sampler)
        .args([workspace::target().join("kits")])
        .directory(&root)
        .go()?;
    ui::step("tests of the Go kit");
    setup::go()?
        .run("go")
        .args(["test", "./..."])
        .directory(&root.join("kits/go"))
        .go()?;
    ui::step("tests of the C# kit");
    let tests = root.join("kits/dotnet/tests");
    setup::dotnet()?.run("dotnet").args(["run"]).directory(&tests).go()?;
    fuzz::fuzz()
}

/// Runs every check that is not a test, all of them even when one fails.
///
/// # Errors
/// When one of them finds a problem.
pub(crate) fn lint() -> Result<()> {
    let root = workspace::root();
    let clippy = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny=warnings",
    ];
    let checks: [(&str, &dyn Fn() -> Result<()>); 5] = [
        ("format", &|| format(&root)),
        ("tidy", &tidy::tidy),
        ("clippy", &|| cargo().args(clippy).directory(&root).go()),
        ("generated files", &|| codegen::codegen(true)),
        ("cargo-deny", &|| deny(&root)),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        ui::step(name);
        if let Err(error) = check() {
            ui::error(&format!("{error:#}"));
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    bail!("lint found problems in: {}", failed.join(", "))
}

/// The form of all Rust code: the workspace's, and that of the packages beside it.
fn format(root: &Path) -> Result<()> {
    let hint = "`cargo fmt --all` mends it";
    cargo().args(["fmt", "--all", "--check"]).directory(root).hint(hint).go()?;
    // By file: an example's manifest points to a kit that only `oriel build` lays down, and cargo would want to read it.
    let files = workspace::sources_beside(root)?;
    let hint = "`rustfmt --edition 2024 FILE` mends it";
    run("rustfmt")
        .args(["--check", "--edition", "2024"])
        .args(&files)
        .directory(root)
        .hint(hint)
        .go()
}

/// tidy already checks licences, sources and bans by the same file; cargo-deny adds to that where it is installed.
fn deny(root: &Path) -> Result<()> {
    if !run("cargo-deny").args(["--version"]).succeeds() {
        ui::line("not installed: tidy has checked licences, sources and bans by deny.toml");
        return Ok(());
    }
    cargo()
        .args(["deny", "--offline", "check", "bans", "licenses", "sources"])
        .directory(root)
        .go()
}

/// Builds the book.
///
/// # Errors
/// When mdBook cannot be installed or refuses the book.
pub(crate) fn docs() -> Result<()> {
    let tools = workspace::target().join("tools");
    let mdbook = tools.join("bin/mdbook");
    if !mdbook.is_file() {
        ui::step("installing mdBook (some minutes, once)");
        let install = ["install", "--quiet", "--locked", concat!("mdbook@", "0.5.4"), "--root"];
        cargo().args(install).args([&tools]).go()?;
    }
    ui::step("book");
    run(&mdbook).args(["build", "docs"]).directory(&workspace::root()).go()
}
