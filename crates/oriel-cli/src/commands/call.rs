//! `oriel call EXTENSION PROGRAM`.

use clap::Args;
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::input;
use crate::ui::{Paint, Ui};

/// What to call, with what.
#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// The extension
    extension: String,
    /// One of its programs
    program: String,
    /// Input and time.
    #[command(flatten)]
    pub(crate) call: Input,
}

/// What goes into a call.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// The input: JSON, @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-", default_value = "{}")]
    input: String,
    /// Give up after so many milliseconds
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: Option<u64>,
}

impl Input {
    /// The body of the request; `{input, timeoutMs?}`.
    pub(crate) async fn body(&self) -> Result<Value> {
        let mut body = json!({ "input": input::json(&self.input).await? });
        if let Some(timeout) = self.timeout_ms {
            body["timeoutMs"] = json!(timeout);
        }
        Ok(body)
    }
}

pub(crate) async fn run(context: &Context, args: &CallArgs) -> Result<()> {
    let body = args.call.body().await?;
    let client = context.client()?;
    let call = client.post(&["extensions", &args.extension, "programs", &args.program, "call"]);
    let reply: Value = call.json(&body).send().await?;
    show(&context.ui, &reply)
}

/// The output for people, the whole reply with `--json`.
pub(crate) fn show(ui: &Ui, reply: &Value) -> Result<()> {
    if ui.json() {
        return ui.document(reply);
    }
    ui.document(reply.get("outputData").unwrap_or(&Value::Null))?;
    let latency = reply.get("latencyMs").map(Value::to_string).unwrap_or_default();
    let id = crate::view::text(reply, "id");
    ui.note(&ui.paint_error(Paint::Faint, &format!("{id} in {latency} ms")));
    Ok(())
}
