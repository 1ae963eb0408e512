//! The parts of the server's answers that tables show. Read leniently: what a newer server adds is left alone, and
//! what an older one lacks is blank.

use oriel_model::Timestamp;
use oriel_model::permissions::Permissions;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Result;
use crate::ui::{Paint, Ui};

/// An installed extension.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Extension {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) description: String,
    pub(crate) publisher: String,
    pub(crate) license: String,
    pub(crate) state: String,
    pub(crate) contributions: Vec<Contribution>,
    pub(crate) permissions: Permissions,
    pub(crate) grant: Permissions,
    pub(crate) package: String,
    pub(crate) pending: Option<Value>,
    pub(crate) previous: Option<Value>,
    pub(crate) health: Value,
    pub(crate) limits: serde_json::Map<String, Value>,
    pub(crate) config_schema: Option<Value>,
    pub(crate) config_problems: Vec<Value>,
    pub(crate) wants: Vec<String>,
    pub(crate) updated_at: Option<Timestamp>,
}

/// One contribution.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Contribution {
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) description: String,
}

/// Contributions in one line, kind by kind: `programs classify, touch; hooks add-tax`.
pub(crate) fn by_kind(contributions: &[Contribution]) -> String {
    let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
    for contribution in contributions {
        match kinds.iter_mut().find(|(kind, _)| *kind == contribution.kind) {
            Some((_, names)) => names.push(&contribution.name),
            None => kinds.push((&contribution.kind, vec![&contribution.name])),
        }
    }
    let lines = kinds.iter().map(|(kind, names)| {
        let plural = if names.len() == 1 { "" } else { "s" };
        format!("{}{plural} {}", kind.replace('-', " "), names.join(", "))
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// A task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) input_schema: Value,
    pub(crate) output_schema: Value,
    pub(crate) program: Program,
    pub(crate) revision: u64,
    pub(crate) updated_at: Option<Timestamp>,
}

/// The program behind a task.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Program {
    pub(crate) extension: String,
    pub(crate) name: String,
}

/// Reads the parts of `value` that a table shows; whatever has another shape is blank.
pub(crate) fn parts<T: DeserializeOwned + Default>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_default()
}

/// A field as text, blank when it is missing.
pub(crate) fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A moment without its fraction of a second.
pub(crate) fn moment(at: Option<Timestamp>) -> String {
    at.map(|at| short_moment(&at.to_string())).unwrap_or_default()
}

/// The same of the API's text.
pub(crate) fn short_moment(text: &str) -> String {
    text.get(..19)
        .map_or_else(|| text.to_owned(), |date| format!("{}Z", date.replace('T', " ")))
}

/// The colour of an extension's state.
pub(crate) fn state_paint(state: &str) -> Paint {
    match state {
        "enabled" => Paint::Good,
        "disabled" => Paint::Faint,
        _ => Paint::Warn,
    }
}

/// Shows an object that was changed: the whole with `--json`, otherwise one sentence.
pub(crate) fn changed(ui: &Ui, value: &Value, sentence: &str) -> Result<()> {
    if ui.json() {
        ui.document(value)
    } else {
        ui.line(&crate::ui::clean(sentence))
    }
}

/// `text` cut to `max` characters.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.push('…');
    short
}
