use oriel_extension::{Result, Subject, Verdict, config, validators};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    fields: Vec<String>,
}

fn complete(subject: Subject<Value, Map<String, Value>>) -> Result<Verdict> {
    let Fields { fields } = config::binding()?;
    let output = subject.execution.output.unwrap_or_default();
    let lacks = |name: &String| !output.contains_key(name);
    let missing: Vec<String> = fields.into_iter().filter(lacks).collect();
    if missing.is_empty() {
        return Ok(Verdict::valid());
    }
    let missing = missing.join(", ");
    Ok(Verdict::invalid(format_args!("missing: {missing}")))
}

validators! { "complete" => complete }
