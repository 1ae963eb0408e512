//! The test kit of the specification, as it is published: YAML files with cases. It is looked for beside the checkout, and where
//! it is not, this says so and the cases of `main.rs` have to do.

use std::path::{Path, PathBuf};

use oriel_cesql::{EvalError, Expression, Value};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::JsonEvent;

#[derive(Deserialize)]
struct File {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    /// The kit misspells it here and there.
    #[serde(alias = "expresion")]
    expression: String,
    result: Option<Json>,
    error: Option<String>,
    event: Option<Map<String, Json>>,
    event_overrides: Option<Map<String, Json>>,
}

impl Case {
    fn event(&self) -> JsonEvent {
        let mut event = self.event.clone().unwrap_or_else(|| {
            json!({"specversion": "1.0", "id": "an-id", "source": "https://localhost.example", "type": "com.example.test"})
                .as_object()
                .cloned()
                .unwrap_or_default()
        });
        event.extend(self.event_overrides.clone().unwrap_or_default());
        JsonEvent(Json::Object(event))
    }

    /// What is wrong with what the expression comes to.
    fn complaint(&self) -> Option<String> {
        let expression = match Expression::parse(&self.expression) {
            Ok(expression) => expression,
            Err(error) => return (self.error.as_deref() != Some("parse")).then(|| error.to_string()),
        };
        let event = self.event();
        let evaluation = expression.evaluate(&event);
        let error = evaluation.error.as_ref().map(|error| match error {
            EvalError::Cast { .. } => "cast",
            EvalError::Math(_) => "math",
            EvalError::MissingAttribute(_) => "missingAttribute",
            EvalError::MissingFunction { .. } => "missingFunction",
            EvalError::Function(_) => "functionEvaluation",
        });
        let value = match &evaluation.value {
            Value::String(text) => json!(text),
            Value::Integer(number) => json!(number),
            Value::Boolean(truth) => json!(truth),
        };
        let wanted = self.result.as_ref().unwrap_or(&Json::Bool(false));
        (error != self.error.as_deref() || value != *wanted)
            .then(|| format!("{value} with {error:?} in place of {wanted} with {:?}", self.error))
    }
}

#[test]
fn the_kit_of_the_specification() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/cesql_tck");
    let Ok(entries) = directory.read_dir() else {
        println!("the kit is not here: {}", directory.display());
        return;
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let (mut count, mut complaints) = (0, vec![]);
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let File { tests } = serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        count += tests.len();
        for case in tests {
            if let Some(complaint) = case.complaint() {
                complaints.push(format!("{}: {}: {complaint}", case.name, case.expression));
            }
        }
    }
    println!("{count} cases of {} files", files.len());
    assert!(count > 0, "the kit has no cases");
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
