//! `oriel incident report`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use serde_json::{Map, Value};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::clean;

/// What to do about an incident.
#[derive(Debug, Subcommand)]
pub(crate) enum IncidentCommand {
    /// Gather what happened around an anomaly, or to an extension within a span of time
    Report(ReportArgs),
}

/// What the report is about.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The anomaly
    #[arg(long, value_name = "ID", conflicts_with_all = ["extension", "from", "to"], required_unless_present = "extension")]
    anomaly: Option<String>,
    /// The extension
    #[arg(long, value_name = "NAME", requires = "from")]
    extension: Option<String>,
    /// From when on, such as 2026-11-21T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Until when; now unless said
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Write the report to this file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, command: &IncidentCommand) -> Result<()> {
    let IncidentCommand::Report(args) = command;
    let given = [
        ("anomaly", &args.anomaly),
        ("extension", &args.extension),
        ("from", &args.from),
        ("to", &args.to),
    ];
    let given = given
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value.clone()?))));
    let body = Value::Object(given.collect::<Map<_, _>>());
    let client = context.client()?;
    let call = client.post(&["incidents"]).json(&body);
    let report = if context.ui.json() {
        let report: Value = call.send().await?;
        if args.output.is_none() {
            return context.ui.document(&report);
        }
        format!("{report:#}\n")
    } else {
        let response = call.query("format", "markdown").accept("text/markdown").response().await?;
        let page = response.text().await;
        page.map_err(|error| Failure::new(ErrorCode::ClientUnreachable, format!("the report broke off: {error}")))?
    };
    match &args.output {
        None => {
            for line in report.lines() {
                context.ui.line(&clean(line))?;
            }
            Ok(())
        }
        Some(path) => {
            std::fs::write(path, &report)
                .map_err(|error| Failure::new(ErrorCode::ClientFile, format!("{} cannot be written: {error}", path.display())))?;
            context.ui.note(&format!("the report is in {}", path.display()));
            Ok(())
        }
    }
}
