//! The examples build, and their own cases hold; and what is said when a tool of theirs is missing.

use std::path::{Path, PathBuf};

use super::support::{Done, Home};

/// Built in place: an example that has not changed since the last run is not built again.
fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

#[track_caller]
fn passes(name: &str, cases: &str) {
    let dir = example(name);
    let home = Home::new();
    home.run(&["build", dir.to_str().unwrap()]).ok();
    let done = home.run(&["test", dir.to_str().unwrap(), "--no-build"]).ok();
    assert!(done.out.contains(cases), "{}", done.out);
    home.run(&["check", dir.to_str().unwrap()]).ok();
}

#[test]
fn delay_classifier() {
    passes("delay-classifier", "6 of 6 cases passed");
}

#[test]
fn hostile() {
    passes("hostile", "8 of 8 cases passed");
}

#[test]
fn normaliser() {
    passes("normaliser", "6 of 6 cases passed");
}

#[test]
fn triage() {
    passes("triage", "4 of 4 cases passed");
}

/// One extension in three languages: they have the same cases.
#[test]
fn orders_in_rust() {
    passes("orders-rust", "16 of 16 cases passed");
    let cases = |name: &str| std::fs::read(example(name).join("tests/orders.toml")).unwrap();
    assert_eq!(cases("orders-rust"), cases("orders-python"));
    assert_eq!(cases("orders-rust"), cases("orders-javascript"));
}

#[test]
fn orders_in_python() {
    passes("orders-python", "16 of 16 cases passed");
}

#[test]
fn orders_in_javascript() {
    passes("orders-javascript", "16 of 16 cases passed");
}

#[test]
fn missing_tools_have_a_cure() {
    for (language, words) in [
        (
            "rust",
            "building a Rust extension needs Cargo, which is not on the PATH; install Rust",
        ),
        (
            "python",
            "building a Python extension needs Python, which is not on the PATH; install Python 3.10",
        ),
        (
            "javascript",
            "building a JavaScript extension needs node, which is not on the PATH; install Node.js 20",
        ),
    ] {
        let home = Home::new();
        home.run(&["new", "bare", "--lang", language]).ok();
        let mut command = home.command(&["build", "bare"]);
        command
            .env("PATH", home.path())
            .env("ORIEL_TOOLCHAINS", home.path().join("toolchains"));
        let done = Done::of(command.output().unwrap());
        let done = done.fails(1, "author.toolchain_missing");
        assert!(done.err.contains(words), "{}", done.err);
    }
}
