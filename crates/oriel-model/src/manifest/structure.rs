//! Checks a TOML document against the published schema's structure: unknown fields, missing fields, wrong types,
//! unknown choices. What a text means (a version, a licence, a host) is judged in [`super::read`].

use std::ops::Range;

use serde_json::{Map, Value};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::hint::nearest;
use super::report::Report;
use super::shape::schema;

/// Walks the document from its root.
pub(super) fn check(report: &mut Report<'_>, root: &DeTable<'_>) {
    table(report, schema(), root, 0..0, "");
}

fn table(report: &mut Report<'_>, shape: &Value, given: &DeTable<'_>, header: Range<usize>, path: &str) {
    let none = Map::new();
    let properties = shape["properties"].as_object().unwrap_or(&none);
    let mut misspelt = Vec::new();
    for (key, item) in given {
        let name: &str = key.get_ref();
        let below = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        if let Some(shape) = properties.get(name) {
            value(report, shape, item, name, &below);
        } else if shape["additionalProperties"].is_object() {
            value(report, &shape["additionalProperties"], item, name, &below);
        } else if shape["additionalProperties"] == false {
            misspelt.extend(unknown(report, properties, name, key.span(), path));
        }
    }
    for name in shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        // A required field under a slightly wrong name is one problem, not two.
        if !misspelt.contains(&name) && !given.iter().any(|(key, _)| key.get_ref() == name) {
            let within = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            report.missing(
                header.clone(),
                format!("missing field `{name}`{within}"),
                format!("add `{name} = {}`", example(&properties[name])),
            );
        }
    }
}

fn value(report: &mut Report<'_>, shape: &Value, item: &Spanned<DeValue<'_>>, name: &str, path: &str) {
    let kinds = kinds(shape);
    let found = kind(item.get_ref());
    if !kinds.is_empty() && !kinds.contains(&found) {
        // JSON Schema calls a table an object; the author writes TOML.
        let wanted: Vec<&str> = kinds.iter().map(|kind| spoken(kind)).collect();
        report.add(
            item.span(),
            format!("`{path}` must be {}, not {}", wanted.join(" or "), spoken(found)),
            Some(format!("write {}", assignment(name, shape))),
        );
        return;
    }
    match item.get_ref() {
        DeValue::Table(given) if shape["properties"].is_object() || shape["additionalProperties"].is_object() => {
            table(report, shape, given, item.span(), path);
        }
        DeValue::Array(items) if shape["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                value(report, &shape["items"], item, "", &format!("{path}[{index}]"));
            }
        }
        DeValue::String(text) => {
            let choices = choices(shape);
            if !choices.is_empty() && !choices.contains(&&**text) {
                let meant = nearest(text, choices.iter().copied());
                report.add(
                    item.span(),
                    format!("`{path}` cannot be `{}`", short(text)),
                    Some(match meant {
                        Some(meant) => format!("did you mean `\"{meant}\"`? possible: {}", choices.join(", ")),
                        None => format!("possible: {}", choices.join(", ")),
                    }),
                );
            }
        }
        _ => {}
    }
}

/// Answers the known name that was meant, if one is near.
fn unknown<'s>(report: &mut Report<'_>, properties: &'s Map<String, Value>, name: &str, span: Range<usize>, path: &str) -> Option<&'s str> {
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    let meant = nearest(name, known.iter().copied());
    let help = if let Some(meant) = meant {
        format!("did you mean `{meant}`? known here: {}", known.join(", "))
    } else if let Some(home) = elsewhere(name, path) {
        home
    } else {
        format!("known here: {}", known.join(", "))
    };
    let within = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
    report.add(span, format!("unknown field `{}`{within}", short(name)), Some(help));
    meant
}

/// A field that exists in another table was most likely written under the wrong header.
fn elsewhere(name: &str, path: &str) -> Option<String> {
    let root = schema()["properties"].as_object()?;
    if !path.is_empty() && root.contains_key(name) {
        return Some(format!(
            "`{name}` belongs at the top level: write it above the first `[table]` of the file"
        ));
    }
    root.iter().find_map(|(table, shape)| {
        let (fields, header) = match &shape["items"]["properties"] {
            Value::Null => (&shape["properties"], format!("[{table}]")),
            fields => (fields, format!("[[{table}]]")),
        };
        (table != path && fields.get(name).is_some()).then(|| format!("`{name}` belongs under `{header}`"))
    })
}

fn kinds(shape: &Value) -> Vec<&str> {
    match &shape["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        // An enum of described constants; all of ours are strings.
        _ if shape["oneOf"].is_array() => vec!["string"],
        _ => Vec::new(),
    }
}

fn choices(shape: &Value) -> Vec<&str> {
    let listed = shape["enum"].as_array().into_iter().flatten();
    let described = shape["oneOf"].as_array().into_iter().flatten();
    listed
        .filter_map(Value::as_str)
        .chain(described.flat_map(|choice| {
            choice["const"]
                .as_str()
                .into_iter()
                .chain(choice["enum"].as_array().into_iter().flatten().filter_map(Value::as_str))
        }))
        .collect()
}

const fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn spoken(kind: &str) -> &'static str {
    match kind {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a float",
        "boolean" => "true or false",
        "date" => "a date",
        "array" => "an array",
        _ => "a table",
    }
}

/// How to write a field of this shape, from the schema's own examples.
fn assignment(name: &str, shape: &Value) -> String {
    if name.is_empty() {
        return format!("`{}`", example(shape));
    }
    if shape["items"]["properties"].is_object() {
        return format!("a `[[{name}]]` table");
    }
    if shape["properties"].is_object() {
        return format!("a `[{name}]` table");
    }
    format!("`{name} = {}`", example(shape))
}

/// A value of this shape in TOML.
fn example(shape: &Value) -> String {
    let given = shape["examples"]
        .get(0)
        .or_else(|| shape.get("default").filter(|value| *value != &Value::Bool(false)));
    if let Some(given) = given {
        return inline(given);
    }
    if let Some(first) = choices(shape).first() {
        return format!("\"{first}\"");
    }
    match kinds(shape).first().copied() {
        Some("boolean") => "true".to_owned(),
        Some("integer") => "1".to_owned(),
        Some("array") => format!("[{}]", example(&shape["items"])),
        Some("object") => "{}".to_owned(),
        _ => "\"…\"".to_owned(),
    }
}

/// JSON as inline TOML.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(map) => {
            let fields: Vec<String> = map.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// Quoted text is cut, so that a message stays a line.
pub(super) fn short(text: &str) -> String {
    if text.chars().count() <= 64 {
        return text.to_owned();
    }
    text.chars().take(63).chain(['…']).collect()
}
