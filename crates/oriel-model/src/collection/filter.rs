use serde_json::Value;

use super::key;
use super::path::FieldPath;

/// The longest filter that is read, in bytes of JSON.
pub const MAX_FILTER_BYTES: usize = 16 << 10;
/// The deepest nesting of `and`, `or` and `not`.
pub const MAX_FILTER_DEPTH: usize = 8;
/// The most conditions in one filter.
pub const MAX_CONDITIONS: usize = 64;
/// The most values of one `in`.
pub const MAX_VALUES: usize = 100;

/// A filter that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(.path))]
pub struct FilterError {
    /// JSON pointer into the filter; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("at `{path}`: ") }
}

impl FilterError {
    pub(super) fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

/// Which documents are meant. As JSON it is an object, all of whose members must hold:
///
/// - `"/field": value` or `"/field": {"eq": value}`, and in place of `eq`: `ne`, `lt`, `lte`, `gt`, `gte`, `in` (a list of values),
///   `prefix` (a text), `exists` (true or false), `contains` (the field is a list that holds this value). Several tests in one
///   object must all hold. `"id"` stands for the document's id;
/// - `"and": [filter, …]`, `"or": [filter, …]`, `"not": filter`.
///
/// Values are texts, numbers, booleans and null. Only values of one type are less or greater than one another. `ne` holds for documents
/// without the field, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of these; nothing at all means every document.
    And(Vec<Self>),
    /// One of these.
    Or(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A test of one field.
    Is(Condition),
}

/// A test of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is tested.
    pub field: Field,
    /// How.
    pub test: Test,
}

/// What can be tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// The document's id.
    Id,
    /// A field of its body.
    Of(FieldPath),
}

/// How a value is tested. Values are [`key::scalar`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is this value.
    Eq(Vec<u8>),
    /// It is another value, or none.
    Ne(Vec<u8>),
    /// It is less.
    Lt(Vec<u8>),
    /// It is less or the same.
    Lte(Vec<u8>),
    /// It is greater.
    Gt(Vec<u8>),
    /// It is greater or the same.
    Gte(Vec<u8>),
    /// It is one of these.
    In(Vec<Vec<u8>>),
    /// It is a text that starts so.
    Prefix(String),
    /// Whether it is there.
    Exists(bool),
    /// It is a list that holds this value.
    Contains(Vec<u8>),
}

impl Test {
    fn holds(&self, value: Option<&Value>) -> bool {
        if let Self::Exists(wanted) = self {
            return value.is_some() == *wanted;
        }
        if let Self::Contains(wanted) = self {
            let items = value.and_then(Value::as_array);
            return items.is_some_and(|items| items.iter().any(|item| key::scalar(item).as_ref() == Some(wanted)));
        }
        let own = value.and_then(key::scalar);
        let compared = |wanted: &Vec<u8>| {
            let own = own.as_ref()?;
            (own.first() == wanted.first()).then(|| own.cmp(wanted))
        };
        match self {
            Self::Eq(wanted) => own.as_ref() == Some(wanted),
            Self::Ne(wanted) => own.as_ref() != Some(wanted),
            Self::Lt(wanted) => compared(wanted).is_some_and(std::cmp::Ordering::is_lt),
            Self::Lte(wanted) => compared(wanted).is_some_and(std::cmp::Ordering::is_le),
            Self::Gt(wanted) => compared(wanted).is_some_and(std::cmp::Ordering::is_gt),
            Self::Gte(wanted) => compared(wanted).is_some_and(std::cmp::Ordering::is_ge),
            Self::In(wanted) => own.as_ref().is_some_and(|own| wanted.contains(own)),
            Self::Prefix(start) => value.and_then(Value::as_str).is_some_and(|text| text.starts_with(start)),
            Self::Exists(_) | Self::Contains(_) => false,
        }
    }
}

impl Filter {
    /// Means every document.
    #[must_use]
    pub const fn everything() -> Self {
        Self::And(Vec::new())
    }

    /// Whether every document is meant, whatever it is.
    #[must_use]
    pub const fn is_everything(&self) -> bool {
        matches!(self, Self::And(parts) if parts.is_empty())
    }

    /// Reads a filter.
    ///
    /// # Errors
    /// When it is too long or not a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_FILTER_BYTES {
            return Err(FilterError::new(
                "",
                format!("the filter has {} bytes; at most {MAX_FILTER_BYTES} are accepted", text.len()),
            ));
        }
        let value: Value = serde_json::from_str(text).map_err(|error| FilterError::new("", format!("the filter is not JSON: {error}")))?;
        Self::from_value(&value)
    }

    /// Reads a filter that is JSON already.
    ///
    /// # Errors
    /// When it is not a filter.
    pub fn from_value(value: &Value) -> Result<Self, FilterError> {
        let mut reader = Reader { conditions: 0 };
        reader.filter(value, "", 0)
    }

    /// Whether a document is meant.
    #[must_use]
    pub fn matches(&self, id: &str, body: &Value) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(id, body)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(id, body)),
            Self::Not(part) => !part.matches(id, body),
            Self::Is(Condition { field: Field::Id, test }) => test.holds(Some(&Value::from(id))),
            Self::Is(Condition {
                field: Field::Of(path),
                test,
            }) => test.holds(path.of(body)),
        }
    }

    /// The conditions that hold for every document that is meant: what a store may look up in an index.
    #[must_use]
    pub fn necessary(&self) -> Vec<&Condition> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::necessary).collect(),
            Self::Is(condition) => vec![condition],
            Self::Or(_) | Self::Not(_) => Vec::new(),
        }
    }
}

struct Reader {
    conditions: usize,
}

/// A name as a step of a JSON pointer.
fn step(path: &str, name: &str) -> String {
    format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"))
}

impl Reader {
    fn filter(&mut self, value: &Value, path: &str, depth: usize) -> Result<Filter, FilterError> {
        let Value::Object(members) = value else {
            return Err(FilterError::new(path, "a filter is an object such as {\"/status\": \"open\"}"));
        };
        if depth > MAX_FILTER_DEPTH {
            return Err(FilterError::new(path, format!("a filter nests at most {MAX_FILTER_DEPTH} levels")));
        }
        let mut parts = Vec::new();
        for (name, value) in members {
            let at = step(path, name);
            match name.as_str() {
                "and" => parts.push(Filter::And(self.list(value, &at, depth)?)),
                "or" => parts.push(Filter::Or(self.list(value, &at, depth)?)),
                "not" => parts.push(Filter::Not(Box::new(self.filter(value, &at, depth + 1)?))),
                "id" => self.tests(&Field::Id, value, &at, &mut parts)?,
                name => {
                    let field = name.parse().map_err(|_| {
                        let shown: String = name.chars().take(64).collect();
                        FilterError::new(path, format!("`{shown}` is neither a field such as `/status` nor id, and, or, not"))
                    })?;
                    self.tests(&Field::Of(field), value, &at, &mut parts)?;
                }
            }
        }
        Ok(match <[Filter; 1]>::try_from(parts) {
            Ok([only]) => only,
            Err(parts) => Filter::And(parts),
        })
    }

    fn list(&mut self, value: &Value, path: &str, depth: usize) -> Result<Vec<Filter>, FilterError> {
        let items = value.as_array().filter(|items| !items.is_empty());
        let items = items.ok_or_else(|| FilterError::new(path, "a list of one or more filters is wanted here"))?;
        let numbered = items.iter().enumerate();
        numbered
            .map(|(number, item)| {
                self.count(path)?;
                self.filter(item, &format!("{path}/{number}"), depth + 1)
            })
            .collect()
    }

    fn count(&mut self, path: &str) -> Result<(), FilterError> {
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            return Err(FilterError::new(path, format!("a filter has at most {MAX_CONDITIONS} conditions")));
        }
        Ok(())
    }

    fn tests(&mut self, field: &Field, value: &Value, path: &str, parts: &mut Vec<Filter>) -> Result<(), FilterError> {
        let mut add = |test| {
            parts.push(Filter::Is(Condition {
                field: field.clone(),
                test,
            }));
        };
        let Value::Object(tests) = value else {
            self.count(path)?;
            add(Test::Eq(scalar(value, path)?));
            return Ok(());
        };
        if tests.is_empty() {
            return Err(FilterError::new(path, "there is no test here, such as {\"eq\": \"open\"}"));
        }
        for (name, value) in tests {
            self.count(path)?;
            let at = step(path, name);
            add(match name.as_str() {
                "eq" => Test::Eq(scalar(value, &at)?),
                "ne" => Test::Ne(scalar(value, &at)?),
                "lt" => Test::Lt(scalar(value, &at)?),
                "lte" => Test::Lte(scalar(value, &at)?),
                "gt" => Test::Gt(scalar(value, &at)?),
                "gte" => Test::Gte(scalar(value, &at)?),
                "contains" => Test::Contains(scalar(value, &at)?),
                "in" => {
                    let values = value.as_array().filter(|values| values.len() <= MAX_VALUES);
                    let values =
                        values.ok_or_else(|| FilterError::new(&at, format!("a list of at most {MAX_VALUES} values is wanted here")))?;
                    Test::In(values.iter().map(|value| scalar(value, &at)).collect::<Result<_, _>>()?)
                }
                "prefix" => {
                    let text = value.as_str().ok_or_else(|| FilterError::new(&at, "a text is wanted here"))?;
                    Test::Prefix(text.to_owned())
                }
                "exists" => {
                    let wanted = value
                        .as_bool()
                        .ok_or_else(|| FilterError::new(&at, "true or false is wanted here"))?;
                    Test::Exists(wanted)
                }
                other => {
                    let shown: String = other.chars().take(64).collect();
                    return Err(FilterError::new(
                        path,
                        format!("`{shown}` is no test; there are eq, ne, lt, lte, gt, gte, in, prefix, exists and contains"),
                    ));
                }
            });
        }
        Ok(())
    }
}

fn scalar(value: &Value, path: &str) -> Result<Vec<u8>, FilterError> {
    key::scalar(value).ok_or_else(|| FilterError::new(path, "a text, a number, true, false or null is wanted here"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_mean_what_they_say() {
        let body = json!({"status": "open", "total": 12.5, "n": null, "tags": ["a", 2], "deep": {"er": true}});
        let check = |filter: Value, wanted: bool| {
            let parsed = Filter::from_value(&filter).unwrap();
            assert_eq!(parsed.matches("doc-1", &body), wanted, "{filter}");
        };
        check(json!({}), true);
        check(json!({"/status": "open"}), true);
        check(json!({"/status": "Open"}), false);
        check(json!({"/status": {"ne": "open"}}), false);
        check(json!({"/missing": {"ne": "open"}}), true);
        check(json!({"/missing": null}), false);
        check(json!({"/n": null}), true);
        check(json!({"/total": {"gte": 12.5, "lt": 13}}), true);
        check(json!({"/total": {"gt": 12.5}}), false);
        check(json!({"/total": {"lte": 12.5}}), true);
        // A text is neither less nor greater than a number.
        check(json!({"/total": {"lt": "z"}}), false);
        check(json!({"/total": {"gt": ""}}), false);
        check(json!({"/status": {"in": ["closed", "open"]}}), true);
        check(json!({"/status": {"in": []}}), false);
        check(json!({"/status": {"prefix": "op"}}), true);
        check(json!({"/total": {"prefix": "1"}}), false);
        check(json!({"/n": {"exists": true}}), true);
        check(json!({"/missing": {"exists": false}}), true);
        check(json!({"/tags": {"contains": 2}}), true);
        check(json!({"/tags": {"contains": "2"}}), false);
        check(json!({"/status": {"contains": "o"}}), false);
        check(json!({"/deep/er": true}), true);
        check(json!({"/tags": {"exists": true}, "/status": "closed"}), false);
        check(json!({"or": [{"/status": "closed"}, {"id": "doc-1"}]}), true);
        check(json!({"not": {"id": {"prefix": "doc"}}}), false);
        check(json!({"and": [{"/status": "open"}, {"not": {"/total": 1}}]}), true);
    }

    #[test]
    fn what_is_no_filter_is_told_with_its_place() {
        let check = |filter: Value, path: &str, words: &str| {
            let error = Filter::from_value(&filter).unwrap_err();
            assert_eq!(error.path, path, "{filter}: {error}");
            assert!(error.message.contains(words), "{filter}: {error}");
        };
        check(json!([]), "", "object");
        check(json!({"status": "open"}), "", "`status` is neither a field");
        check(json!({"/status' OR 1=1 --": "open"}), "", "neither a field");
        check(json!({"/a": {"$gt": 1}}), "/~1a", "`$gt` is no test");
        check(json!({"/a": {"eq": {"b": 1}}}), "/~1a/eq", "a text, a number");
        check(json!({"/a": [1]}), "/~1a", "a text, a number");
        check(json!({"/a": {}}), "/~1a", "no test");
        check(json!({"or": []}), "/or", "one or more");
        check(json!({"and": [{"/a": 1}, {"b": 1}]}), "/and/1", "neither a field");
        check(json!({"/a": {"in": vec![1; 101]}}), "/~1a/in", "at most 100");
        check(json!({"/a": {"prefix": 1}}), "/~1a/prefix", "a text");
        check(json!({"/a": {"exists": 1}}), "/~1a/exists", "true or false");
        check(json!({"or": vec![json!({"/a": 1}); 65]}), "/or", "at most 64");
        let mut deep = json!({});
        for _ in 0..20 {
            deep = json!({ "not": deep });
        }
        assert!(Filter::from_value(&deep).unwrap_err().message.contains("nests"));
        assert!(
            Filter::parse(&" ".repeat(MAX_FILTER_BYTES + 1))
                .unwrap_err()
                .message
                .contains("bytes")
        );
        assert!(Filter::parse("{").unwrap_err().message.contains("not JSON"));
        assert!(Filter::parse(&"[".repeat(10_000)).unwrap_err().message.contains("not JSON"));
    }

    #[test]
    fn what_must_hold_is_known() {
        let necessary = |filter: Value| Filter::from_value(&filter).unwrap().necessary().len();
        assert_eq!(necessary(json!({"/a": 1, "and": [{"/b": {"gt": 1, "lt": 3}}, {"/c": 1}]})), 4);
        assert_eq!(necessary(json!({"or": [{"/a": 1}, {"/b": 1}]})), 0);
        assert_eq!(necessary(json!({"not": {"/a": 1}})), 0);
    }
}
