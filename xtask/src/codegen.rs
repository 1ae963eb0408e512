//! Generated files. The work is done by `xtask-codegen`, which links our own crates.

use anyhow::Result;

use crate::shell::cargo;
use crate::workspace;

/// Writes the generated files, or checks that they are current.
///
/// # Errors
/// When one cannot be written, or is not current.
pub(crate) fn codegen(check: bool) -> Result<()> {
    let run = cargo()
        .args(["run", "--quiet", "--package", "xtask-codegen", "--"])
        .directory(&workspace::root());
    if check { run.args(["--check"]).go() } else { run.go() }
}
