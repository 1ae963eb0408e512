//! Running programs: each prints what it does, and a failure says what to do about it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::ui;

/// A program to run in the repository's root, unless told otherwise.
pub(crate) struct Run {
    command: Command,
    shown: String,
    hint: Option<&'static str>,
}

/// Starts describing a run of `program`.
pub(crate) fn run(program: impl AsRef<OsStr>) -> Run {
    let program = program.as_ref();
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    Run {
        command,
        shown: program.to_string_lossy().into_owned(),
        hint: None,
    }
}

/// `cargo`, the very one that started us.
pub(crate) fn cargo() -> Run {
    let mut run = run(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    run.shown = "cargo".to_owned();
    run
}

/// A program of our own at `path`, shown by its `name`.
pub(crate) fn own(path: &Path, name: &str) -> Run {
    let mut run = run(path);
    run.shown = name.to_owned();
    run
}

impl Run {
    /// Adds arguments.
    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        for arg in args {
            self.shown.push(' ');
            self.shown.push_str(&arg.as_ref().to_string_lossy());
            self.command.arg(arg);
        }
        self
    }

    /// Runs it elsewhere.
    pub(crate) fn directory(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Hides an environment variable of ours from it.
    pub(crate) fn without_env(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// What to do when it cannot be started or fails.
    pub(crate) fn hint(mut self, hint: &'static str) -> Self {
        self.hint = Some(hint);
        self
    }

    fn advice(&self) -> String {
        self.hint.map(|hint| format!("; {hint}")).unwrap_or_default()
    }

    /// Runs it with its output shown.
    ///
    /// # Errors
    /// When it cannot be started or answers anything but success.
    pub(crate) fn go(mut self) -> Result<()> {
        ui::command(&self.shown);
        let status = self
            .command
            .status()
            .with_context(|| format!("could not run `{}`{}", self.shown, self.advice()))?;
        if !status.success() {
            bail!("`{}` failed ({status}){}", self.shown, self.advice());
        }
        Ok(())
    }

    /// Runs it quietly and answers its standard output.
    ///
    /// # Errors
    /// When it cannot be started or answers anything but success; its standard error is part of the message.
    pub(crate) fn read(mut self) -> Result<String> {
        let output = self
            .command
            .output()
            .with_context(|| format!("could not run `{}`{}", self.shown, self.advice()))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` failed ({}){}\n{}", self.shown, output.status, self.advice(), told.trim_end());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it with no output and answers whether it succeeded; a program that is not there did not.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// Whether `program` is on PATH.
pub(crate) fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
