//! Values of case files: TOML as JSON, and the three ways to write one value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use toml::Spanned;

/// What is wrong with a case, and where: a byte range of the file, or the whole case.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) message: String,
    pub(super) span: Option<Range<usize>>,
}

impl Bad {
    /// At a place of its own.
    pub(super) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span: Some(span),
        }
    }
}

impl From<String> for Bad {
    fn from(message: String) -> Self {
        Self { message, span: None }
    }
}

pub(super) type Read<T> = std::result::Result<T, Bad>;

/// One value in one of three ways: `NAME` as TOML, `NAME_json` as JSON in a text, `NAME_file` in a file beside the case's.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) toml: Option<Spanned<toml::Value>>,
    pub(super) json: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
}

impl Given {
    /// The place of the first way that is used, and its name.
    pub(super) fn place(&self, name: &str) -> Option<(String, Range<usize>)> {
        let toml = self.toml.as_ref().map(|value| (name.to_owned(), value.span()));
        let json = self.json.as_ref().map(|value| (format!("{name}_json"), value.span()));
        let file = self.file.as_ref().map(|value| (format!("{name}_file"), value.span()));
        toml.or(json).or(file)
    }

    /// The value, if there is one.
    pub(super) fn read(self, name: &str, base: &Path) -> Read<Option<Value>> {
        let places = [
            self.toml.as_ref().map(Spanned::span),
            self.json.as_ref().map(Spanned::span),
            self.file.as_ref().map(Spanned::span),
        ];
        if let Some(second) = places.into_iter().flatten().nth(1) {
            let message = format!("say `{name}` once: as a value, as `{name}_json` or as `{name}_file`");
            return Err(Bad::at(second, message));
        }
        if let Some(value) = self.toml {
            let span = value.span();
            return json(value.into_inner()).map(Some).map_err(|message| Bad::at(span, message));
        }
        if let Some(text) = self.json {
            let found = from_text(text.get_ref(), &format!("{name}_json"));
            return found.map(Some).map_err(|message| Bad::at(text.span(), message));
        }
        let Some(file) = self.file else { return Ok(None) };
        let path = file.get_ref();
        let read = std::fs::read_to_string(base.join(path)).map_err(|error| format!("{path}: {error}"));
        let found = read.and_then(|text| from_text(&text, path));
        found.map(Some).map_err(|message| Bad::at(file.span(), message))
    }
}

fn from_text(text: &str, name: &str) -> std::result::Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))
}

/// TOML as JSON. Moments become texts.
pub(super) fn json(value: toml::Value) -> std::result::Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .ok_or("JSON has no infinity and no NaN")?
            .into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<std::result::Result<_, _>>()?),
        toml::Value::Table(table) => {
            let members = table.into_iter().map(|(key, value)| Ok((key, json(value)?)));
            Value::Object(members.collect::<std::result::Result<_, String>>()?)
        }
    })
}

/// Documents by collection and id.
pub(in crate::testing) type Documents = BTreeMap<String, BTreeMap<String, Value>>;

/// Documents as JSON.
pub(super) fn documents(given: BTreeMap<String, BTreeMap<String, toml::Value>>) -> std::result::Result<Documents, String> {
    let mut all = Documents::new();
    for (collection, documents) in given {
        let kept = all.entry(collection).or_default();
        for (id, body) in documents {
            kept.insert(id, json(body)?);
        }
    }
    Ok(all)
}

/// A stored value: text as it is, anything else as JSON.
pub(super) fn stored(value: toml::Value) -> std::result::Result<String, String> {
    Ok(match value {
        toml::Value::String(text) => text,
        other => json(other)?.to_string(),
    })
}
