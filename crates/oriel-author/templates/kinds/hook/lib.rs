use oriel_extension::{HookCall, Payload, Result, config, hooks};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Defaults {
    #[serde(default)]
    defaults: Map<String, Value>,
}

fn fill_in(call: HookCall<Map<String, Value>>) -> Result<Payload<Map<String, Value>>> {
    let Defaults { defaults } = config::binding()?;
    let mut payload = call.payload;
    for (name, value) in defaults {
        payload.entry(name).or_insert(value);
    }
    Ok(Payload(payload))
}

hooks! { "fill-in" => fill_in }
