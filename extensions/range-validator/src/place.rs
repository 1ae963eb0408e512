//! JSON pointers in which `*` stands for every member or item.

use serde_json::Value;

/// How many values one rule looks at.
pub(crate) const MOST_VALUES: usize = 100_000;

/// The values at a place, each with its own pointer; `None` where one should be and is not. A place without `*` has exactly one.
pub(crate) fn values<'a>(root: &'a Value, pattern: &str) -> Vec<(String, Option<&'a Value>)> {
    let mut found = vec![(String::new(), Some(root))];
    for part in pattern.split('/').skip(1) {
        let mut next = Vec::new();
        for (path, value) in found {
            match value {
                // The pointer ends at what is not there.
                None => next.push((path, None)),
                Some(value) if part != "*" => {
                    let key = part.replace("~1", "/").replace("~0", "~");
                    next.push((format!("{path}/{part}"), member(value, &key)));
                }
                Some(Value::Array(items)) => {
                    next.extend(
                        items
                            .iter()
                            .enumerate()
                            .map(|(index, item)| (format!("{path}/{index}"), Some(item))),
                    );
                }
                Some(Value::Object(members)) => {
                    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
                    next.extend(members.iter().map(|(key, item)| (format!("{path}/{}", escaped(key)), Some(item))));
                }
                Some(_) => next.push((format!("{path}/*"), None)),
            }
            if next.len() > MOST_VALUES {
                return next;
            }
        }
        found = next;
    }
    found
}

fn member<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members.get(key),
        // As RFC 6901 has it: no sign, no zeros before.
        Value::Array(items) if key == "0" || key.starts_with(|c: char| ('1'..='9').contains(&c)) => items.get(key.parse::<usize>().ok()?),
        _ => None,
    }
}
