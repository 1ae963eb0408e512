//! Whether an output is the expected one: JSON compared by rules, with every difference named by its place.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

/// The most differences that one comparison reports.
pub const MAX_DIFFERENCES: usize = 50;
/// The longest value that a difference shows, in bytes of JSON.
const MAX_SHOWN: usize = 200;
/// Elements of two arrays without an order that are tried against each other, of each array. Equal ones are paired before that.
const MAX_MATCHED: usize = 200;
/// The most ignored paths.
pub const MAX_IGNORED: usize = 100;

/// How an output is compared with the expected one. Without any rule they must be equal as JSON: the order of an object's members
/// does not count, and 1 is 1.0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", schema(example = json!({"absoluteTolerance": 0.01, "ignore": ["/generatedAt", "/items/*/id"], "unordered": ["/tags"]})))]
pub struct ComparisonRules {
    /// Numbers may differ by this much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub absolute_tolerance: Option<f64>,
    /// Numbers may differ by this part of the expected one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0))]
    pub relative_tolerance: Option<f64>,
    /// JSON pointers to what does not count, with all below it. `*` stands for any member or element.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub ignore: Vec<String>,
    /// JSON pointers to arrays whose order does not count, with `*` as above; `""` is the whole output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(max_items = 100))]
    pub unordered: Vec<String>,
    /// The meaning counts, not the form: differences are reported, and validators alone decide.
    #[serde(default, skip_serializing_if = "is_false")]
    pub semantic: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// One place where output and expectation differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// JSON pointer into the output; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
    /// What was expected, when it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Value>,
    /// What there is, when it is short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<Value>,
}

/// Rules that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RulesError(String);

/// Rules ready for use.
#[derive(Debug, Clone)]
pub struct Comparison {
    absolute: f64,
    relative: f64,
    ignore: Vec<Pattern>,
    unordered: Vec<Pattern>,
}

/// A JSON pointer (RFC 6901) in parts; `None` is the `*` that stands for any.
type Pattern = Vec<Option<String>>;

impl Comparison {
    /// Checks rules.
    ///
    /// # Errors
    /// When a tolerance is negative or no number, or a path is no JSON pointer.
    pub fn new(rules: &ComparisonRules) -> Result<Self, RulesError> {
        let tolerance = |name: &str, given: Option<f64>| match given {
            Some(given) if !given.is_finite() || given < 0.0 => Err(RulesError(format!("`{name}` must be a number of at least 0"))),
            given => Ok(given.unwrap_or(0.0)),
        };
        let patterns = |name: &str, given: &[String]| {
            if given.len() > MAX_IGNORED {
                return Err(RulesError(format!("`{name}` has more than {MAX_IGNORED} paths")));
            }
            given.iter().map(|text| pattern(name, text)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            absolute: tolerance("absoluteTolerance", rules.absolute_tolerance)?,
            relative: tolerance("relativeTolerance", rules.relative_tolerance)?,
            ignore: patterns("ignore", &rules.ignore)?,
            unordered: patterns("unordered", &rules.unordered)?,
        })
    }

    /// Where `actual` differs from `expected`; at most [`MAX_DIFFERENCES`] places.
    #[must_use]
    pub fn differences(&self, expected: &Value, actual: &Value) -> Vec<Difference> {
        let mut walk = Walk {
            rules: self,
            path: Vec::new(),
            found: Vec::new(),
            limit: MAX_DIFFERENCES,
        };
        walk.compare(expected, actual);
        walk.found
    }

    fn close(&self, expected: &Number, actual: &Number) -> bool {
        if same_number(expected, actual) {
            return true;
        }
        match (expected.as_f64(), actual.as_f64()) {
            (Some(expected), Some(actual)) if self.absolute > 0.0 || self.relative > 0.0 => {
                // What writing both in binary costs is not held against them: 1.1 - 1.0 is a little more than 0.1.
                let slack = 4.0 * f64::EPSILON * expected.abs().max(actual.abs());
                (expected - actual).abs() <= self.absolute.max(self.relative * expected.abs()) + slack
            }
            _ => false,
        }
    }
}

fn pattern(name: &str, text: &str) -> Result<Pattern, RulesError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let rest = text
        .strip_prefix('/')
        .ok_or_else(|| RulesError(format!("`{name}`: `{text}` is no JSON pointer; it should begin with `/`")))?;
    let parts = rest.split('/').map(|part| match part {
        "*" => None,
        part => Some(part.replace("~1", "/").replace("~0", "~")),
    });
    Ok(parts.collect())
}

/// Whole numbers are compared as such: a `f64` does not tell 2^53 from 2^53 + 1.
fn same_number(one: &Number, other: &Number) -> bool {
    match (one.as_i64(), other.as_i64(), one.as_u64(), other.as_u64()) {
        (Some(one), Some(other), ..) => one == other,
        (.., Some(one), Some(other)) => one == other,
        _ => one.as_f64() == other.as_f64(),
    }
}

/// Where the comparison stands.
struct Walk<'a> {
    rules: &'a Comparison,
    path: Vec<Cow<'a, str>>,
    found: Vec<Difference>,
    limit: usize,
}

impl<'a> Walk<'a> {
    fn compare(&mut self, expected: &'a Value, actual: &'a Value) {
        if self.found.len() >= self.limit || self.is_in(&self.rules.ignore) {
            return;
        }
        match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => self.objects(expected, actual),
            (Value::Array(expected), Value::Array(actual)) if self.is_in(&self.rules.unordered) => self.sets(expected, actual),
            (Value::Array(expected), Value::Array(actual)) => self.arrays(expected, actual),
            (Value::Number(one), Value::Number(other)) => {
                if !self.rules.close(one, other) {
                    self.differ("another number".to_owned(), Some(expected), Some(actual));
                }
            }
            _ if expected == actual => {}
            _ if kind(expected) == kind(actual) => self.differ(format!("another {}", kind(expected)), Some(expected), Some(actual)),
            _ => {
                let message = format!("{} instead of {}", kind(actual), kind(expected));
                self.differ(message, Some(expected), Some(actual));
            }
        }
    }

    fn objects(&mut self, expected: &'a Map<String, Value>, actual: &'a Map<String, Value>) {
        for (name, expected) in expected {
            self.path.push(Cow::Borrowed(name));
            match actual.get(name) {
                Some(actual) => self.compare(expected, actual),
                None => self.missing(expected),
            }
            self.path.pop();
        }
        for (name, actual) in actual.iter().filter(|(name, _)| !expected.contains_key(*name)) {
            self.path.push(Cow::Borrowed(name));
            self.extra(actual);
            self.path.pop();
        }
    }

    fn arrays(&mut self, expected: &'a [Value], actual: &'a [Value]) {
        for at in 0..expected.len().max(actual.len()) {
            self.path.push(Cow::Owned(at.to_string()));
            match (expected.get(at), actual.get(at)) {
                (Some(expected), Some(actual)) => self.compare(expected, actual),
                (Some(expected), None) => self.missing(expected),
                (None, Some(actual)) => self.extra(actual),
                (None, None) => {}
            }
            self.path.pop();
        }
    }

    /// Arrays whose order does not count: is there a way to pair all elements?
    fn sets(&mut self, expected: &'a [Value], actual: &'a [Value]) {
        // Elements that are the very same are paired at once, so that long lists stay cheap.
        let mut same: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, value) in actual.iter().enumerate() {
            same.entry(canonical(value)).or_default().push(at);
        }
        let mut taken = vec![false; actual.len()];
        let mut left = Vec::new();
        for (at, value) in expected.iter().enumerate() {
            match same.get_mut(&canonical(value)).and_then(Vec::pop) {
                Some(there) => taken[there] = true,
                None => left.push(at),
            }
        }
        let free: Vec<usize> = (0..actual.len()).filter(|at| !taken[*at]).collect();
        if left.len().max(free.len()) > MAX_MATCHED {
            let message = format!("more than {MAX_MATCHED} elements have no equal on the other side");
            self.differ(message, None, None);
            return;
        }
        let fits: Vec<Vec<usize>> = left
            .iter()
            .map(|at| {
                let fitting = free
                    .iter()
                    .enumerate()
                    .filter(|(_, there)| self.same(&expected[*at], &actual[**there]));
                fitting.map(|(place, _)| place).collect()
            })
            .collect();
        let pairs = pair(&fits, free.len());
        for (place, at) in left.iter().enumerate() {
            if !pairs.contains(&Some(place)) {
                self.differ("no element is like this one".to_owned(), Some(&expected[*at]), None);
            }
        }
        for (place, at) in free.iter().enumerate() {
            if pairs[place].is_none() {
                self.path.push(Cow::Owned(at.to_string()));
                self.extra(&actual[*at]);
                self.path.pop();
            }
        }
    }

    /// Whether two elements of an array without an order are alike by the rules for its elements.
    fn same(&self, expected: &Value, actual: &Value) -> bool {
        let mut path: Vec<Cow<'_, str>> = self.path.iter().map(|part| Cow::Borrowed(&**part)).collect();
        // An element has no place of its own here; patterns reach it by `*`.
        path.push(Cow::Borrowed("*"));
        let mut walk = Walk {
            rules: self.rules,
            path,
            found: Vec::new(),
            limit: 1,
        };
        walk.compare(expected, actual);
        walk.found.is_empty()
    }

    fn missing(&mut self, expected: &Value) {
        if !self.is_in(&self.rules.ignore) {
            self.differ("it is missing".to_owned(), Some(expected), None);
        }
    }

    fn extra(&mut self, actual: &Value) {
        if !self.is_in(&self.rules.ignore) {
            self.differ("it was not expected".to_owned(), None, Some(actual));
        }
    }

    fn differ(&mut self, message: String, expected: Option<&Value>, actual: Option<&Value>) {
        if self.found.len() < self.limit {
            let path = self.path.iter().fold(String::new(), |path, part| {
                format!("{path}/{}", part.replace('~', "~0").replace('/', "~1"))
            });
            self.found.push(Difference {
                path,
                message,
                expected: expected.and_then(shown),
                actual: actual.and_then(shown),
            });
        }
    }

    fn is_in(&self, patterns: &[Pattern]) -> bool {
        patterns.iter().any(|pattern| {
            pattern.len() == self.path.len()
                && pattern
                    .iter()
                    .zip(&self.path)
                    .all(|(wanted, part)| wanted.as_ref().is_none_or(|wanted| wanted == part))
        })
    }
}

/// Pairs expected elements with free places, as many as possible (augmenting paths; Kuhn 1955). Answers for each place who has it.
fn pair(fits: &[Vec<usize>], places: usize) -> Vec<Option<usize>> {
    fn find(one: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
        for &place in &fits[one] {
            if std::mem::replace(&mut seen[place], true) {
                continue;
            }
            if taken[place].is_none_or(|other| find(other, fits, taken, seen)) {
                taken[place] = Some(one);
                return true;
            }
        }
        false
    }
    let mut taken = vec![None; places];
    for one in 0..fits.len() {
        find(one, fits, &mut taken, &mut vec![false; places]);
    }
    taken
}

/// One text for equal values: members sorted, whole numbers without a fraction.
fn canonical(value: &Value) -> String {
    fn write(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                out.push('{');
                for (name, value) in members {
                    out.push_str(&Value::String(name.clone()).to_string());
                    out.push(':');
                    write(value, out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(elements) => {
                out.push('[');
                for element in elements {
                    write(element, out);
                    out.push(',');
                }
                out.push(']');
            }
            Value::Number(number) if number.is_f64() => out.push_str(&number.as_f64().map_or_else(String::new, |n| format!("{n}"))),
            other => out.push_str(&other.to_string()),
        }
    }
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn shown(value: &Value) -> Option<Value> {
    (value.to_string().len() <= MAX_SHOWN).then(|| value.clone())
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the cases read better")]
    fn check(rules: Value, expected: Value, actual: Value, places: &[&str]) {
        let rules: ComparisonRules = serde_json::from_value(rules).unwrap();
        let found = Comparison::new(&rules).unwrap().differences(&expected, &actual);
        let found: Vec<&str> = found.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(found, places, "{expected} and {actual}");
    }

    #[test]
    fn json_is_equal_by_value() {
        check(
            json!({}),
            json!({"a": 1, "b": [null, "x"]}),
            json!({"b": [null, "x"], "a": 1.0}),
            &[],
        );
        check(json!({}), json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), &[""]);
        check(json!({}), json!(-1), json!(u64::MAX), &[""]);
        check(json!({}), json!({"a": 1, "c": 1}), json!({"a": "1", "b": 2}), &["/a", "/c", "/b"]);
        check(json!({}), json!([1, 2, 3]), json!([1, 3]), &["/1", "/2"]);
        check(json!({}), json!({"a/b": {"~": 1}}), json!({"a/b": {"~": 2}}), &["/a~1b/~0"]);
        check(json!({}), json!(null), json!(false), &[""]);
    }

    #[test]
    fn numbers_may_be_near() {
        check(json!({"absoluteTolerance": 0.1}), json!([1.0, 5]), json!([1.1, 5.2]), &["/1"]);
        check(
            json!({"relativeTolerance": 0.01}),
            json!([100, 0, -100]),
            json!([101, 0.001, -102]),
            &["/1", "/2"],
        );
        check(json!({"absoluteTolerance": 0.5}), json!("1"), json!("1.2"), &[""]);
    }

    #[test]
    fn paths_can_be_left_out() {
        let rules = json!({"ignore": ["/at", "/items/*/id", "/extra"]});
        let expected = json!({"at": 1, "items": [{"id": 1, "n": 1}, {"id": 2, "n": 2}]});
        check(
            rules.clone(),
            expected.clone(),
            json!({"items": [{"n": 1}, {"id": 9, "n": 3}], "extra": {}}),
            &["/items/1/n"],
        );
        check(json!({"ignore": [""]}), expected, json!(0), &[]);
    }

    #[test]
    fn arrays_may_have_no_order() {
        let all = json!({"unordered": [""]});
        check(all.clone(), json!([1, 2, 2]), json!([2, 1, 2.0]), &[]);
        check(all.clone(), json!([1, 2, 2]), json!([2, 1, 1]), &["", "/1"]);
        check(
            json!({"unordered": ["/a/*/b"]}),
            json!({"a": [{"b": [1, 2]}]}),
            json!({"a": [{"b": [2, 1]}]}),
            &[],
        );
        // With a tolerance the first fit may be the wrong one: 1.0 fits both, 1.2 only one of them.
        let near = json!({"unordered": [""], "absoluteTolerance": 0.15});
        check(near.clone(), json!([1.1, 1.0]), json!([1.05, 1.25]), &[]);
        check(near, json!([1.0, 1.2]), json!([1.1, 1.9]), &["", "/1"]);
        check(
            json!({"unordered": [""], "ignore": ["/*/id"]}),
            json!([{"id": 1, "n": 1}]),
            json!([{"id": 7, "n": 1}]),
            &[],
        );
        let long: Vec<usize> = (0..5_000).collect();
        let back: Vec<usize> = (0..5_000).rev().collect();
        check(all.clone(), json!(long), json!(back), &[]);
        check(all, json!(long), json!((10_000..15_000).collect::<Vec<_>>()), &[""]);
    }

    #[test]
    fn what_is_reported_is_bounded() {
        let comparison = Comparison::new(&ComparisonRules::default()).unwrap();
        let (expected, actual) = (json!(vec![1; 10_000]), json!(vec![2; 10_000]));
        assert_eq!(comparison.differences(&expected, &actual).len(), MAX_DIFFERENCES);
        let found = comparison.differences(&json!("x".repeat(1_000)), &json!("y"));
        assert_eq!((found[0].expected.clone(), found[0].actual.clone()), (None, Some(json!("y"))));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused() {
        for bad in [
            json!({"absoluteTolerance": -1}),
            json!({"ignore": ["a/b"]}),
            json!({"unordered": vec!["/a"; MAX_IGNORED + 1]}),
        ] {
            assert!(Comparison::new(&serde_json::from_value(bad.clone()).unwrap()).is_err(), "{bad}");
        }
        assert!(serde_json::from_value::<ComparisonRules>(json!({"tolerance": 1})).is_err());
    }
}
