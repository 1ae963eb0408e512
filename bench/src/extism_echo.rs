//! The same echo in Extism. Its guest is built from `guests/extism-echo`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use extism::{Manifest, Plugin, Wasm};

pub fn plugin() -> Result<Plugin> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/extism-echo");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/guests");
    let status = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--target",
            "wasm32-unknown-unknown",
            "--target-dir",
        ])
        .arg(&target)
        .current_dir(&root)
        .status()?;
    ensure!(status.success(), "the Extism guest does not build");
    let wasm = std::fs::read(target.join("wasm32-unknown-unknown/release/extism_echo.wasm"))?;
    // With a limit of time and of memory, as any host of other people's code sets them; ours has more.
    let manifest = Manifest::new([Wasm::data(wasm)])
        .with_timeout(Duration::from_secs(10))
        .with_memory_max(1_024);
    Plugin::new(manifest, [], false)
}

pub fn call(plugin: &mut Plugin, calls: u32, input: &str) -> Result<()> {
    for _ in 0..calls {
        let output: &str = plugin.call("echo", input)?;
        ensure!(output.len() == input.len(), "the echo answers");
    }
    Ok(())
}
