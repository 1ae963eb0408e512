//! `oriel show NAME`.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::ui::{Paint, Ui, clean};
use crate::view::{Extension, moment, parts, state_paint, text};

/// What to show.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The extension
    name: String,
}

pub(crate) async fn run(context: &Context, args: &ShowArgs) -> Result<()> {
    let value: Value = context.client()?.get(&["extensions", &args.name]).send().await?;
    if context.ui.json() {
        return context.ui.document(&value);
    }
    show(&context.ui, &value)?;
    let contributions = value.get("contributions").and_then(Value::as_array);
    if contributions.into_iter().flatten().any(|one| text(one, "kind") == "route") {
        let routes: Value = context.client()?.get(&["extensions", &args.name, "routes"]).send().await?;
        show_routes(&context.ui, &routes)?;
    }
    Ok(())
}

/// Where its routes answer, and whom.
fn show_routes(ui: &Ui, routes: &Value) -> Result<()> {
    heading(ui, "Routes")?;
    let items = routes.get("items").and_then(Value::as_array);
    let rows = items.into_iter().flatten().map(|route| {
        vec![
            (Paint::Strong, text(route, "name")),
            (Paint::Plain, text(route, "access")),
            (Paint::Plain, clean(&text(route, "address")).into_owned()),
        ]
    });
    ui.table(&["NAME", "ACCESS", "ADDRESS"], rows.collect(), "")
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
    if let Some(remote) = value.get("remote") {
        let url = text(remote, "url");
        rows.push(if url.is_empty() {
            ("service", Paint::Warn, "nobody has said where it runs".to_owned())
        } else {
            ("service", Paint::Plain, clean(&url).into_owned())
        });
    }
    if let Some((paint, health)) = health(&extension.health) {
        rows.push(("health", paint, health));
    }
    if let Some(version) = extension.previous.as_ref().map(|release| text(release, "version")) {
        rows.push((
            "former release",
            Paint::Plain,
            format!("{version} (`oriel rollback {}` returns to it)", extension.name),
        ));
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
        let (paint, word) = if wider.contains(&line) {
            (Paint::Warn, "not granted")
        } else {
            (Paint::Good, "granted")
        };
        ui.line(&format!("{line}  {}", ui.paint(paint, word)))?;
    }
    if let Some(pending) = &extension.pending {
        heading(ui, "Waits for consent")?;
        ui.line(&format!(
            "release {} asks for more: {}",
            text(pending, "version"),
            extension.wants.join(", ")
        ))?;
        ui.line("grant it with `oriel upgrade … --grant`")?;
    }
    if !extension.config_problems.is_empty() {
        heading(ui, "Configuration does not fit")?;
        for problem in &extension.config_problems {
            ui.line(&format!(
                "at `{}`: {}",
                clean(&text(problem, "path")),
                clean(&text(problem, "message"))
            ))?;
        }
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

/// How it does and why; nothing for a server that does not say.
fn health(value: &Value) -> Option<(Paint, String)> {
    let state = text(value, "state");
    if state.is_empty() {
        return None;
    }
    let paint = super::health::paint(&state);
    let why = match state.as_str() {
        "healthy" | "starting" => text(value, "detail"),
        _ => text(value, "reason"),
    };
    Some((
        paint,
        if why.is_empty() {
            state
        } else {
            format!("{state}: {}", clean(&why))
        },
    ))
}
