use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The place of a field in a document: a JSON pointer (RFC 6901) through objects only, such as `/address/city`.
///
/// Deliberately narrow: names of `A-Z a-z 0-9 _ -` that start with a letter or `_`, so that a path means one thing in every store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FieldPath(Box<str>);

/// A text that is not the path of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a field: write `/name` or `/outer/inner`, with names of A-Z, a-z, 0-9, `_` and `-`")]
pub struct FieldPathError {
    /// The text as it came, cut to 64 characters.
    pub given: String,
}

impl FieldPath {
    /// The longest path, in bytes.
    pub const MAX: usize = 128;
    /// The most names in a path.
    pub const MAX_DEPTH: usize = 8;

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The names, the outermost first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0[1..].split('/')
    }

    /// What a document has there, if anything.
    #[must_use]
    pub fn of<'v>(&self, body: &'v Value) -> Option<&'v Value> {
        self.names().try_fold(body, |value, name| value.as_object()?.get(name))
    }

    /// Puts a value there and makes the objects around it. False when something else than an object is in the way.
    pub fn put(&self, body: &mut Value, new: Value) -> bool {
        let mut place = body;
        for name in self.names() {
            let Value::Object(map) = place else { return false };
            place = map.entry(name).or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
        *place = new;
        true
    }
}

impl FromStr for FieldPath {
    type Err = FieldPathError;

    fn from_str(text: &str) -> Result<Self, FieldPathError> {
        let name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        };
        let good = text.len() <= Self::MAX
            && text
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').count() <= Self::MAX_DEPTH && rest.split('/').all(name));
        if good {
            return Ok(Self(text.into()));
        }
        Err(FieldPathError {
            given: text.chars().take(64).collect(),
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for FieldPath {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldPath".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(/[A-Za-z_][A-Za-z0-9_-]*){1,8}$",
            "maxLength": Self::MAX,
            "examples": ["/owner", "/address/city"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_through_objects() {
        let path: FieldPath = "/a/b-c".parse().unwrap();
        assert_eq!(path.of(&json!({"a": {"b-c": 1}})), Some(&json!(1)));
        assert_eq!(path.of(&json!({"a": [1]})), None);
        assert_eq!(path.of(&json!({"a": {}})), None);
        let mut body = json!({});
        assert!(path.put(&mut body, json!(2)));
        assert_eq!(body, json!({"a": {"b-c": 2}}));
        assert!(!path.put(&mut json!({"a": 1}), json!(2)));
    }

    #[test]
    fn whatever_else_is_refused() {
        for bad in [
            "",
            "/",
            "a",
            "/a/",
            "//a",
            "/0",
            "/a/0",
            "/a b",
            "/a~1b",
            "/a'",
            "/a\"",
            "/ä",
            "/a/b/c/d/e/f/g/h/i",
        ] {
            assert!(bad.parse::<FieldPath>().is_err(), "{bad}");
        }
        assert!(format!("/{}", "x".repeat(128)).parse::<FieldPath>().is_err());
    }
}
