//! `oriel install DIR|PACKAGE`.

use std::path::PathBuf;

use clap::Args;
use oriel_model::ErrorCode;
use serde_json::Value;

use crate::client::PACKAGE;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::project;
use crate::ui::{Ui, clean};
use crate::view::{changed, text};

/// What to install.
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// A project's directory, which is built first, or a package's file
    #[arg(value_name = "DIR|PACKAGE")]
    target: PathBuf,
    /// Whether its permissions are granted.
    #[command(flatten)]
    pub(crate) consent: Consent,
    /// Install a project's component as it was built last
    #[arg(long)]
    no_build: bool,
}

/// Whether permissions are granted.
#[derive(Debug, Args)]
pub(crate) struct Consent {
    /// Grant the permissions that it asks for
    #[arg(long)]
    grant: bool,
    /// Answer every question with yes
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, args: &InstallArgs) -> Result<()> {
    let client = context.client()?;
    let loaded = project::load(&context.ui, &args.target, args.no_build).await?;
    let manifest = &loaded.manifest;
    let asks = manifest.permissions.describe();
    args.consent
        .settle(&context.ui, &format!("{} {}", manifest.name, manifest.version), &asks)
        .await?;
    let call = client.post(&["extensions"]).query("grant", true).body(loaded.bytes, PACKAGE);
    let installed: Value = call.send().await?;
    report(&context.ui, &installed)
}

impl Consent {
    /// Shows what is asked for and settles whether it is granted; whoever declines changes nothing.
    pub(crate) async fn settle(&self, ui: &Ui, what: &str, asks: &[String]) -> Result<()> {
        if asks.is_empty() {
            return Ok(());
        }
        ui.note(&format!("{} asks to use:", clean(what)));
        for line in asks {
            ui.note(&format!("  {}", clean(line)));
        }
        if self.grant || self.yes {
            return Ok(());
        }
        if ui.json() || !Ui::interactive() {
            let message = format!("{what} asks for permissions that nobody granted: {}", asks.join(", "));
            return Err(Failure::new(ErrorCode::ConsentRequired, message).help("Pass `--grant` to grant them."));
        }
        if ui.confirm("Grant this?").await? {
            Ok(())
        } else {
            Err(Failure::new(ErrorCode::ClientDeclined, "the permissions were not granted"))
        }
    }
}

/// Says what state the extension is in now.
pub(crate) fn report(ui: &Ui, extension: &Value) -> Result<()> {
    let (name, version, state) = (text(extension, "name"), text(extension, "version"), text(extension, "state"));
    changed(ui, extension, &format!("{name} {version} is {}", state.replace('-', " ")))?;
    if state == "disabled" {
        ui.note(&format!(
            "it needs a configuration: `oriel show {name}` prints its schema, `oriel configure {name} --set key=value` sets it"
        ));
    }
    Ok(())
}
