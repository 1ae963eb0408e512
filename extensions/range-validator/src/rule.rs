//! One rule, and what is wrong with a value that breaks it. No problem repeats the value: verdicts may be read by more people
//! than outputs.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::Value;

use crate::decimal::Decimal;
use crate::moment::{day, moment};
use crate::place::values;

#[derive(Deserialize)]
pub(crate) struct Rule {
    pub(crate) at: String,
    #[serde(default)]
    pub(crate) part: Part,
    #[serde(default = "yes")]
    pub(crate) required: bool,
    #[serde(rename = "type")]
    kind: Option<Kind>,
    minimum: Option<Value>,
    maximum: Option<Value>,
    above: Option<Value>,
    below: Option<Value>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    one_of: Option<Vec<Value>>,
    not_after: Option<String>,
    not_before: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    #[default]
    Output,
    Input,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
    Decimal,
    Date,
    DateTime,
}

const fn yes() -> bool {
    true
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            Self::Integer => value.is_number() && Decimal::of(value).is_some_and(|number| number.is_integer()),
            Self::Number => value.is_number(),
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
            Self::Decimal => value.is_string() && Decimal::of(value).is_some(),
            Self::Date => value.as_str().and_then(day).is_some(),
            Self::DateTime => value.as_str().and_then(moment).is_some(),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::String => "a text",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::Decimal => "a decimal number in a text",
            Self::Date => "a date",
            Self::DateTime => "a date and time",
        }
    }
}

impl Rule {
    /// What is wrong with `value`, first things first; `root` is what other places are looked up in.
    pub(crate) fn problem(&self, value: &Value, root: &Value) -> Option<String> {
        if let Some(kind) = self.kind.filter(|kind| !kind.holds(value)) {
            return Some(format!("is not {}", kind.words()));
        }
        self.bounds(value)
            .or_else(|| self.length(value))
            .or_else(|| self.choice(value))
            .or_else(|| order(value, root, self.not_after.as_deref(), Ordering::Greater, "comes after"))
            .or_else(|| order(value, root, self.not_before.as_deref(), Ordering::Less, "comes before"))
    }

    fn bounds(&self, value: &Value) -> Option<String> {
        let bounds: [(&Option<Value>, &[Ordering], &str); 4] = [
            (&self.minimum, &[Ordering::Greater, Ordering::Equal], "is less than"),
            (&self.maximum, &[Ordering::Less, Ordering::Equal], "is greater than"),
            (&self.above, &[Ordering::Greater], "is not above"),
            (&self.below, &[Ordering::Less], "is not below"),
        ];
        for (bound, allowed, words) in bounds {
            let Some(bound) = bound else { continue };
            let Some(number) = Decimal::of(value) else {
                return Some("is not a number".to_owned());
            };
            let limit = Decimal::of(bound)?;
            if !allowed.contains(&number.cmp(&limit)) {
                let shown = bound.as_str().map_or_else(|| bound.to_string(), str::to_owned);
                return Some(format!("{words} {shown}"));
            }
        }
        None
    }

    fn length(&self, value: &Value) -> Option<String> {
        if self.min_length.is_none() && self.max_length.is_none() {
            return None;
        }
        let length = match value {
            Value::String(text) => text.chars().count(),
            Value::Array(items) => items.len(),
            Value::Object(members) => members.len(),
            _ => return Some("has no length".to_owned()),
        };
        if let Some(least) = self.min_length.filter(|least| length < *least) {
            return Some(format!("has the length {length}, less than {least}"));
        }
        let most = self.max_length.filter(|most| length > *most)?;
        Some(format!("has the length {length}, more than {most}"))
    }

    fn choice(&self, value: &Value) -> Option<String> {
        let choices = self.one_of.as_ref()?;
        let fits = choices.iter().any(|choice| same(choice, value));
        (!fits).then(|| format!("is none of {} choices", choices.len()))
    }
}

/// Numbers are the same when they mean the same: `1` and `1.0`.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => Decimal::of(one) == Decimal::of(other),
        _ => one == other,
    }
}

fn order(value: &Value, root: &Value, place: Option<&str>, wrong: Ordering, words: &str) -> Option<String> {
    let place = place?;
    // Whether that value has to be there is another rule's affair.
    let other = values(root, place).into_iter().next()?.1?;
    match compare(value, other) {
        None => Some(format!("cannot be compared with {place}")),
        Some(found) if found == wrong => Some(format!("{words} {place}")),
        Some(_) => None,
    }
}

/// Numbers and decimals as numbers, moments and days in time, other texts by their characters.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (Decimal::of(one), Decimal::of(other)) {
        return Some(one.cmp(&other));
    }
    let (one, other) = (one.as_str()?, other.as_str()?);
    if let (Some(one), Some(other)) = (moment(one), moment(other)) {
        return Some(one.cmp(&other));
    }
    if let (Some(one), Some(other)) = (day(one), day(other)) {
        return Some(one.cmp(&other));
    }
    Some(one.cmp(other))
}
