use oriel_extension::{Choice, Execution, History, Result, config, samplers};
use serde::Deserialize;

#[derive(Deserialize)]
struct Spread {
    every: Option<u64>,
}

fn spread(execution: Execution, history: History) -> Result<Choice> {
    let Spread { every } = config::binding()?;
    Ok(if execution.failure.is_some() {
        Choice::take("failed")
    } else if history.since_last + 1 >= every.unwrap_or(10) {
        Choice::take("its turn")
    } else {
        Choice::skip()
    })
}

samplers! { "spread" => spread }
