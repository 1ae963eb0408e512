//! The demo: the product's main job on real input. A server, four extensions in three languages, real GitHub payloads,
//! flights and film data, and an extension that attacks. Everything goes through the `oriel` binary, as a user's would.

mod batch;
mod data;
mod hostile;
mod oriel;
mod server;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use self::batch::Batch;
use self::data::Data;
use self::oriel::Oriel;
use self::server::Server;
use crate::shell::cargo;
use crate::{setup, ui, workspace};

/// The extensions, all in `examples/`.
const EXTENSIONS: [&str; 4] = ["triage", "delay-classifier", "normaliser", "hostile"];

/// Runs the demo. With `--once` it ends by itself; with `--data` it only fetches the data.
///
/// # Errors
/// When something is missing, does not build, or did not go as it should.
pub(crate) fn demo(options: &[String]) -> Result<()> {
    let given = |option: &str| options.iter().any(|given| given == option);
    ui::step("data");
    let data = Data::prepare(&workspace::target().join("demo-data"))?;
    if given("--data") {
        return Ok(());
    }
    ui::step("what building needs");
    setup::languages()?;
    ui::line("Rust, Node and Python are there");
    let binary = build()?;
    let directory = fresh_directory()?;
    let packages = pack(&binary, &directory)?;
    ui::step("server");
    let server = Server::start(&binary, &directory)?;
    let oriel = server.client(&binary);
    let problems = show(&server, &oriel, &packages, &data, &directory);
    let problems = match problems {
        Ok(problems) => problems,
        Err(error) => {
            ui::line(&format!("the server's log is {}", server.log().display()));
            return Err(error);
        }
    };
    if !given("--once") {
        invite(&server);
        server.wait()?;
    } else {
        ui::step("end");
        server.stop()?;
        ui::line("the server drained and ended with status 0");
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("the demo did not go as it should:\n  {}", problems.join("\n  "))
}

fn build() -> Result<PathBuf> {
    ui::step("oriel, with optimisation (some minutes the first time)");
    let root = workspace::root();
    cargo()
        .args(["build", "--release", "--locked", "--package", "oriel-cli"])
        .directory(&root)
        .go()?;
    Ok(std::path::absolute(workspace::target().join("release/oriel"))?)
}

/// An empty `target/demo`: each demo starts from nothing.
fn fresh_directory() -> Result<PathBuf> {
    let directory = std::path::absolute(workspace::target().join("demo"))?;
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn pack(binary: &Path, directory: &Path) -> Result<Vec<PathBuf>> {
    ui::step("extensions (the first build fetches the compilers for Python and JavaScript)");
    let build = |name: &&str| {
        let package = directory.join(format!("{name}.oriel"));
        let project = format!("examples/{name}");
        oriel::shown(binary, None)
            .args(["pack", &project, "--output"])
            .args([workspace::short(&package)])
            .directory(&workspace::root())
            .go()?;
        Ok(package)
    };
    EXTENSIONS.iter().map(build).collect()
}

/// All that is shown; answers what did not go as it should.
fn show(server: &Server, oriel: &Oriel, packages: &[PathBuf], data: &Data, directory: &Path) -> Result<Vec<String>> {
    ui::step("install, with what each asks for granted");
    for package in packages {
        let package = workspace::short(package);
        oriel
            .shown()
            .args(["install"])
            .args([package])
            .args(["--grant"])
            .directory(&workspace::root())
            .go()?;
    }
    ui::step("tasks");
    let batches = Batch::all(data);
    for batch in &batches {
        batch.create_task(oriel)?;
    }
    ui::step("real data, in batches");
    let mut problems = Vec::new();
    let mut runs = Vec::new();
    for batch in &batches {
        let run = batch.run(oriel, server, directory)?;
        ui::line(&format!("    {}", run.found));
        if run.failures > 0 {
            problems.push(format!("{}: {} of {} items failed", run.name, run.failures, run.items));
        }
        runs.push(run);
    }
    ui::step("an extension that attacks, while a neighbour keeps working");
    let attacks = hostile::run(oriel, server, &data.webhooks)?;
    ui::line(&attacks.table());
    ui::line(&attacks.neighbour());
    problems.extend(attacks.problems());
    ui::step("what was measured");
    ui::line(&batch::table(&runs));
    ui::line("");
    ui::line("items/s        as the client sees it: sending, running, recording, receiving and writing the results");
    ui::line(
        "p50, p95, p99  what the server measured per item: checking the input, starting an instance if need be, the call, checking the output",
    );
    ui::line("memory         the server's highest resident memory while this ran (VmHWM); all runs are one process");
    Ok(problems)
}

fn invite(server: &Server) {
    ui::step("the server stays up until Ctrl-C");
    ui::line(&format!("  API reference  {}/api/docs", server.address()));
    ui::line(&format!("  metrics        {}/metrics", server.address()));
    ui::line(&format!("  log            {}", server.log().display()));
    ui::line("\nTo talk to it from another terminal:\n");
    ui::line(&format!("  export PATH=\"{}:$PATH\"", server.programs().display()));
    ui::line(&format!("  export ORIEL_URL={}", server.address()));
    ui::line(&format!("  export ORIEL_API_KEY={}", server.key()));
    ui::line("  oriel executions list --status failed");
    ui::line(
        "  oriel task call delay-classifier --input '{\"date\":\"2001/01/14 18:20\",\"delay\":60,\"distance\":250,\"origin\":\"SAT\",\"destination\":\"HOU\"}'",
    );
}
