//! Writes the checked-in files that are made from our own code, or checks that they are current.
//!
//! `cargo xtask codegen [--check]` runs it. It is apart from `xtask` because it links our crates, which take long to
//! build. Each module answers the files it makes; nothing here knows their content. Start reading at [`generated`].
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to the maintainer's terminal"
)]

mod errors;
mod files;
mod manifest;
mod server;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::files::{Generated, Outcome};

/// Everything that is generated.
fn generated(root: &Path) -> Result<Vec<Generated>> {
    let contents = std::fs::read_to_string(root.join("docs/SUMMARY.md")).context("could not read docs/SUMMARY.md")?;
    let mut files = errors::pages();
    files.push(errors::contents(&contents)?);
    files.extend(manifest::files());
    files.extend(server::files());
    Ok(files)
}

fn run(root: &Path, check: bool) -> Result<bool> {
    let outcome = files::reconcile(root, &generated(root)?, check)?;
    let Outcome { total, differing } = &outcome;
    for path in differing {
        let path = path.display();
        if check {
            eprintln!("error: {path} is not current");
        } else {
            println!("wrote {path}");
        }
    }
    println!(
        "codegen: {total} files, {} {}",
        differing.len(),
        if check { "not current" } else { "changed" }
    );
    Ok(differing.is_empty() || !check)
}

fn main() -> ExitCode {
    let check = std::env::args().skip(1).any(|arg| arg == "--check");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    match run(root, check) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("error: run `cargo xtask codegen` and commit what it changes");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
