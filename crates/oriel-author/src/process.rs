//! Running the tools of a build.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::error::{AuthorError, Result};

/// The first of `names` that is on the search path.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| {
        folders.iter().find_map(|folder| {
            let plain = folder.join(name);
            if is_program(&plain) {
                return Some(plain);
            }
            let windows = folder.join(format!("{name}.exe"));
            is_program(&windows).then_some(windows)
        })
    })
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Runs a tool to its end with no input, keeping what it prints.
pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    command.stdin(Stdio::null()).env("NO_COLOR", "1").env_remove("FORCE_COLOR").output()
}

/// Runs a tool whose failure is the author's to see.
pub(crate) fn run(tool: &str, command: &mut Command) -> Result<Output> {
    let output = output(command).map_err(|source| AuthorError::Build {
        tool: tool.to_owned(),
        output: format!("it could not be started: {source}"),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    Err(AuthorError::Build {
        tool: tool.to_owned(),
        output: said(&output),
    })
}

/// What a tool printed, as text: its error stream, or its output when that is empty.
pub(crate) fn said(output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = if errors.trim().is_empty() {
        String::from_utf8_lossy(&output.stdout)
    } else {
        errors
    };
    let text = text.trim_end();
    if text.is_empty() {
        return format!("it ended with {} and said nothing", output.status);
    }
    text.to_owned()
}
