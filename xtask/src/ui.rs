//! The only place that writes to the terminal.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this program talks to the maintainer's terminal"
)]

use std::io::Write as _;

fn flush() {
    // The programs we start write to the same terminal: keep the order. A closed terminal is no reason to fail.
    let _ = std::io::stdout().flush();
}

/// A line of ordinary output.
pub(crate) fn line(text: &str) {
    println!("{text}");
    flush();
}

/// A heading for what comes next.
pub(crate) fn step(text: &str) {
    println!("\n==> {text}");
    flush();
}

/// A command that is about to run.
pub(crate) fn command(text: &str) {
    println!("  $ {text}");
    flush();
}

/// Something odd that is not an error.
pub(crate) fn warning(text: &str) {
    eprintln!("warning: {text}");
}

/// Something wrong.
pub(crate) fn error(text: &str) {
    eprintln!("error: {text}");
}
