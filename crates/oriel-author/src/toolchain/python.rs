//! The Python tools: a virtual environment with `componentize-py`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Toolchains;
use crate::error::{AuthorError, Result};
use crate::process;

const COMPONENTIZE_PY: &str = "0.25.1";
/// The oldest Python that the tools run on. The interpreter inside a component is their own.
const OLDEST: (u32, u32) = (3, 10);

/// A virtual environment with the tools.
pub(crate) struct Python {
    dir: PathBuf,
    /// Changes whenever a tool does.
    pub(crate) id: String,
}

impl Python {
    /// Finds Python and installs the tools unless they are there.
    pub(crate) fn ready(toolchains: &Toolchains, say: &dyn Fn(&str)) -> Result<Self> {
        let id = format!("python-componentize-{COMPONENTIZE_PY}");
        let dir = toolchains.ready(&id, |dir| {
            let python = find()?;
            say(&format!("installing componentize-py {COMPONENTIZE_PY} (once, about a minute)"));
            let venv = process::output(Command::new(&python).args(["-m", "venv"]).arg(dir)).map_err(|error| failed(error.to_string()))?;
            if !venv.status.success() {
                let said = process::said(&venv);
                if said.contains("ensurepip") {
                    return Err(AuthorError::ToolchainMissing {
                        what: "Python's `venv` module is not complete".to_owned(),
                        cure: "install it, on Debian and Ubuntu as the package `python3-venv`".to_owned(),
                    });
                }
                return Err(failed(said));
            }
            let mut pip = Command::new(binary(dir, "python"));
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
            ])
            .arg(format!("componentize-py=={COMPONENTIZE_PY}"));
            let output = process::output(&mut pip).map_err(|error| failed(error.to_string()))?;
            if output.status.success() {
                Ok(())
            } else {
                Err(failed(process::said(&output)))
            }
        })?;
        Ok(Self { dir, id })
    }

    /// A command that runs componentize-py.
    pub(crate) fn componentize(&self) -> Command {
        let mut command = Command::new(binary(&self.dir, "componentize-py"));
        // The author's own environment must not leak into the component.
        command
            .env_remove("VIRTUAL_ENV")
            .env_remove("PYTHONPATH")
            .env("PYTHONHASHSEED", "0");
        command
    }

    /// A command that installs packages for a component, pure Python only, into `target`.
    pub(crate) fn install(&self, requirements: &Path, target: &Path) -> Command {
        let mut command = Command::new(binary(&self.dir, "python"));
        command
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-compile",
                "--upgrade",
            ])
            .args([
                "--only-binary",
                ":all:",
                "--platform",
                "any",
                "--implementation",
                "py",
                "--python-version",
                "3.14",
            ])
            .arg("--target")
            .arg(target)
            .arg("--requirement")
            .arg(requirements);
        command
    }
}

fn failed(detail: String) -> AuthorError {
    AuthorError::ToolchainInstall {
        toolchain: "Python",
        detail,
    }
}

fn binary(dir: &Path, name: &str) -> PathBuf {
    if cfg!(windows) {
        dir.join("Scripts").join(format!("{name}.exe"))
    } else {
        dir.join("bin").join(name)
    }
}

/// A Python that is new enough.
fn find() -> Result<PathBuf> {
    let cure = format!("install Python {}.{} or later", OLDEST.0, OLDEST.1);
    let Some(python) = process::find(&["python3", "python"]) else {
        return Err(AuthorError::ToolchainMissing {
            what: "building a Python extension needs Python, which is not on the PATH".to_owned(),
            cure,
        });
    };
    let asked = Command::new(&python)
        .args(["-c", "import sys; print(*sys.version_info[:2])"])
        .output();
    let version = asked.ok().and_then(|output| {
        let text = String::from_utf8(output.stdout).ok()?;
        let (major, minor) = text.trim().split_once(' ')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    match version {
        Some(version) if version >= OLDEST => Ok(python),
        Some((major, minor)) => Err(AuthorError::ToolchainMissing {
            what: format!("{} is Python {major}.{minor}, which is too old", python.display()),
            cure,
        }),
        None => Err(AuthorError::ToolchainMissing {
            what: format!("{} does not run", python.display()),
            cure,
        }),
    }
}
