//! `oriel show NAME`.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::ui::{Paint, Ui};
use crate::view::{Extension, moment, parts, state_paint, text};

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The extension
    name: String,
}

pub(crate) async fn run(context: &Context, args: &ShowArgs) -> Result<()> {
    let value: Value = context.client()?.get(&["extensions", &args.name]).send().await?;
    if context.ui.json() { context.ui.document(&value) } else { show(&context.ui, &value) }
}

/// Everything of one extension, for people.
fn show(ui: &Ui, value: &Value) -> Result<()> {
    let extension: Extension = parts(value);
    let mut rows = vec![
        ("name", Paint::Strong, extension.name.clone()),
        ("version", Paint::Plain, extension.version.clone()),
        ("state", state_paint(&extension.state), extension.state.clone()),
    ];
    for (name, text) in [
        ("description", &extension.description),
        ("publisher", &extension.publisher),
        ("licence", &extension.license),
    ] {
        if !text.is_empty() {
            rows.push((name, Paint::Plain, text.clone()));
        }
    }
    if let Some((paint, health)) = health(&extension.health) {
        rows.push(("health", paint, health));
    }
    if let Some(version) = extension.previous.as_ref().map(release_version).filter(|version| !version.is_empty()) {
        rows.push(("former release", Paint::Plain, format!("{version} (`oriel rollback {}` returns to it)", extension.name)));
    }
    rows.push(("changed", Paint::Faint, moment(extension.updated_at)));
    ui.pairs(rows)?;

    heading(ui, "Contributions")?;
    let contributions = extension.contributions.iter().map(|contribution| {
        vec![
            (Paint::Plain, contribution.kind.clone()),
            (Paint::Strong, contribution.name.clone()),
            (Paint::Plain, contribution.description.clone()),
        ]
    });
    ui.table(&["KIND", "NAME", "DESCRIPTION"], contributions.collect(), "  none")?;

    heading(ui, "Permissions")?;
    let wider = extension.permissions.beyond(&extension.grant);
    let asked = extension.permissions.describe();
    if asked.is_empty() {
        ui.line("none")?;
    }
    for line in asked {
        let (paint, word) = if wider.contains(&line) { (Paint::Warn, "not granted") } else { (Paint::Good, "granted") };
        ui.line(&format!("{line}  {}", ui.paint(paint, word)))?;
    }
    if let Some(pending) = &extension.pending {
        heading(ui, "Waits for consent")?;
        ui.line(&format!("release {}: look at it and grant it with `oriel upgrade … --grant`", release_version(pending)))?;
    }
    if let Some(schema) = &extension.config_schema {
        heading(ui, "Configuration schema")?;
        ui.document(schema)?;
    }
    if !extension.limits.is_empty() {
        heading(ui, "Limits")?;
        let limits = extension.limits.iter().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            vec![(Paint::Faint, name.clone()), (Paint::Plain, value)]
        });
        ui.table(&["LIMIT", "VALUE"], limits.collect(), "")?;
    }
    Ok(())
}

fn heading(ui: &Ui, text: &str) -> Result<()> {
    ui.line("")?;
    ui.line(&ui.paint(Paint::Strong, text))
}

/// A release is shown as its version, or as an object that holds it.
fn release_version(release: &Value) -> String {
    match release {
        Value::String(version) => version.clone(),
        other => text(other, "version"),
    }
}

fn health(value: &Value) -> Option<(Paint, String)> {
    match value {
        Value::String(word) => Some((if word == "healthy" { Paint::Good } else { Paint::Warn }, word.clone())),
        Value::Object(_) => {
            let status = text(value, "status");
            let detail = text(value, "detail");
            let healthy = value.get("healthy").and_then(Value::as_bool).unwrap_or(status == "healthy");
            let word = if status.is_empty() { if healthy { "healthy".to_owned() } else { "unhealthy".to_owned() } } else { status };
            let sentence = if detail.is_empty() { word } else { format!("{word}: {detail}") };
            Some((if healthy { Paint::Good } else { Paint::Warn }, sentence))
        }
        _ => None,
    }
}
