//! `oriel configure NAME`.

mod edit;

use std::path::{Path, PathBuf};

use clap::Args;
use oriel_extensions::SECRET_MASK;
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::context::Context;
use crate::error::{Failure, Result};
use crate::input;
use crate::ui::Ui;
use crate::view::{changed, text};

/// What to set. Without any option, the present configuration is shown, its secrets masked.
#[derive(Debug, Args)]
pub(crate) struct ConfigureArgs {
    /// The extension
    name: String,
    /// Set a value; KEY may reach into objects with dots, VALUE is JSON or else text
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, Value)>,
    /// Remove a value
    #[arg(long, value_name = "KEY")]
    unset: Vec<String>,
    /// Set a secret: asked for, read from standard input, or taken from a variable with KEY=env:NAME
    #[arg(long, value_name = "KEY[=env:NAME]")]
    secret: Vec<String>,
    /// Replace everything by this file: JSON, TOML when it ends so, or - for JSON on standard input
    #[arg(long, short, value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// Change it in $EDITOR
    #[arg(long, conflicts_with_all = ["set", "unset", "secret", "file"])]
    edit: bool,
}

/// Reads `KEY=VALUE`.
fn assignment(text: &str) -> std::result::Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    if key.is_empty() || key.split('.').any(str::is_empty) {
        return Err(format!("`{key}` is not a key: write names joined by dots"));
    }
    Ok((key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| json!(value))))
}

pub(crate) async fn run(context: &Context, args: &ConfigureArgs) -> Result<()> {
    let client = context.client()?;
    let name = &args.name;
    let changes = !(args.set.is_empty() && args.unset.is_empty() && args.secret.is_empty() && args.file.is_none());
    if !changes && !args.edit {
        let reply: Value = client.get(&["extensions", name, "config"]).send().await?;
        return context.ui.document(if context.ui.json() {
            &reply
        } else {
            reply.get("config").unwrap_or(&reply)
        });
    }
    let extension = if args.edit {
        edit::run(context, &client, name).await?
    } else {
        change(context, &client, args).await?
    };
    changed(&context.ui, &extension, &format!("{name} is configured"))?;
    if text(&extension, "state") == "disabled" {
        context.ui.note(&format!("it is disabled: `oriel enable {name}` switches it on"));
    }
    Ok(())
}

/// Applies the options to what the file says, or else to the present configuration.
async fn change(context: &Context, client: &Client, args: &ConfigureArgs) -> Result<Value> {
    let file = match &args.file {
        Some(file) => Some(read(file).await?),
        None => None,
    };
    let mut secrets = Vec::new();
    for secret in &args.secret {
        secrets.push(read_secret(&context.ui, secret, args.secret.len()).await?);
    }
    let mut attempt = 1;
    loop {
        let (mut config, revision) = match &file {
            // It replaces whatever is there.
            Some(config) => (config.clone(), None),
            None => Present::of(client, &args.name)
                .await
                .map(|present| (present.config, Some(present.revision)))?,
        };
        for (key, value) in &args.set {
            put(&mut config, key, value.clone())?;
        }
        for key in &args.unset {
            unset(&mut config, key)?;
        }
        for (key, value) in &secrets {
            put(&mut config, key, json!(value))?;
        }
        match send(client, &args.name, &config, revision).await {
            // Somebody else was quicker: the same changes fit what they left, too.
            Err(failure) if failure.is(ErrorCode::PreconditionFailed) && attempt < ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

/// How often changes are applied anew when somebody else was quicker.
const ATTEMPTS: u32 = 5;

/// A configuration as it is, secrets masked.
struct Present {
    config: Value,
    /// The extension's revision, at the latest that of the configuration.
    revision: u64,
}

impl Present {
    async fn of(client: &Client, name: &str) -> Result<Self> {
        // In this order, so that a change between the two is noticed.
        let extension: Value = client.get(&["extensions", name]).send().await?;
        let reply: Value = client.get(&["extensions", name, "config"]).send().await?;
        Ok(Self {
            config: reply.get("config").cloned().unwrap_or(json!({})),
            revision: extension.get("revision").and_then(Value::as_u64).unwrap_or_default(),
        })
    }
}

/// Puts a configuration in force, if the extension still has this revision.
async fn send(client: &Client, name: &str, config: &Value, revision: Option<u64>) -> Result<Value> {
    let mut call = client
        .request(Method::PUT, &["extensions", name, "config"])
        .json(&json!({ "config": config }));
    if let Some(revision) = revision {
        call = call.if_match(revision);
    }
    call.send().await
}

async fn read(file: &Path) -> Result<Value> {
    if file == Path::new("-") {
        return input::json("-").await;
    }
    let text = input::read(file)?;
    let name = file.display().to_string();
    if file.extension().is_some_and(|extension| extension == "toml") {
        let place = |error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            Failure::new(ErrorCode::ClientInput, format!("{name}:{line}: {}", error.message()))
        };
        return toml::from_str(&text).map_err(place);
    }
    input::parse_json(&text, &name)
}

/// A secret's key and value. Never printed, never part of the command line itself.
async fn read_secret(ui: &Ui, argument: &str, count: usize) -> Result<(String, String)> {
    if let Some((key, source)) = argument.split_once('=') {
        let Some(variable) = source.strip_prefix("env:") else {
            return Err(
                Failure::usage(format!("the value of the secret `{key}` must not stand on the command line"))
                    .help("write `--secret KEY` and give it on standard input, or `--secret KEY=env:NAME` to take it from a variable"),
            );
        };
        let value = std::env::var(variable).map_err(|_| Failure::usage(format!("the environment variable {variable} is not set")))?;
        return Ok((key.to_owned(), value));
    }
    if Ui::interactive() {
        return Ok((argument.to_owned(), ui.ask_secret(argument).await?));
    }
    if count > 1 {
        return Err(
            Failure::usage("standard input has room for one secret").help("take the others from variables with `--secret KEY=env:NAME`")
        );
    }
    let (value, _) = input::text("-").await?;
    Ok((argument.to_owned(), value.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Sets the value at a dotted key, making the objects on the way.
fn put(config: &mut Value, key: &str, value: Value) -> Result<()> {
    let mut at = config;
    for name in key.split('.') {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(map) = at else {
            return Err(Failure::usage(format!(
                "`{key}` does not fit: something on the way to it is not an object"
            )));
        };
        at = map.entry(name).or_insert(Value::Null);
    }
    *at = value;
    Ok(())
}

/// Removes the value at a dotted key. A secret, which the server shows masked, is set to `null`: one that is only left
/// out would stay.
fn unset(config: &mut Value, key: &str) -> Result<()> {
    let pointer = format!("/{}", key.replace('~', "~0").replace('/', "~1").replace('.', "/"));
    let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
    let name = name.replace("~1", "/").replace("~0", "~");
    let map = config.pointer_mut(parent).and_then(Value::as_object_mut);
    let Some((map, present)) = map.and_then(|map| map.get(&name).cloned().map(|present| (map, present))) else {
        return Err(Failure::usage(format!("`{key}` is not set")));
    };
    if present == SECRET_MASK {
        map.insert(name, Value::Null);
    } else {
        map.shift_remove(&name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_reach_into_objects() {
        let mut config = json!({ "a": 1 });
        put(&mut config, "b.c", json!("x")).unwrap();
        put(&mut config, "a", json!(2)).unwrap();
        assert_eq!(config, json!({ "a": 2, "b": { "c": "x" } }));
        assert!(put(&mut config, "a.b", json!(1)).is_err());
    }

    #[test]
    fn a_secret_is_removed_with_null() {
        let mut config = json!({ "token": SECRET_MASK, "b": { "c/d": 1 } });
        unset(&mut config, "token").unwrap();
        unset(&mut config, "b.c/d").unwrap();
        assert_eq!(config, json!({ "token": null, "b": {} }));
        assert!(unset(&mut config, "x").is_err());
    }

    #[test]
    fn values_are_json_or_text() {
        assert_eq!(assignment("a=1").unwrap().1, json!(1));
        assert_eq!(assignment("a=#general").unwrap().1, json!("#general"));
        assert_eq!(assignment("a=\"1\"").unwrap().1, json!("1"));
        assert_eq!(assignment("a=x=y").unwrap().1, json!("x=y"));
        for bad in ["a", "=1", "a..b=1"] {
            assert!(assignment(bad).is_err(), "{bad}");
        }
    }
}
