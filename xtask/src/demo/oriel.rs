//! The `oriel` binary as a client.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::shell::{self, Run};
use crate::workspace;

/// Variables of the caller's that must not steer the demo; where compilers are kept may stay the caller's choice.
pub(super) fn foreign_variables() -> Vec<String> {
    let ours = |name: &String| name.starts_with("ORIEL_") && name != "ORIEL_TOOLCHAINS";
    std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(ours)
        .collect()
}

/// A client of one server.
#[derive(Debug, Clone)]
pub(super) struct Oriel {
    binary: PathBuf,
    address: String,
    key: String,
}

/// Why a command failed, as `--json` tells it.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The stable code.
    pub(super) code: String,
    /// What happened.
    pub(super) message: String,
}

/// A run of the binary that is shown as it happens; with an address and a key, one that talks to a server.
pub(super) fn shown(binary: &Path, server: Option<(&str, &str)>) -> Run {
    let mut run = shell::own(binary, "oriel");
    for name in foreign_variables() {
        run = run.without_env(&name);
    }
    match server {
        Some((address, key)) => run.env("ORIEL_URL", address).env("ORIEL_API_KEY", key),
        None => run,
    }
}

impl Oriel {
    pub(super) fn new(binary: &Path, address: &str, key: &str) -> Self {
        Self {
            binary: binary.to_owned(),
            address: address.to_owned(),
            key: key.to_owned(),
        }
    }

    /// A command that is shown as it happens.
    pub(super) fn shown(&self) -> Run {
        shown(&self.binary, Some((&self.address, &self.key)))
    }

    /// A quiet command in the repository's root with `--json`: its result, or the server's refusal.
    ///
    /// # Errors
    /// When it cannot be run, or says neither.
    pub(super) fn ask(&self, args: &[&str]) -> Result<Result<Value, Refusal>> {
        let mut command = Command::new(&self.binary);
        command.args(args).arg("--json").current_dir(workspace::root()).stdin(Stdio::null());
        for name in foreign_variables() {
            command.env_remove(name);
        }
        command.env("ORIEL_URL", &self.address).env("ORIEL_API_KEY", &self.key);
        let shown = || format!("`oriel {}`", args.join(" "));
        let output = command.output().with_context(|| format!("could not run {}", shown()))?;
        if output.status.success() {
            let value = serde_json::from_slice(&output.stdout);
            return Ok(Ok(value.with_context(|| format!("{} did not answer JSON", shown()))?));
        }
        let told = String::from_utf8_lossy(&output.stderr);
        match told.lines().rev().find_map(refusal) {
            Some(refusal) => Ok(Err(refusal)),
            None => bail!("{} failed ({})\n{}", shown(), output.status, told.trim_end()),
        }
    }
}

/// Reads `{"error": {"code": …, "message": …}}`.
fn refusal(line: &str) -> Option<Refusal> {
    let value: Value = serde_json::from_str(line).ok()?;
    let error = value.get("error")?;
    Some(Refusal {
        code: error.get("code")?.as_str()?.to_owned(),
        message: error.get("message")?.as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read() {
        let told = refusal(r#"{"error":{"code":"execution.denied","message":"no","exitCode":8}}"#);
        let told = told.map(|refusal| (refusal.code, refusal.message));
        assert_eq!(told, Some(("execution.denied".to_owned(), "no".to_owned())));
        assert!(refusal("warning: something else").is_none());
    }
}
