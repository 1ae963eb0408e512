//! `oriel task recommend TASK`.

use clap::Args;
use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::ui::Paint;
use crate::view::text;

/// Which task, and how sure.
#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    /// The task, by name or id
    task: String,
    /// How sure the advice on sampling shall make, above 0 and below 1
    #[arg(long, value_name = "PART", default_value_t = 0.95)]
    confidence: f64,
    /// To how much on either side the success rate shall be known
    #[arg(long, value_name = "PART", default_value_t = 0.02)]
    margin: f64,
}

pub(crate) async fn run(context: &Context, args: &RecommendArgs) -> Result<()> {
    let client = context.client()?;
    let call = client.get(&["tasks", &args.task, "recommendations"]);
    let call = call.query("confidence", args.confidence).query("margin", args.margin);
    let value: Value = call.send().await?;
    let ui = &context.ui;
    if ui.json() {
        return ui.document(&value);
    }
    let recommendations = value.get("recommendations").and_then(Value::as_array);
    let rows = recommendations.into_iter().flatten().map(|one| {
        let examples = one.get("examples").and_then(Value::as_array);
        let example = examples.and_then(|list| list.first()).and_then(Value::as_str).unwrap_or("-");
        vec![
            (Paint::Strong, text(one, "kind")),
            (Paint::Plain, text(one, "message")),
            (Paint::Faint, example.to_owned()),
        ]
    });
    ui.table(&["ABOUT", "ADVICE", "EXAMPLE"], rows.collect(), "")?;
    let versions = value.get("versions").and_then(Value::as_array);
    let rows = versions.into_iter().flatten().map(|one| {
        let rate = |key: &str| {
            one.pointer(&format!("/successRate/{key}"))
                .and_then(Value::as_f64)
                .unwrap_or_default()
                * 100.0
        };
        let ms = |key: &str| {
            one.get(key)
                .and_then(Value::as_f64)
                .map_or_else(|| "-".to_owned(), |ms| format!("{ms:.2}"))
        };
        vec![
            (Paint::Strong, text(one, "version")),
            (Paint::Plain, text(one, "executions")),
            (
                Paint::Plain,
                format!("{:.1} % ({:.1} to {:.1})", rate("rate"), rate("low"), rate("high")),
            ),
            (Paint::Plain, ms("latencyP50Ms")),
            (Paint::Plain, ms("latencyP95Ms")),
        ]
    });
    ui.table(&["VERSION", "EXECUTIONS", "SUCCESS", "P50 MS", "P95 MS"], rows.collect(), "")
}
