//! `oriel configure NAME`.

use std::path::{Path, PathBuf};

use clap::Args;
use oriel_extensions::SECRET_MASK;
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Map, Value, json};

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
    let path = ["extensions", args.name.as_str(), "config"];
    let shows = args.set.is_empty() && args.unset.is_empty() && args.secret.is_empty() && args.file.is_none() && !args.edit;
    if shows {
        let reply: Value = client.get(&path).send().await?;
        return context.ui.document(if context.ui.json() {
            &reply
        } else {
            reply.get("config").unwrap_or(&reply)
        });
    }
    let present = || async {
        let reply: Value = client.get(&path).send().await?;
        Ok::<_, Failure>(reply.get("config").cloned().unwrap_or(json!({})))
    };
    let mut config = match (&args.file, args.edit) {
        (Some(file), _) => read(file)?,
        (None, true) => edit(&present().await?)?,
        (None, false) => present().await?,
    };
    for (key, value) in &args.set {
        put(&mut config, key, value.clone())?;
    }
    for key in &args.unset {
        unset(&mut config, key)?;
    }
    for secret in &args.secret {
        let (key, value) = read_secret(&context.ui, secret, args.secret.len())?;
        put(&mut config, &key, json!(value))?;
    }
    let reply: Value = client.request(Method::PUT, &path).json(&json!({ "config": config })).send().await?;
    changed(&context.ui, &reply, &format!("{} is configured", args.name))?;
    let extension: Value = client.get(&["extensions", &args.name]).send().await?;
    if text(&extension, "state") == "disabled" {
        context
            .ui
            .note(&format!("it is disabled: `oriel enable {}` switches it on", args.name));
    }
    Ok(())
}

fn read(file: &Path) -> Result<Value> {
    if file == Path::new("-") {
        return input::json("-");
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
fn read_secret(ui: &Ui, argument: &str, count: usize) -> Result<(String, String)> {
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
        return Ok((argument.to_owned(), ui.ask_secret(argument)?));
    }
    if count > 1 {
        return Err(
            Failure::usage("standard input has room for one secret").help("take the others from variables with `--secret KEY=env:NAME`")
        );
    }
    let (value, _) = input::text("-")?;
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

/// Lets the user change the text in their editor. A mistake leads back to it.
fn edit(config: &Value) -> Result<Value> {
    let editor = std::env::var("VISUAL")
        .or_else(|_| std::env::var("EDITOR"))
        .unwrap_or_else(|_| "vi".to_owned());
    let file = tempfile::Builder::new()
        .suffix(".json")
        .tempfile()
        .map_err(|error| Failure::file(Path::new("a temporary file"), &error))?;
    let before = serde_json::to_string_pretty(config).unwrap_or_default();
    std::fs::write(file.path(), &before).map_err(|error| Failure::file(file.path(), &error))?;
    // Editors come with flags: `code --wait`.
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or("vi");
    let status = std::process::Command::new(program).args(words).arg(file.path()).status();
    let status = status.map_err(|error| Failure::file(Path::new(program), &error))?;
    let after = input::read(file.path())?;
    if !status.success() || after == before {
        return Err(Failure::new(ErrorCode::ClientDeclined, "the configuration was left as it is"));
    }
    input::parse_json(&after, "the configuration")
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
