//! `oriel secret set|list|remove`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::{Paint, Ui};
use crate::view::{changed, short_moment, text};

/// What to do with the secrets of an extension.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Set a secret's value: asked for, read from standard input, or taken from a variable
    Set(SetArgs),
    /// List the secrets that an extension asks for; values are never shown
    List(ListArgs),
    /// Remove a secret's value
    Remove(RemoveArgs),
}

/// Which secret.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The extension
    name: String,
    /// The secret
    secret: String,
    /// Take the value from this environment variable
    #[arg(long, value_name = "VARIABLE")]
    from_env: Option<String>,
}

/// Of which extension.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The extension
    name: String,
}

/// Which secret.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The extension
    name: String,
    /// The secret
    secret: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(crate) async fn run(context: &Context, command: &SecretCommand) -> Result<()> {
    match command {
        SecretCommand::Set(args) => set(context, args).await,
        SecretCommand::List(args) => list(context, args).await,
        SecretCommand::Remove(args) => remove(context, args).await,
    }
}

/// The value. Never printed, never part of the command line itself.
async fn value(ui: &Ui, args: &SetArgs) -> Result<String> {
    if let Some(variable) = &args.from_env {
        return std::env::var(variable).map_err(|_| Failure::usage(format!("the environment variable {variable} is not set")));
    }
    if Ui::interactive() {
        return ui.ask_secret(&args.secret).await;
    }
    let (value, _) = input::text("-").await?;
    Ok(value.trim_end_matches(['\r', '\n']).to_owned())
}

async fn set(context: &Context, args: &SetArgs) -> Result<()> {
    let client = context.client()?;
    let value = value(&context.ui, args).await?;
    let SetArgs { name, secret, .. } = args;
    let call = client.request(Method::PUT, &["extensions", name, "secrets", secret]);
    let reply: Value = call.json(&json!({ "value": value })).send().await?;
    changed(&context.ui, &reply, &format!("{name} has the secret {secret}"))?;
    if hosts(&reply, "granted").is_empty() {
        context.ui.note(&format!(
            "it may not be sent anywhere yet: `oriel show {name}` says what waits for consent"
        ));
    }
    Ok(())
}

fn hosts(secret: &Value, field: &str) -> String {
    let hosts = secret.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    hosts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

async fn list(context: &Context, args: &ListArgs) -> Result<()> {
    let reply: Value = context.client()?.get(&["extensions", &args.name, "secrets"]).send().await?;
    if context.ui.json() {
        return context.ui.document(&reply);
    }
    let items = reply.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rows = items
        .iter()
        .map(|item| {
            let set_at = text(item, "setAt");
            let (wanted, granted) = (hosts(item, "wanted"), hosts(item, "granted"));
            let state = match () {
                () if set_at.is_empty() => (Paint::Warn, "not set".to_owned()),
                () if wanted.is_empty() => (Paint::Faint, "not used".to_owned()),
                () if granted.is_empty() => (Paint::Warn, "not granted".to_owned()),
                () => (Paint::Good, "set".to_owned()),
            };
            vec![
                (Paint::Strong, text(item, "name")),
                state,
                (Paint::Faint, short_moment(&set_at)),
                (Paint::Plain, if granted.is_empty() { wanted } else { granted }),
            ]
        })
        .collect();
    context
        .ui
        .table(&["SECRET", "STATE", "SET", "HOSTS"], rows, "it asks for no secrets")
}

async fn remove(context: &Context, args: &RemoveArgs) -> Result<()> {
    let RemoveArgs { name, secret, .. } = args;
    let question = format!("Remove the secret {secret} of {name}? Requests that carry it will be refused.");
    if !context.ui.sure(args.yes, &question).await? {
        return Err(Failure::new(ErrorCode::ClientDeclined, format!("{name} keeps the secret {secret}")));
    }
    context.client()?.delete(&["extensions", name, "secrets", secret]).done().await?;
    changed(
        &context.ui,
        &json!({ "name": secret, "removed": true }),
        &format!("{name} has no secret {secret} any more"),
    )
}
