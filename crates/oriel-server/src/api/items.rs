//! The items of batches and streams: how they come and how their results are written.
//!
//! Results are written straight into bytes: of a hundred thousand, none becomes a tree of values first.

use std::time::Duration;

use oriel_model::Coded as _;
use oriel_tasks::{Fault, Item, ItemResult};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::extract::Whole;

/// One input of a batch or stream.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"id": "1", "input": {"delay": 42}}))]
pub(crate) struct ItemBody {
    /// The caller's own id; the result carries it.
    id: String,
    /// Any JSON that fits the task's input schema.
    #[schema(value_type = Value)]
    input: Box<RawValue>,
    /// Less time than the extension's limit.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 3600000)]
    timeout_ms: Option<Whole>,
}

impl ItemBody {
    pub(super) fn checked(self) -> Result<Item, crate::problem::Problem> {
        Ok(Item {
            timeout: super::tasks::timeout(self.timeout_ms)?,
            id: self.id,
            input: self.input,
        })
    }
}

/// How one item of a batch ended.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what `write_batch` writes")]
pub(crate) struct BatchItem {
    /// The caller's own id.
    id: String,
    success: bool,
    /// What the program answered, when it did.
    #[schema(value_type = Option<Value>)]
    output_data: Option<()>,
    /// Why it failed, when it did.
    error_message: Option<String>,
    /// The stable code of why it failed.
    #[schema(example = "execution.timeout")]
    error_code: Option<String>,
    /// From its turn to its answer, in milliseconds.
    #[schema(minimum = 0)]
    duration_ms: f64,
}

/// A span of time, written as milliseconds with microseconds behind the point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Milliseconds(pub Duration);

impl Serialize for Milliseconds {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "exact up to 285 years")]
        serializer.serialize_f64(micros as f64 / 1_000.0)
    }
}

/// Writes a result as batches show it.
pub(super) fn write_batch(out: &mut Vec<u8>, result: &ItemResult) {
    write(
        out,
        result,
        [",\"outputData\":", ",\"errorMessage\":", ",\"errorCode\":", ",\"durationMs\":"],
    );
}

/// Writes a result as streams show it.
pub(super) fn write_stream(out: &mut Vec<u8>, result: &ItemResult) {
    write(
        out,
        result,
        [",\"output\":", ",\"error\":", ",\"error_code\":", ",\"duration_ms\":"],
    );
}

fn write(out: &mut Vec<u8>, result: &ItemResult, [output, error, code, duration]: [&str; 4]) {
    out.extend_from_slice(b"{\"id\":");
    text(out, &result.id);
    match &result.result {
        Ok(value) => {
            out.extend_from_slice(b",\"success\":true");
            out.extend_from_slice(output.as_bytes());
            on_one_line(out, value.get());
        }
        Err(fault) => {
            out.extend_from_slice(b",\"success\":false");
            out.extend_from_slice(error.as_bytes());
            text(out, &message(fault));
            out.extend_from_slice(code.as_bytes());
            text(out, fault.code().as_str());
        }
    }
    if !result.judgements.is_empty() {
        out.extend_from_slice(b",\"judgements\":");
        serde_json::to_writer(&mut *out, &result.judgements).expect("judgements can be written into memory");
    }
    out.extend_from_slice(duration.as_bytes());
    milliseconds(out, result.duration);
    out.push(b'}');
}

/// What a failed item says: as a problem's `detail`, a fault of the platform does not tell its inner workings.
fn message(fault: &Fault) -> String {
    if fault.code() == oriel_model::ErrorCode::Internal {
        tracing::warn!(error = %fault, "an item failed");
        return fault.code().title().to_owned();
    }
    fault.to_string()
}

fn text(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string can be written into memory");
}

/// JSON without line ends. They can only stand between tokens, where a space means the same.
fn on_one_line(out: &mut Vec<u8>, json: &str) {
    let start = out.len();
    out.extend_from_slice(json.as_bytes());
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

pub(super) fn milliseconds(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(digits.format(micros / 1_000).as_bytes());
    let rest = micros % 1_000;
    if rest > 0 {
        let fraction = [
            b'.',
            b'0' + (rest / 100) as u8,
            b'0' + (rest / 10 % 10) as u8,
            b'0' + (rest % 10) as u8,
        ];
        out.extend_from_slice(&fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_json_on_one_line() {
        let output = RawValue::from_string("{\n \"a\": \"x\\n\"\r\n}".to_owned()).unwrap();
        let good = ItemResult {
            id: "quote \" and \n".to_owned(),
            execution: None,
            result: Ok(output),
            duration: Duration::from_micros(1_020),
            judgements: Vec::new(),
        };
        let bad = ItemResult {
            id: "2".to_owned(),
            execution: None,
            result: Err(Fault::Cancelled),
            duration: Duration::ZERO,
            judgements: Vec::new(),
        };
        let mut out = Vec::new();
        write_batch(&mut out, &good);
        out.push(b'\n');
        write_stream(&mut out, &bad);
        let lines: Vec<serde_json::Value> = out
            .split(|b| *b == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(
            lines,
            [
                serde_json::json!({"id": "quote \" and \n", "success": true, "outputData": {"a": "x\n"}, "durationMs": 1.02}),
                serde_json::json!({"id": "2", "success": false, "error": Fault::Cancelled.to_string(), "error_code": "execution.cancelled", "duration_ms": 0}),
            ]
        );
    }
}
