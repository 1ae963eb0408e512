//! `oriel install DIR|PACKAGE`.

use std::path::PathBuf;

use clap::Args;
use oriel_model::ErrorCode;
use serde_json::Value;

use crate::client::PACKAGE;
use crate::commands::remote::show_secret;
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
    /// Of a remote extension: where its service runs, if not where the manifest says
    #[arg(long, value_name = "URL")]
    remote_url: Option<String>,
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
    let mut asks = manifest.permissions.describe();
    if let Some(remote) = &manifest.remote {
        // Where inputs go is part of what is agreed to.
        let url = args.remote_url.clone().or_else(|| remote.url.as_ref().map(ToString::to_string));
        asks.extend(url.map(|url| format!("send every call's input to the service at {url}")));
    }
    args.consent
        .settle(&context.ui, &format!("{} {}", manifest.name, manifest.version), &asks)
        .await?;
    let mut call = client.post(&["extensions"]).query("grant", true);
    if let Some(url) = &args.remote_url {
        call = call.query("remoteUrl", url);
    }
    let installed: Value = call.body(loaded.bytes, PACKAGE).send().await?;
    report(&context.ui, &installed)?;
    match installed.get("remote") {
        Some(remote) => show_secret(&context.ui, remote),
        None => Ok(()),
    }
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
    let placed = extension.get("remote").is_none_or(|remote| remote.get("url").is_some());
    if state == "disabled" && !placed {
        ui.note(&format!(
            "its service has no address yet: `oriel remote set {name} --url https://…` says where it runs"
        ));
    } else if state == "disabled" {
        ui.note(&format!(
            "it needs a configuration: `oriel show {name}` prints its schema, `oriel configure {name} --set key=value` sets it"
        ));
    }
    Ok(())
}
