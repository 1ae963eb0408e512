//! JSON Schema 2020-12, compiled once and bounded: no remote references, no unbounded schemas.

use std::sync::Arc;

use serde_json::Value;

/// The longest schema that is accepted, in bytes of JSON.
pub const MAX_SCHEMA_BYTES: usize = 256 << 10;
/// The deepest nesting that is accepted in a schema.
pub const MAX_SCHEMA_DEPTH: usize = 64;
/// The most problems that one validation reports.
pub const MAX_PROBLEMS: usize = 10;

/// A schema that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// It is longer than [`MAX_SCHEMA_BYTES`].
    #[error("the schema has {bytes} bytes; at most {MAX_SCHEMA_BYTES} are accepted")]
    TooLarge {
        /// Its length as JSON.
        bytes: usize,
    },
    /// It nests deeper than [`MAX_SCHEMA_DEPTH`].
    #[error("the schema nests deeper than {MAX_SCHEMA_DEPTH} levels")]
    TooDeep,
    /// It refers to another document.
    #[error("the schema refers to `{reference}`; only references within the same schema (`#/$defs/…`) are followed")]
    RemoteReference {
        /// The reference as written.
        reference: String,
    },
    /// It is not a JSON Schema 2020-12.
    #[error("the schema is not valid JSON Schema 2020-12 at `{path}`: {message}")]
    Invalid {
        /// JSON pointer into the schema.
        path: String,
        /// What is wrong there.
        message: String,
    },
}

/// One place where a value breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SchemaProblem {
    /// JSON pointer into the value; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

/// A compiled schema. Cheap to clone.
#[derive(Clone)]
pub struct Schema {
    /// Absent for `true` and `{}`, which accept everything.
    validator: Option<Arc<jsonschema::Validator>>,
}

impl std::fmt::Debug for Schema {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schema")
            .field("accepts_everything", &self.validator.is_none())
            .finish()
    }
}

impl Schema {
    /// The schema that accepts every value.
    #[must_use]
    pub const fn anything() -> Self {
        Self { validator: None }
    }

    /// Compiles a schema.
    ///
    /// # Errors
    /// When it is too large or too deep, refers elsewhere, or is not valid JSON Schema 2020-12.
    pub fn compile(schema: &Value) -> Result<Self, SchemaError> {
        if matches!(schema, Value::Bool(true)) || schema.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok(Self::anything());
        }
        check_bounds(schema)?;
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(schema)
            .map_err(|error| SchemaError::Invalid {
                path: error.instance_path().to_string(),
                message: error.to_string(),
            })?;
        Ok(Self {
            validator: Some(Arc::new(validator)),
        })
    }

    /// Whether every value passes, so that there is no need to parse one.
    #[must_use]
    pub const fn accepts_everything(&self) -> bool {
        self.validator.is_none()
    }

    /// Checks a value. Reports at most [`MAX_PROBLEMS`] problems.
    ///
    /// # Errors
    /// The places where the value breaks the schema.
    pub fn validate(&self, value: &Value) -> Result<(), Vec<SchemaProblem>> {
        let Some(validator) = &self.validator else { return Ok(()) };
        if validator.is_valid(value) {
            return Ok(());
        }
        Err(validator
            .iter_errors(value)
            .take(MAX_PROBLEMS)
            .map(|error| SchemaProblem {
                path: error.instance_path().to_string(),
                message: cut(error.masked().to_string()),
            })
            .collect())
    }
}

/// Messages quote schema parts, which can be long.
fn cut(mut message: String) -> String {
    if message.len() > 300 {
        let end = (0..=297).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

fn check_bounds(schema: &Value) -> Result<(), SchemaError> {
    walk(schema, 0)?;
    let bytes = schema.to_string().len();
    if bytes > MAX_SCHEMA_BYTES {
        return Err(SchemaError::TooLarge { bytes });
    }
    Ok(())
}

fn walk(value: &Value, depth: usize) -> Result<(), SchemaError> {
    if depth > MAX_SCHEMA_DEPTH {
        return Err(SchemaError::TooDeep);
    }
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, depth + 1)),
        Value::Object(map) => map.iter().try_for_each(|(key, item)| {
            if let ("$ref" | "$dynamicRef", Value::String(reference)) = (key.as_str(), item)
                && !reference.starts_with('#')
            {
                return Err(SchemaError::RemoteReference {
                    reference: reference.chars().take(200).collect(),
                });
            }
            walk(item, depth + 1)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn problems_name_their_place() {
        let schema = Schema::compile(&json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})).unwrap();
        assert_eq!(schema.validate(&json!({"n": 1})), Ok(()));
        let problems = schema.validate(&json!({"n": "x"})).unwrap_err();
        assert_eq!(problems[0].path, "/n");
        assert!(problems[0].message.contains("integer"), "{problems:?}");
    }

    #[test]
    fn hostile_schemas_are_refused() {
        let remote = Schema::compile(&json!({"$ref": "https://example.com/x.json"}));
        assert!(matches!(remote, Err(SchemaError::RemoteReference { .. })), "{remote:?}");
        let file = Schema::compile(&json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}));
        assert!(matches!(file, Err(SchemaError::RemoteReference { .. })), "{file:?}");
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({ "not": deep });
        }
        assert_eq!(Schema::compile(&deep).unwrap_err(), SchemaError::TooDeep);
        let large = json!({"description": "x".repeat(MAX_SCHEMA_BYTES)});
        assert!(matches!(Schema::compile(&large), Err(SchemaError::TooLarge { .. })));
        assert!(matches!(
            Schema::compile(&json!({"type": "integr"})),
            Err(SchemaError::Invalid { .. })
        ));
    }

    #[test]
    fn an_endless_reference_or_a_slow_pattern_ends() {
        let looping = Schema::compile(&json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}));
        if let Ok(schema) = looping {
            let _ = schema.validate(&json!(1));
        }
        let slow = Schema::compile(&json!({"type": "string", "pattern": "^(a+)+$"})).unwrap();
        assert!(slow.validate(&json!(format!("{}b", "a".repeat(10_000)))).is_err());
    }
}
