//! How results of tests are shown.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::cases::Case;
use super::runner::Outcome;
use crate::ui::{Paint, Ui, clean};

/// One case: a line when it passed, and all there is to know when it did not.
pub(crate) fn case_line(ui: &Ui, case: &Case, outcome: &Outcome) -> String {
    let time = ui.paint(Paint::Faint, &format!("{:.1} ms", outcome.took.as_secs_f64() * 1_000.0));
    if outcome.problems.is_empty() {
        return format!("{}  {}  {time}", ui.paint(Paint::Good, "ok  "), clean(&case.name));
    }
    let place = ui.paint(Paint::Faint, &format!("{}:{}", case.file.display(), case.line));
    let mut text = format!("{}  {}  {place}", ui.paint(Paint::Bad, "FAIL"), clean(&case.name));
    for problem in &outcome.problems {
        for line in clean(problem).trim_end().lines() {
            let paint = match line.as_bytes() {
                [b'-', b' ', ..] => Paint::Bad,
                [b'+', b' ', ..] => Paint::Good,
                _ => Paint::Plain,
            };
            let _ = write!(text, "\n      {}", ui.paint(paint, line));
        }
    }
    if !outcome.logs.is_empty() {
        let _ = write!(text, "\n      {}", ui.paint(Paint::Faint, "logged:"));
        for record in &outcome.logs {
            let fields: String = record.fields.iter().map(|(key, value)| format!(" {key}={value}")).collect();
            let line = format!("{:?} {}{fields}", record.level, record.message).replace('\n', "\n        ");
            let _ = write!(text, "\n        {}", ui.paint(Paint::Faint, &clean(&line)));
        }
    }
    text
}

/// The last line, or the whole as JSON.
pub(crate) fn summary(ui: &Ui, results: &[(Case, Outcome)], took: Duration) -> (String, Value) {
    let failed = results.iter().filter(|(_, outcome)| !outcome.problems.is_empty()).count();
    let passed = results.len() - failed;
    let words = if failed == 0 {
        ui.paint(Paint::Good, "all passed")
    } else {
        ui.paint(Paint::Bad, &format!("{failed} failed"))
    };
    let line = format!("{passed} of {} cases passed in {:.2} s: {words}", results.len(), took.as_secs_f64());
    let cases: Vec<_> = results
        .iter()
        .map(|(case, outcome)| {
            let mut entry = json!({
                "file": case.file,
                "line": case.line,
                "name": case.name,
                "kind": case.kind,
                "contribution": case.contribution,
                "passed": outcome.problems.is_empty(),
                "durationMs": outcome.took.as_secs_f64() * 1_000.0,
                "problems": outcome.problems,
            });
            match &outcome.answer {
                Ok(Some(output)) => entry["output"] = output.clone(),
                Ok(None) => {}
                Err((code, message)) => entry["error"] = json!({ "code": code, "message": message }),
            }
            entry
        })
        .collect();
    (line, json!({ "passed": passed, "failed": failed, "cases": cases }))
}
