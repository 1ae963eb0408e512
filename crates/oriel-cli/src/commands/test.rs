//! `oriel test [DIR]`.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use oriel_model::ErrorCode;

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::project;
use crate::testing::{Place, Runner, Service, Tested, case_line, load, summary};

/// Which cases to run.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The project [default: the working directory]
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only cases with this text in their name, file or contribution
    #[arg(long, short, value_name = "TEXT")]
    filter: Option<String>,
    /// Test the component as it was built last
    #[arg(long)]
    no_build: bool,
    /// Of a remote extension: test the service that runs there, with the secret in ORIEL_SECRET, instead of starting one
    #[arg(long, value_name = "URL")]
    remote_url: Option<String>,
}

pub(crate) async fn run(context: &Context, args: &TestArgs) -> Result<()> {
    let ui = &context.ui;
    let dir = project::directory(args.dir.as_ref());
    // Cases first: a slip in them should not wait for a build.
    let mut cases = load(&dir)?;
    if let Some(text) = &args.filter {
        cases.retain(|case| case.name.contains(text) || case.contribution.contains(text) || case.file.to_string_lossy().contains(text));
    }
    if !args.no_build {
        project::build_if_any(ui, &dir, false).await?;
    }
    if cases.is_empty() {
        return Err(Failure::new(ErrorCode::ClientTestsFailed, "there are no cases to run")
            .help("Write some in `tests/NAME.toml`, or look at `--filter`."));
    }
    let package = project::package(&dir)?;
    let tested = match package.component {
        Some(component) => Tested::Component(component),
        None => {
            let (_, build) = project::read(&dir)?;
            let command = build.dev.unwrap_or_default();
            let place = args.remote_url.as_deref().map_or(Place::Started(&command), Place::Running);
            Tested::Service(Service::at(ui, &dir, place).await?)
        }
    };
    let runner = Runner::new(package.manifest, tested, &dir.join(".oriel/code")).await?;
    let begun = Instant::now();
    let mut results = Vec::with_capacity(cases.len());
    for case in cases {
        let outcome = runner.run(&case).await?;
        if !ui.json() {
            ui.line(&case_line(ui, &case, &outcome))?;
        }
        results.push((case, outcome));
    }
    let (line, document) = summary(ui, &results, begun.elapsed());
    if ui.json() {
        ui.document(&document)?;
    } else {
        ui.line(&line)?;
    }
    let failed = results.iter().filter(|(_, outcome)| !outcome.problems.is_empty()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::ClientTestsFailed,
        format!("{failed} of {} cases failed", results.len()),
    ))
}
