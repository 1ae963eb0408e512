//! Texts that must match a pattern, or must not.

use oriel_extension::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::scan::{pattern, pointer};

/// How many problems a verdict lists.
const MOST_PROBLEMS: usize = 20;

#[derive(Deserialize)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    at: String,
    #[serde(default)]
    part: Part,
    pattern: String,
    #[serde(default, rename = "match")]
    wanted: Match,
    message: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    #[default]
    Output,
    Input,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Match {
    #[default]
    Must,
    MustNot,
}

impl Rules {
    /// Whether some rule judges the output.
    pub(crate) fn of_output(&self) -> bool {
        self.rules.iter().any(|rule| rule.part == Part::Output)
    }

    /// What breaks the rules, and how many texts were judged.
    pub(crate) fn judge(&self, input: &Value, output: &Value) -> Result<(Vec<Value>, usize, usize)> {
        let (mut problems, mut judged, mut broken) = (Vec::new(), 0, 0);
        for (index, rule) in self.rules.iter().enumerate() {
            let regex = pattern(&rule.pattern).map_err(|problem| {
                Error::invalid_input(format_args!("the binding's rule {index} has a pattern that is none: {problem}"))
            })?;
            let mut texts = Vec::new();
            let root = if rule.part == Part::Input { input } else { output };
            let place: Vec<String> = rule
                .at
                .split('/')
                .skip(1)
                .map(|part| part.replace("~1", "/").replace("~0", "~"))
                .collect();
            collect(root, &place, &mut Vec::new(), &mut texts);
            for (path, text) in texts {
                judged += 1;
                if regex.is_match(text) == (rule.wanted == Match::Must) {
                    continue;
                }
                broken += 1;
                if problems.len() < MOST_PROBLEMS {
                    let usual = if rule.wanted == Match::Must {
                        "does not match its pattern"
                    } else {
                        "matches what it must not"
                    };
                    let message = rule.message.as_deref().unwrap_or(usual);
                    problems.push(json!({ "at": path, "rule": index, "message": message }));
                }
            }
        }
        Ok((problems, judged, broken))
    }
}

/// The texts at `place` and below it, each with its pointer.
fn collect<'a>(value: &'a Value, place: &[String], path: &mut Vec<String>, into: &mut Vec<(String, &'a str)>) {
    let wanted = |part: &str| place.first().is_none_or(|first| first == "*" || first == part);
    let rest = place.get(1..).unwrap_or_default();
    match value {
        Value::String(text) if place.is_empty() => into.push((pointer(path), text)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let part = index.to_string();
                if wanted(&part) {
                    path.push(part);
                    collect(item, rest, path, into);
                    path.pop();
                }
            }
        }
        Value::Object(members) => {
            for (key, item) in members.iter().filter(|(key, _)| wanted(key)) {
                path.push(key.clone());
                collect(item, rest, path, into);
                path.pop();
            }
        }
        _ => {}
    }
}
