//! The benchmarks: they lie in a workspace of their own and measure the optimised binary.

use anyhow::Result;

use crate::shell::cargo;
use crate::{setup, ui, workspace};

/// What can be measured, as `bench/src/main.rs` names it.
pub(crate) const SECTIONS: &[&str] = &["calls", "http", "batch", "stream", "install", "density", "neighbour", "points"];

/// Builds what is measured and measures it.
///
/// # Errors
/// When something is missing, does not build, or a measurement fails. A mark that is missed is no error.
pub(crate) fn bench(sections: &[String]) -> Result<()> {
    ui::step("what building and measuring need");
    setup::languages()?;
    setup::wrk()?;
    ui::step("oriel as it is shipped (a quarter of an hour the first time)");
    cargo()
        .args(["build", "--profile", "dist", "--locked", "--package", "oriel-cli"])
        .directory(&workspace::root())
        .go()?;
    ui::step("benchmarks");
    cargo()
        .args(["run", "--release", "--locked", "--quiet", "--"])
        .args(sections)
        .directory(&workspace::root().join("bench"))
        .go()
}
