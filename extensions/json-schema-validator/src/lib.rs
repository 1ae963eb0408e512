//! Judges inputs and outputs by JSON Schema. What it is not: a place that fetches schemas; all of them are configured.

mod compiled;

use oriel_extension::{ConfigProblem, Error, Lifecycle, Result, Subject, Verdict, config, lifecycle, validators};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::compiled::{Named, compiled};

/// Messages quote parts of schemas, which can be long.
const MOST_MESSAGE: usize = 300;

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    schemas: Named,
}

#[derive(Deserialize)]
struct Binding {
    schema: Option<Value>,
    #[serde(rename = "use")]
    name: Option<String>,
    #[serde(default)]
    part: Part,
    #[serde(default = "yes")]
    formats: bool,
    #[serde(default = "ten")]
    most_problems: usize,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    #[default]
    Output,
    Input,
}

const fn yes() -> bool {
    true
}

const fn ten() -> usize {
    10
}

fn schema(subject: Subject) -> Result<Verdict> {
    let binding: Binding = config::binding()?;
    let Settings { schemas } = config::get()?;
    let own = match binding.part {
        Part::Output => subject.output_schema,
        Part::Input => subject.input_schema,
    };
    let wanted = match (binding.schema, binding.name) {
        (Some(schema), _) => schema,
        (None, Some(name)) => schemas
            .get(&name)
            .cloned()
            .ok_or_else(|| Error::invalid_input(format_args!("the binding uses the schema `{name}`, which is not configured")))?,
        (None, None) => own.ok_or_else(|| Error::invalid_input("neither the binding nor the task has a schema"))?,
    };
    let value = match binding.part {
        Part::Input => subject.execution.input,
        Part::Output => match (subject.execution.output, subject.execution.failure) {
            (Some(output), _) => output,
            (None, Some(failure)) => return Err(Error::invalid_input(format_args!("the execution failed: {}", failure.code))),
            (None, None) => return Err(Error::invalid_input("there is no output")),
        },
    };
    let validator = compiled(&wanted, &schemas, binding.formats)
        .map_err(|problem| Error::invalid_input(format_args!("the schema cannot be used: {problem}")))?;
    if validator.is_valid(&value) {
        return Ok(Verdict::valid().with_score(1.0));
    }
    // Masked: what was judged may be what nobody is to read in a verdict.
    let mut problems: Vec<Value> = validator
        .iter_errors(&value)
        .take(binding.most_problems + 1)
        .map(|error| {
            json!({
                "at": error.instance_path().to_string(),
                "schema": error.schema_path().to_string(),
                "message": cut(error.masked().to_string()),
            })
        })
        .collect();
    let more = problems.len() > binding.most_problems;
    problems.truncate(binding.most_problems);
    let first = &problems[0];
    let place = first["at"].as_str().filter(|place| !place.is_empty()).unwrap_or("the whole");
    let message = format!("{place}: {}", first["message"].as_str().unwrap_or_default());
    Ok(Verdict::invalid(message)
        .with_score(0.0)
        .with_details(json!({ "problems": problems, "more": more })))
}

fn cut(mut message: String) -> String {
    if message.len() > MOST_MESSAGE {
        let end = (0..MOST_MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(end);
        message.push('…');
    }
    message
}

struct App;

impl Lifecycle for App {
    /// Each schema must be one, and refer only to others that are there.
    fn check_config(config: Value) -> Vec<ConfigProblem> {
        let schemas: Named = match serde_json::from_value(config["schemas"].clone()) {
            Ok(schemas) => schemas,
            Err(_) => return Vec::new(),
        };
        let check = |(name, schema): (&String, &Value)| {
            let problem = compiled(schema, &schemas, true).err()?;
            Some(ConfigProblem::new(format!("/schemas/{name}"), cut(problem)))
        };
        schemas.iter().filter_map(check).collect()
    }
}

validators! { "schema" => schema }
lifecycle!(App);
