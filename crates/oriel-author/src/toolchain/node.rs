//! The JavaScript tools: an npm prefix made from an embedded lock file.

use std::path::{Path, PathBuf};
use std::process::Command;

use oriel_model::Digest;
use oriel_model::manifest::Engine;

use super::Toolchains;
use crate::error::{AuthorError, Result};
use crate::files::write_changed;
use crate::process;

const QUICKJS: Pinned = Pinned {
    name: "quickjs",
    package: include_str!("../../toolchains/quickjs/package.json"),
    lock: include_str!("../../toolchains/quickjs/package-lock.json"),
};
const STARLINGMONKEY: Pinned = Pinned {
    name: "starlingmonkey",
    package: include_str!("../../toolchains/starlingmonkey/package.json"),
    lock: include_str!("../../toolchains/starlingmonkey/package-lock.json"),
};

struct Pinned {
    name: &'static str,
    package: &'static str,
    lock: &'static str,
}

/// Node.js with the tools of one engine.
pub(crate) struct Node {
    node: PathBuf,
    modules: PathBuf,
    /// Changes whenever a tool does.
    pub(crate) id: String,
}

impl Node {
    /// Finds Node.js and installs the tools of `engine` unless they are there.
    pub(crate) fn ready(toolchains: &Toolchains, engine: Engine, say: &dyn Fn(&str)) -> Result<Self> {
        let pinned = match engine {
            Engine::Quickjs => QUICKJS,
            Engine::Starlingmonkey => STARLINGMONKEY,
        };
        let node = find("node")?;
        let id = format!("javascript-{}-{}", pinned.name, &Digest::of(pinned.lock.as_bytes()).hex()[..16]);
        let dir = toolchains.ready(&id, |dir| {
            let npm = find("npm")?;
            say("installing the JavaScript tools (once, about a minute)");
            write_changed(&dir.join("package.json"), pinned.package.as_bytes())?;
            write_changed(&dir.join("package-lock.json"), pinned.lock.as_bytes())?;
            // `install` rather than `ci`, which insists on optional packages of other machines that were never
            // published; the lock still fixes every version and checksum. Scripts of packages have no business
            // here: every tool ships its binary as a package of its own.
            let mut command = Command::new(npm);
            command
                .current_dir(dir)
                .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"]);
            let failed = |detail: String| AuthorError::ToolchainInstall {
                toolchain: "JavaScript",
                detail,
            };
            let output = process::output(&mut command).map_err(|error| failed(error.to_string()))?;
            if output.status.success() {
                Ok(())
            } else {
                Err(failed(process::said(&output)))
            }
        })?;
        Ok(Self {
            node,
            modules: dir.join("node_modules"),
            id,
        })
    }

    /// A command that runs a script of an installed package.
    pub(crate) fn script(&self, path: &str) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(self.modules.join(path));
        command
    }
}

fn find(name: &'static str) -> Result<PathBuf> {
    process::find(&[name]).ok_or_else(|| AuthorError::ToolchainMissing {
        what: format!("building a JavaScript extension needs {name}, which is not on the PATH"),
        cure: "install Node.js 20 or later with npm".to_owned(),
    })
}

/// A path as command lines take it.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| AuthorError::Project {
        message: format!("the path {} is not Unicode text", path.display()),
    })
}
