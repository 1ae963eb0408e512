//! `oriel remote set|rotate`.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::ui::Ui;
use crate::view::{changed, text};

/// What to do with the service of a remote extension.
#[derive(Debug, Subcommand)]
pub(crate) enum RemoteCommand {
    /// Say where the service runs
    Set(SetArgs),
    /// Make a new secret to sign requests with, and show it this once
    Rotate(RotateArgs),
}

/// Where it runs.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The extension
    name: String,
    /// The service's address, such as https://orders.example.com
    #[arg(long, value_name = "URL")]
    url: String,
}

/// How its secret is replaced.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The extension
    name: String,
    /// For how long requests are signed with the former secret, too
    #[arg(long, value_name = "SPAN", default_value = "24h")]
    overlap: String,
}

pub(crate) async fn run(context: &Context, command: &RemoteCommand) -> Result<()> {
    let client = context.client()?;
    match command {
        RemoteCommand::Set(SetArgs { name, url }) => {
            let call = client.request(Method::PUT, &["extensions", name, "remote"]);
            let reply: Value = call.json(&json!({ "url": url })).send().await?;
            let state = text(&reply, "state");
            changed(&context.ui, &reply, &format!("{name} is called at {url}"))?;
            if state == "disabled" {
                context
                    .ui
                    .note(&format!("it is disabled: `oriel enable {name}` lets it answer calls"));
            }
            Ok(())
        }
        RemoteCommand::Rotate(RotateArgs { name, overlap }) => {
            let call = client.post(&["extensions", name, "remote", "rotate"]);
            let reply: Value = call.json(&json!({ "overlap": overlap })).send().await?;
            changed(&context.ui, &reply, &format!("{name} has a new signing secret"))?;
            show_secret(&context.ui, &reply)
        }
    }
}

/// Prints the secret of a reply that has one: it is shown only now.
pub(crate) fn show_secret(ui: &Ui, remote: &Value) -> Result<()> {
    let secret = text(remote, "secret");
    if secret.is_empty() || ui.json() {
        return Ok(());
    }
    ui.note("the service needs this secret (`ORIEL_SECRET`); it is not shown again:");
    ui.line(&secret)
}
