use oriel_extension::{Error, log, programs};
use serde_json::{Map, Value, json};

fn summarise(input: Map<String, Value>) -> Result<Value, Error> {
    let fields: Vec<&String> = input.keys().collect();
    log::info!("summarised", count = fields.len());
    Ok(json!({ "count": fields.len(), "fields": fields }))
}

programs! { "summarise" => summarise }
