//! Rust: Cargo, then a component around the core module.
//!
//! Without WASI the target is `wasm32-unknown-unknown`, whose standard library imports nothing; the component then
//! has only the imports that the program calls. With `wasi = true` it is `wasm32-wasip2`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use oriel_model::Digest;
use wit_component::ComponentEncoder;

use super::{Built, Job};
use crate::error::{AuthorError, Result};
use crate::process;

pub(super) fn build(job: &Job<'_>) -> Result<Built> {
    let target = if job.wasi() { "wasm32-wasip2" } else { "wasm32-unknown-unknown" };
    let cargo = process::find(&["cargo"]).ok_or_else(|| AuthorError::ToolchainMissing {
        what: "building a Rust extension needs Cargo, which is not on the PATH".to_owned(),
        cure: "install Rust from https://rustup.rs".to_owned(),
    })?;
    let mut command = Command::new(&cargo);
    command
        .current_dir(job.dir())
        .args([
            "build",
            "--release",
            "--lib",
            "--target",
            target,
            "--message-format",
            "json-render-diagnostics",
        ])
        .args(["--config", &initial_heap()])
        // An outer Cargo (a test, a build script) must not steer the inner one.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTFLAGS")
        .env("CARGO_TERM_COLOR", "never");
    let output = process::run("cargo build", &mut command).map_err(|error| explain(error, target))?;
    let warnings = warnings(&String::from_utf8_lossy(&output.stderr));
    let module = artifact(&output.stdout).ok_or_else(|| AuthorError::Project {
        message: "cargo made no WebAssembly library; Cargo.toml needs `[lib]` with `crate-type = [\"cdylib\"]`".to_owned(),
    })?;
    let module = fs::read(&module).map_err(AuthorError::file("read", &module))?;
    let inputs = format!("rust {} {target} {}", env!("CARGO_PKG_VERSION"), Digest::of(&module));
    // Cargo knows best what changed; only the step after it is skipped.
    if job.up_to_date(&inputs) {
        return Ok(Built { component: None, warnings });
    }
    let component = if job.wasi() { module } else { componentise(&module)? };
    job.remember(&inputs, &component)?;
    Ok(Built {
        component: Some(component),
        warnings,
    })
}

/// The heap that a component without WASI begins with, for Cargo. Growing it is a call into the kernel that all threads
/// of a server wait for, and in `fresh` mode each call would need one. Pages that are never touched cost nothing.
fn initial_heap() -> String {
    const BYTES: u32 = 512 << 10;
    format!(r#"target.wasm32-unknown-unknown.rustflags=["-C", "link-arg=--initial-heap={BYTES}"]"#)
}

fn componentise(module: &[u8]) -> Result<Vec<u8>> {
    let failed = |error: &dyn std::fmt::Display| AuthorError::Component { detail: error.to_string() };
    ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| failed(&format_args!("{error:#}")))
}

/// The library that Cargo says it made last: the project's own, after its dependencies.
fn artifact(messages: &[u8]) -> Option<PathBuf> {
    let mut found = None;
    for line in messages.split(|&byte| byte == b'\n') {
        let Ok(message) = serde_json::from_slice::<serde_json::Value>(line) else {
            continue;
        };
        if message["reason"] != "compiler-artifact" {
            continue;
        }
        let files = message["filenames"].as_array().into_iter().flatten();
        for file in files.filter_map(|file| file.as_str()).filter(|file| file.ends_with(".wasm")) {
            found = Some(PathBuf::from(file));
        }
    }
    found
}

/// Cargo's diagnostics without its progress lines.
fn warnings(text: &str) -> String {
    let progress = [
        "Compiling",
        "Finished",
        "Updating",
        "Locking",
        "Downloading",
        "Downloaded",
        "Blocking",
        "Adding",
    ];
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !progress.iter().any(|word| line.trim_start().starts_with(word)))
        .collect();
    kept.join("\n").trim().to_owned()
}

/// A missing target is the toolchain's, not the source's.
fn explain(error: AuthorError, target: &str) -> AuthorError {
    let AuthorError::Build { tool, output } = error else { return error };
    if output.contains("target may not be installed")
        || output.contains("can't find crate for `core`")
        || output.contains("can't find crate for `std`")
    {
        return AuthorError::ToolchainMissing {
            what: format!("the Rust target {target} is not installed"),
            cure: format!("run `rustup target add {target}`"),
        };
    }
    let mut output = warnings(&output);
    // What `rand`, `uuid` and many others draw from; it refuses to be built where nobody told it of a source.
    if output.contains("could not compile `getrandom`") {
        output.push_str("\n\nrandom numbers need WASI: set `wasi = true` under [build] in extension.toml and build again");
    }
    AuthorError::Build { tool, output }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_is_explained() {
        let check = |output: &str, wanted: &str| {
            let error = AuthorError::Build {
                tool: "cargo build".to_owned(),
                output: output.to_owned(),
            };
            let text = explain(error, "wasm32-unknown-unknown").to_string();
            assert!(text.contains(wanted), "{text}");
        };
        check(
            "error[E0463]: can't find crate for `core`\n  = note: the `wasm32-unknown-unknown` target may not be installed",
            "run `rustup target add wasm32-unknown-unknown`",
        );
        check(
            "error: The wasm32-unknown-unknown targets are not supported by default; you may need to enable the \"wasm_js\" \
             configuration flag.\nerror: could not compile `getrandom` (lib) due to 2 previous errors",
            "set `wasi = true` under [build]",
        );
        check("   Compiling a v1.0.0\nerror: no", "cargo build failed\nerror: no");
    }
}
