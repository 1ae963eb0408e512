use oriel_extension::{JobRun, Result, Trigger, jobs};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Numbers {
    numbers: Vec<i64>,
}

fn add_up(run: JobRun<Numbers>) -> Result<Value> {
    let started_by = match run.trigger {
        Trigger::Manual => "manual",
        Trigger::Schedule(_) => "schedule",
        Trigger::Event(_) => "event",
        Trigger::Queue => "queue",
    };
    Ok(json!({ "sum": run.input.numbers.iter().sum::<i64>(), "started_by": started_by }))
}

jobs! { "add-up" => add_up }
