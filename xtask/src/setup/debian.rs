//! Packages of Debian and its relatives.

use std::sync::Once;

use anyhow::{Result, bail};

use crate::shell::{Run, have, run};
use crate::ui;

/// Installs packages; `reason` says what for.
///
/// # Errors
/// When this is no Debian, when we are neither root nor may become it, or when apt fails.
pub(super) fn install(packages: &[&str], reason: &str) -> Result<()> {
    let names = packages.join(" ");
    if !have("apt-get") {
        bail!("{names} is missing ({reason}) and this machine has no apt-get: install it and run this again");
    }
    ui::line(&format!("{names}: {reason}"));
    // Package lists of a fresh machine are empty or old; once per run is enough.
    static UPDATE: Once = Once::new();
    let mut updated = Ok(());
    UPDATE.call_once(|| updated = as_root("apt-get").and_then(|apt| apt.args(["update", "--quiet"]).go()));
    updated?;
    as_root("apt-get")?
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .go()
}

/// `program` run as root: directly, or through sudo.
fn as_root(program: &str) -> Result<Run> {
    let root = run("id").args(["-u"]).read()?.trim() == "0";
    if root {
        return Ok(run(program));
    }
    if !have("sudo") {
        bail!("{program} must run as root, and this machine has no sudo: run `cargo xtask setup` as root once");
    }
    Ok(run("sudo").args(["--preserve-env=DEBIAN_FRONTEND", program]))
}
