//! What came out against what was expected, in words and differences.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

/// A line of a difference: `-` expected, `+` got, ` ` both.
pub(super) fn difference(expected: &Value, got: &Value) -> String {
    let pretty = |value: &Value| serde_json::to_string_pretty(&sorted(value)).unwrap_or_default();
    let (expected, got) = (pretty(expected), pretty(got));
    let diff = TextDiff::from_lines(&expected, &got);
    let mut text = String::new();
    for group in diff.grouped_ops(3) {
        if !text.is_empty() {
            text.push_str("  …\n");
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            text.push(sign);
            text.push(' ');
            text.push_str(change.value().trim_end_matches('\n'));
            text.push('\n');
        }
    }
    text
}

/// The same with the members of objects in order, which means nothing in JSON.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect())
        }
        other => other.clone(),
    }
}

/// Whether two values mean the same: 1 and 1.0 do.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64())),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

/// Where `got` lacks something of `wanted`: objects may have more members, arrays more items of the same order.
pub(super) fn lacks(wanted: &Value, got: &Value, path: &str) -> Vec<String> {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => wanted
            .iter()
            .flat_map(|(key, value)| match got.get(key) {
                Some(there) => lacks(value, there, &format!("{path}/{key}")),
                None => vec![format!("{path}/{key} is missing")],
            })
            .collect(),
        (Value::Array(wanted), Value::Array(items)) => {
            let mut rest = items.iter();
            let missing = wanted.iter().find(|item| !rest.any(|there| lacks(item, there, "").is_empty()));
            missing
                .map(|item| format!("{} has no item like {item}", shown(path)))
                .into_iter()
                .collect()
        }
        _ if same(wanted, got) => Vec::new(),
        _ => vec![format!("{} is {got}, not {wanted}", shown(path))],
    }
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "the output" } else { path }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_show_both_sides() {
        let text = difference(&json!({"b": 1, "a": [1, 2]}), &json!({"a": [1, 3], "b": 1}));
        assert_eq!(text, "  {\n    \"a\": [\n      1,\n-     2\n+     3\n    ],\n    \"b\": 1\n  }\n");
    }

    #[test]
    fn a_part_is_enough_for_contains() {
        let got = json!({"a": {"b": 1, "c": 2}, "list": [1, {"x": 1, "y": 2}, 3.0]});
        assert!(lacks(&json!({"a": {"b": 1}, "list": [{"x": 1}, 3]}), &got, "").is_empty());
        assert_eq!(lacks(&json!({"a": {"d": 1}}), &got, ""), ["/a/d is missing"]);
        assert_eq!(lacks(&json!({"a": {"b": 2}}), &got, ""), ["/a/b is 1, not 2"]);
        assert_eq!(lacks(&json!({"list": [3, 1]}), &got, ""), ["/list has no item like 1"]);
    }
}
