//! Reading `oriel.toml` into texts by key, so that a value means the same wherever it comes from.

use toml::de::{DeTable, DeValue};

use oriel_model::health_policy::HealthPolicy;
use oriel_model::name::ExtensionName;

use super::bindings::{self, FileBinding};
use super::{Setting, health, hint};

/// A value with its place in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub key: String,
    pub text: String,
    /// Both from 1.
    pub line: usize,
    pub column: usize,
}

/// What a file says: values, bindings, and health policies by extension.
pub(super) type Contents = (Vec<Value>, Vec<FileBinding>, Vec<(ExtensionName, HealthPolicy)>);

/// All values, bindings and health policies of the file, or all its problems as `LINE:COLUMN: message`. The place of a binding is
/// `LINE:COLUMN`.
pub(super) fn read(text: &str, settings: &[Setting]) -> Result<Contents, Vec<String>> {
    let table = DeTable::parse(text).map_err(|error| {
        let (line, column) = place(text, error.span().map_or(0, |span| span.start));
        vec![format!("{line}:{column}: {}", error.message())]
    })?;
    let mut found = Found {
        text,
        settings,
        values: Vec::new(),
        bindings: Vec::new(),
        health: Vec::new(),
        problems: Vec::new(),
    };
    found.table("", table.get_ref());
    if found.problems.is_empty() {
        Ok((found.values, found.bindings, found.health))
    } else {
        Err(found.problems)
    }
}

struct Found<'a> {
    text: &'a str,
    settings: &'a [Setting],
    values: Vec<Value>,
    bindings: Vec<FileBinding>,
    health: Vec<(ExtensionName, HealthPolicy)>,
    problems: Vec<String>,
}

impl Found<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = format!("{prefix}{}", name.get_ref());
            if key == bindings::TABLE {
                self.bindings(value);
                continue;
            }
            if key == health::TABLE {
                self.health(value);
                continue;
            }
            let (line, column) = place(self.text, name.span().start);
            if self.settings.iter().any(|setting| setting.key == key && key != super::CONFIG) {
                let (line, column) = place(self.text, value.span().start);
                match scalar(value.get_ref()) {
                    Some(text) => self.values.push(Value { key, text, line, column }),
                    None => self
                        .problems
                        .push(format!("{line}:{column}: `{key}` cannot be of type {}", value.get_ref().type_str())),
                }
            } else if let DeValue::Table(inner) = value.get_ref()
                && self.settings.iter().any(|setting| setting.key.starts_with(&format!("{key}.")))
            {
                self.table(&format!("{key}."), inner);
            } else {
                let help = hint(&key, self.settings.iter().map(|setting| setting.key.as_str()));
                self.problems.push(format!("{line}:{column}: there is no setting `{key}`{help}"));
            }
        }
    }

    fn health(&mut self, table: &toml::Spanned<DeValue<'_>>) {
        match health::read(table) {
            Ok(found) => self.health.extend(found),
            Err(problems) => {
                for (offset, message) in problems {
                    let (line, column) = place(self.text, offset);
                    self.problems.push(format!("{line}:{column}: {message}"));
                }
            }
        }
    }

    fn bindings(&mut self, table: &toml::Spanned<DeValue<'_>>) {
        let text = self.text;
        let told = |offset: usize| {
            let (line, column) = place(text, offset);
            format!("{line}:{column}")
        };
        match bindings::read(table) {
            Ok(found) => self.bindings.extend(found.into_iter().map(|(offset, mut binding)| {
                binding.declared.place = told(offset);
                binding
            })),
            Err(problems) => {
                let problems = problems.into_iter();
                self.problems
                    .extend(problems.map(|(offset, message)| format!("{}: {message}", told(offset))));
            }
        }
    }
}

/// A value as the environment would carry it.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        DeValue::Array(items) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
