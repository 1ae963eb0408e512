//! Schemas, compiled once in an instance and bounded.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use serde_json::Value;

/// The longest schema, in bytes of JSON.
const MOST_BYTES: usize = 256 << 10;
/// The deepest nesting.
const MOST_DEPTH: usize = 64;
/// How many compiled schemas an instance keeps.
const MOST_KEPT: usize = 64;

/// Configured schemas by name.
pub(crate) type Named = BTreeMap<String, Value>;

/// Hands out configured schemas. What is not configured is not there: nothing is fetched.
struct Configured(Named);

impl Retrieve for Configured {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let name = uri.as_str().strip_prefix("oriel:");
        let found = name.and_then(|name| self.0.get(name)).cloned();
        found.ok_or_else(|| format!("`{uri}` is not a configured schema, and nothing is fetched").into())
    }
}

thread_local! {
    /// By the text of all that a schema was compiled from.
    static KEPT: RefCell<BTreeMap<String, Rc<Validator>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The compiled schema, or why there is none.
pub(crate) fn compiled(schema: &Value, named: &Named, formats: bool) -> Result<Rc<Validator>, String> {
    let text = format!("{formats} {schema} {}", serde_json::to_string(named).unwrap_or_default());
    if let Some(found) = KEPT.with_borrow(|kept| kept.get(&text).cloned()) {
        return Ok(found);
    }
    let made = Rc::new(compile(schema, named, formats)?);
    KEPT.with_borrow_mut(|kept| {
        // Configurations change seldom: what was kept before is then of no use.
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(text, made.clone());
    });
    Ok(made)
}

fn compile(schema: &Value, named: &Named, formats: bool) -> Result<Validator, String> {
    for schema in named.values().chain([schema]) {
        bounded(schema)?;
    }
    jsonschema::options()
        .with_retriever(Configured(named.clone()))
        .should_validate_formats(formats)
        // Patterns in linear time: a hostile output must not stop a validator.
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| match error.instance_path().as_str() {
            "" => error.to_string(),
            path => format!("at `{path}`: {error}"),
        })
}

fn bounded(schema: &Value) -> Result<(), String> {
    if depth(schema) > MOST_DEPTH {
        return Err(format!("the schema nests deeper than {MOST_DEPTH} levels"));
    }
    let bytes = schema.to_string().len();
    if bytes > MOST_BYTES {
        return Err(format!("the schema has {bytes} bytes; at most {MOST_BYTES} are accepted"));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    1 + below.unwrap_or(0)
}
