//! Bindings that the file declares, such as `[[bindings.validators]]`.

use oriel_extensions::{Declared, NewBinding};
use oriel_model::binding::{BindingKind, ContributionRef, OnError, OnInvalid, Terms};
use oriel_model::limits::TimeSpan;
use oriel_model::name::TenantName;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::hint;

/// The table of the file.
pub(super) const TABLE: &str = "bindings";

/// A binding of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileBinding {
    /// Whose; without it, of the tenant `default`.
    pub tenant: Option<TenantName>,
    /// What it shall be, and where it stands.
    pub declared: Declared,
}

/// The groups, each with its kind and the field that names the point.
const GROUPS: [(&str, BindingKind, &str); 4] = [
    ("validators", BindingKind::Validator, "task"),
    ("samplers", BindingKind::Sampler, "task"),
    ("event_handlers", BindingKind::EventHandler, "event"),
    ("hooks", BindingKind::Hook, "hook"),
];

const FIELDS: [&str; 10] = [
    "name",
    "tenant",
    "enabled",
    "priority",
    "timeout",
    "on_error",
    "attempts",
    "inline",
    "on_invalid",
    "config",
];

/// What is wrong, and the byte of the file where.
type Problem = (usize, String);

/// All bindings of the table with the byte where each begins, or all problems.
pub(super) fn read(table: &Spanned<DeValue<'_>>) -> Result<Vec<(usize, FileBinding)>, Vec<Problem>> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    let Some(groups) = table.get_ref().as_table() else {
        return Err(vec![(
            table.span().start,
            format!("`{TABLE}` cannot be of type {}", table.get_ref().type_str()),
        )]);
    };
    for (name, value) in groups {
        let group = name.get_ref().as_ref();
        let Some((_, kind, point)) = GROUPS.iter().find(|(known, ..)| *known == group) else {
            let help = hint(group, GROUPS.iter().map(|(known, ..)| *known));
            problems.push((name.span().start, format!("there are no bindings of `{group}`{help}")));
            continue;
        };
        let Some(items) = value.get_ref().as_array() else {
            problems.push((name.span().start, format!("write each binding as `[[{TABLE}.{group}]]`")));
            continue;
        };
        for item in items {
            let start = item.span().start;
            match item.get_ref().as_table() {
                Some(fields) => match binding(group, *kind, point, fields, start) {
                    Ok(binding) => found.push((start, binding)),
                    Err(more) => problems.extend(more),
                },
                None => problems.push((start, format!("write each binding as `[[{TABLE}.{group}]]`"))),
            }
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn binding(group: &str, kind: BindingKind, point: &'static str, fields: &DeTable<'_>, start: usize) -> Result<FileBinding, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut terms = Terms::default();
    let (mut contribution, mut place, mut tenant) = (None, None, None);
    for (name, value) in fields {
        let field = name.get_ref().as_ref();
        let at = value.span().start;
        let given = json(value.get_ref());
        let result = match (field, &given) {
            ("name", Some(Value::String(text))) => named(text).map(|named| contribution = Some(named)),
            (field, Some(Value::String(text))) if field == point => {
                place = Some(text.clone());
                Ok(())
            }
            ("tenant", Some(Value::String(text))) => parsed(text.parse::<TenantName>()).map(|name| tenant = Some(name)),
            ("timeout", Some(Value::String(text))) => match text.parse::<TimeSpan>() {
                Ok(span) => {
                    terms.timeout_ms = Some(u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX));
                    Ok(())
                }
                Err(_) => Err(format!("`{text}` is not a span of time such as 250ms or 5s")),
            },
            ("enabled", Some(Value::Bool(flag))) => {
                terms.enabled = *flag;
                Ok(())
            }
            ("inline", Some(Value::Bool(flag))) => {
                terms.inline = *flag;
                Ok(())
            }
            ("priority", Some(Value::Number(number))) => whole(number, &mut terms.priority),
            ("attempts", Some(Value::Number(number))) => whole(number, &mut terms.attempts),
            ("on_error", Some(text @ Value::String(_))) => {
                word::<OnError>(text, "`open`, `closed` or `retry`").map(|on_error| terms.on_error = Some(on_error))
            }
            ("on_invalid", Some(text @ Value::String(_))) => {
                word::<OnInvalid>(text, "`report` or `reject`").map(|on_invalid| terms.on_invalid = on_invalid)
            }
            ("config", Some(Value::Object(config))) => {
                terms.config = config.clone();
                Ok(())
            }
            (field, _) if field == point || FIELDS.contains(&field) => Err(format!("it cannot be of type {}", value.get_ref().type_str())),
            (field, _) => {
                let help = hint(field, FIELDS.into_iter().chain([point]));
                problems.push((name.span().start, format!("`{TABLE}.{group}` has no field `{field}`{help}")));
                continue;
            }
        };
        if let Err(message) = result {
            problems.push((at, format!("`{TABLE}.{group}`: `{field}`: {message}")));
        }
    }
    match (contribution, place) {
        (Some(contribution), Some(point)) if problems.is_empty() => {
            let binding = NewBinding {
                kind,
                point,
                contribution,
                terms,
            };
            let declared = Declared {
                binding,
                place: String::new(),
            };
            return Ok(FileBinding { tenant, declared });
        }
        (contribution, place) => {
            for (field, missing) in [("name", contribution.is_none()), (point, place.is_none())] {
                if missing && !fields.keys().any(|name| name.get_ref().as_ref() == field) {
                    problems.push((start, format!("`{TABLE}.{group}`: it needs `{field}`")));
                }
            }
        }
    }
    Err(problems)
}

/// `extension/contribution`.
fn named(text: &str) -> Result<ContributionRef, String> {
    let (extension, name) = text
        .split_once('/')
        .ok_or_else(|| format!("write `{text}` as `EXTENSION/CONTRIBUTION`"))?;
    Ok(ContributionRef {
        extension: parsed(extension.parse())?,
        name: parsed(name.parse())?,
    })
}

fn parsed<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn whole<T: TryFrom<i64>>(number: &serde_json::Number, into: &mut T) -> Result<(), String> {
    let fitting = number.as_i64().and_then(|number| T::try_from(number).ok());
    *into = fitting.ok_or_else(|| format!("{number} is out of range"))?;
    Ok(())
}

fn word<T: serde::de::DeserializeOwned>(text: &Value, words: &str) -> Result<T, String> {
    serde_json::from_value(text.clone()).map_err(|_| format!("it should be {words}"))
}

/// The value as JSON; nothing for numbers that JSON does not have. Moments are their text.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?.into(),
        DeValue::Float(number) => serde_json::Number::from_f64(number.as_str().replace('_', "").parse().ok()?)?.into(),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(moment) => Value::String(moment.to_string()),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(item.get_ref()));
            Value::Array(items.collect::<Option<Vec<Value>>>()?)
        }
        DeValue::Table(fields) => {
            let mut map = Map::new();
            for (name, value) in fields {
                map.insert(name.get_ref().to_string(), json(value.get_ref())?);
            }
            Value::Object(map)
        }
    })
}
