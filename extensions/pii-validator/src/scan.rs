//! Finds personal data in texts and values.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use crate::kinds::{Check, KINDS};

/// Memory for one compiled pattern.
const MOST_PATTERN_BYTES: usize = 1 << 20;
/// How many compiled patterns an instance keeps.
const MOST_KEPT: usize = 200;
/// How deep values are looked into; JSON of the host nests no deeper.
const MOST_DEPTH: usize = 128;

/// One thing to look for.
pub(crate) struct Finder {
    pub(crate) name: String,
    regex: Regex,
    check: Check,
}

/// What to look for, and what to leave alone.
pub(crate) struct Scanner {
    finders: Vec<Finder>,
    ignore: Vec<Vec<String>>,
    /// In lower case.
    allow: Vec<String>,
    keys: bool,
}

thread_local! {
    /// Compiling takes longer than matching: an instance does it once.
    static KEPT: RefCell<BTreeMap<String, Regex>> = const { RefCell::new(BTreeMap::new()) };
}

/// A regular expression in linear time and bounded memory.
pub(crate) fn pattern(text: &str) -> Result<Regex, String> {
    if let Some(regex) = KEPT.with_borrow(|kept| kept.get(text).cloned()) {
        return Ok(regex);
    }
    let regex = compile(text)?;
    KEPT.with_borrow_mut(|kept| {
        // Bindings change seldom: what was kept before is then of no use.
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(text.to_owned(), regex.clone());
    });
    Ok(regex)
}

fn compile(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(MOST_PATTERN_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::Syntax(message) => message.lines().last().unwrap_or("it is no regular expression").trim().to_owned(),
            regex::Error::CompiledTooBig(_) => "it becomes too large when it is compiled".to_owned(),
            other => other.to_string(),
        })
}

impl Finder {
    /// A built-in kind.
    pub(crate) fn built_in(name: &str) -> Option<Result<Self, String>> {
        let kind = KINDS.iter().find(|kind| kind.name == name)?;
        Some(pattern(kind.pattern).map(|regex| Self {
            name: name.to_owned(),
            regex,
            check: kind.check,
        }))
    }

    /// A pattern of the installation's. What matches nothing at all is nothing.
    pub(crate) fn own(name: &str, text: &str) -> Result<Self, String> {
        Ok(Self {
            name: name.to_owned(),
            regex: pattern(text)?,
            check: |_, _, found| (!found.is_empty()).then_some(found.len()),
        })
    }
}

impl Scanner {
    pub(crate) fn new(finders: Vec<Finder>, ignore: &[String], allow: &[String], keys: bool) -> Self {
        let parts = |pointer: &String| {
            pointer
                .split('/')
                .skip(1)
                .map(|part| part.replace("~1", "/").replace("~0", "~"))
                .collect()
        };
        Self {
            finders,
            ignore: ignore.iter().map(parts).collect(),
            allow: allow.iter().map(|value| value.to_lowercase()).collect(),
            keys,
        }
    }

    /// What is found in a text, from its beginning on: where, and the index of its finder. No two overlap.
    pub(crate) fn text(&self, text: &str) -> Vec<(Range<usize>, usize)> {
        let mut found: Vec<(Range<usize>, usize)> = Vec::new();
        for (index, finder) in self.finders.iter().enumerate() {
            let mut from = 0;
            while let Some(candidate) = finder.regex.find_at(text, from) {
                let start = candidate.start();
                let rest = &text[start..];
                let Some(length) = (finder.check)(&text[..start], rest, candidate.as_str()) else {
                    // Another may begin within this one. Candidates are short, so that this takes no longer.
                    let Some(first) = rest.chars().next() else { break };
                    from = start + first.len_utf8();
                    continue;
                };
                let range = start..start + length;
                let free = found.iter().all(|(taken, _)| taken.end <= range.start || range.end <= taken.start);
                if free && !self.allowed(&text[range.clone()]) {
                    found.push((range.clone(), index));
                }
                from = range.end;
            }
        }
        found.sort_by_key(|(range, _)| range.start);
        found
    }

    fn allowed(&self, found: &str) -> bool {
        let found = found.to_lowercase();
        self.allow.iter().any(|value| {
            if value.starts_with('@') {
                found.ends_with(value)
            } else {
                found == *value
            }
        })
    }

    /// Calls `report` with the pointer and the finder's name of everything found in `value`. Texts and, since numbers hold account
    /// numbers, too, integers are looked at.
    pub(crate) fn value(&self, value: &Value, report: &mut dyn FnMut(&str, &str)) {
        self.walk(value, &mut Vec::new(), report);
    }

    fn walk(&self, value: &Value, path: &mut Vec<String>, report: &mut dyn FnMut(&str, &str)) {
        if path.len() > MOST_DEPTH || self.ignored(path) {
            return;
        }
        match value {
            Value::String(text) => self.tell(text, path, report),
            Value::Number(number) => self.tell(&number.to_string(), path, report),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.walk(item, path, report);
                    path.pop();
                }
            }
            Value::Object(members) => {
                for (key, item) in members {
                    // A key that is personal data itself must not stand in a verdict's pointers either.
                    let hidden = self.keys && !self.text(key).is_empty();
                    path.push(if hidden { "*".to_owned() } else { key.clone() });
                    if hidden && !self.ignored(path) {
                        self.tell(key, path, report);
                    }
                    self.walk(item, path, report);
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn tell(&self, text: &str, path: &[String], report: &mut dyn FnMut(&str, &str)) {
        for (_, finder) in self.text(text) {
            report(&pointer(path), &self.finders[finder].name);
        }
    }

    fn ignored(&self, path: &[String]) -> bool {
        self.ignore
            .iter()
            .any(|place| place.len() <= path.len() && place.iter().zip(path).all(|(wanted, part)| wanted == "*" || wanted == part))
    }

    /// The value with a name in brackets where personal data was, and how often that happened.
    pub(crate) fn redact(&self, value: Value) -> (Value, usize) {
        let mut count = 0;
        let value = self.blacken(value, &mut Vec::new(), &mut count);
        (value, count)
    }

    fn blacken(&self, value: Value, path: &mut Vec<String>, count: &mut usize) -> Value {
        if path.len() > MOST_DEPTH || self.ignored(path) {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.black(text, count)),
            Value::Number(number) => {
                let text = number.to_string();
                let found = self.text(&text);
                // A part of a number is no number: the whole becomes a text.
                if found.is_empty() {
                    Value::Number(number)
                } else {
                    Value::String(self.black(text, count))
                }
            }
            Value::Array(items) => {
                let items = items.into_iter().enumerate().map(|(index, item)| {
                    path.push(index.to_string());
                    let item = self.blacken(item, path, count);
                    path.pop();
                    item
                });
                Value::Array(items.collect())
            }
            Value::Object(members) => {
                let mut kept = Map::new();
                for (key, item) in members {
                    path.push(key.clone());
                    let ignored = self.ignored(path);
                    let item = self.blacken(item, path, count);
                    path.pop();
                    let name = if self.keys && !ignored { self.black(key, count) } else { key };
                    // Two names that become one keep both values.
                    let mut free = name.clone();
                    let mut number = 1;
                    while kept.contains_key(&free) {
                        number += 1;
                        free = format!("{name}-{number}");
                    }
                    kept.insert(free, item);
                }
                Value::Object(kept)
            }
            other => other,
        }
    }

    fn black(&self, text: String, count: &mut usize) -> String {
        let found = self.text(&text);
        if found.is_empty() {
            return text;
        }
        *count += found.len();
        let mut black = String::with_capacity(text.len());
        let mut at = 0;
        for (range, finder) in found {
            black.push_str(&text[at..range.start]);
            black.push('[');
            black.push_str(&self.finders[finder].name.to_ascii_uppercase());
            black.push(']');
            at = range.end;
        }
        black.push_str(&text[at..]);
        black
    }
}

/// A JSON pointer.
pub(crate) fn pointer(path: &[String]) -> String {
    path.iter()
        .map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")))
        .collect()
}
