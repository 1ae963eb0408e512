//! The API tried with requests made from its own document: each reply must be documented, in status and in form, and
//! none may be a server's error. The requests are the same each time.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::shell::{cargo, run};
use crate::{setup, ui, workspace};

/// The owner's key; nobody but this machine reaches the server, which ends with the run.
const KEY: &str = "the-owner-key-of-the-fuzzer";

/// A server in a process of its own; ends with the value.
struct Server {
    child: Child,
    address: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to tell of a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server with an extension and a task, and tries every operation.
///
/// # Errors
/// When something cannot be built or started, or when the API answered what it should not.
pub(crate) fn fuzz() -> Result<()> {
    let root = workspace::root();
    let python = setup::python_tools()?;
    ui::step("the API against its document");
    cargo()
        .args(["build", "--quiet", "--locked", "--package", "oriel-cli"])
        .directory(&root)
        .go()?;
    let oriel = workspace::target().join("debug/oriel");
    let directory = workspace::target().join("fuzz");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let server = start(&oriel, &directory)?;
    for args in [
        &["install", "examples/delay-classifier", "--grant"][..],
        &["task", "create", "flights.classify", "--program", "delay-classifier/classify"],
    ] {
        run(&oriel)
            .args(args)
            .directory(&root)
            .env("ORIEL_URL", &server.address)
            .env("ORIEL_API_KEY", KEY)
            .go()?;
    }
    let data = root.join("xtask/data/fuzz");
    run(python.with_file_name("schemathesis"))
        .args(["--no-color", "--config-file"])
        .args([data.join("schemathesis.toml")])
        .args(["run", &format!("{}/api/openapi.json", server.address)])
        // Where it keeps its examples.
        .directory(&directory)
        .env("ORIEL_API_KEY", KEY)
        .env("PYTHONPATH", &data)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .go()
}

fn start(oriel: &Path, directory: &Path) -> Result<Server> {
    let mut command = Command::new(oriel);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORIEL_")) {
        command.env_remove(name);
    }
    let mut child = command
        .args([
            "serve",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            "data",
            "--log-level",
            "error",
        ])
        .env("ORIEL_BOOTSTRAP_KEY", KEY)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start {}", oriel.display()))?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        BufReader::new(out).read_line(&mut line)?;
    }
    let address = serde_json::from_str::<Value>(&line)
        .ok()
        .and_then(|about| Some(about["address"].as_str()?.to_owned()));
    match address {
        Some(address) => Ok(Server { child, address }),
        None => {
            child.wait()?;
            bail!("the server did not start: its own words are above")
        }
    }
}
