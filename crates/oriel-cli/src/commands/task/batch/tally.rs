//! Counting results, and showing how far a batch is.

use std::collections::BTreeMap;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::error::Result;
use crate::ui::{Paint, Ui, clean};
use crate::view::cut;

/// Kinds of failure that are told apart; further ones are counted together.
const MAX_KINDS: usize = 1_000;

/// What came back so far.
pub(super) struct Tally {
    succeeded: u64,
    skipped: u64,
    failures: BTreeMap<String, u64>,
    failed: u64,
    begun: Instant,
    bar: ProgressBar,
}

impl Tally {
    /// Shows a bar where one makes sense.
    pub(super) fn new(ui: &Ui, expected: Option<u64>, skipped: u64) -> Self {
        let bar = match expected {
            Some(expected) => ProgressBar::new(expected),
            None => ProgressBar::new_spinner(),
        };
        let template = if expected.is_some() {
            "{bar:32} {pos}/{len} items  {per_sec}  {eta} left  {msg}"
        } else {
            "{spinner} {pos} items  {per_sec}  {msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !ui.shows_progress() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self {
            succeeded: 0,
            skipped,
            failures: BTreeMap::new(),
            failed: 0,
            begun: Instant::now(),
            bar,
        }
    }

    /// Counts one result, in the form of the batch operation.
    pub(super) fn count(&mut self, result: &Value) {
        if result.get("success") == Some(&Value::Bool(true)) {
            self.succeeded += 1;
        } else {
            self.failed += 1;
            let message = result
                .get("errorMessage")
                .and_then(Value::as_str)
                .unwrap_or("failed without a reason");
            let code = result
                .get("errorCode")
                .and_then(Value::as_str)
                .map(|code| format!("{code}: "))
                .unwrap_or_default();
            let kind = cut(&format!("{code}{message}"), 160);
            let kind = if self.failures.len() < MAX_KINDS || self.failures.contains_key(&kind) {
                kind
            } else {
                "other".to_owned()
            };
            *self.failures.entry(kind).or_default() += 1;
            self.bar.set_message(format!("{} failed", self.failed));
        }
        self.bar.inc(1);
    }

    /// Results so far.
    pub(super) const fn total(&self) -> u64 {
        self.succeeded + self.failed
    }

    /// Failures so far.
    pub(super) const fn failed(&self) -> u64 {
        self.failed
    }

    /// Takes the bar away and sums up: on standard output when the results went to a file, on standard error
    /// otherwise.
    pub(super) fn finish(&self, ui: &Ui, to_file: bool) -> Result<()> {
        self.bar.finish_and_clear();
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { self.total() as f64 / seconds } else { 0.0 };
        if ui.json() {
            let failures: Vec<_> = self
                .failures
                .iter()
                .map(|(message, count)| json!({ "message": message, "count": count }))
                .collect();
            let summary = json!({
                "totalItems": self.total(),
                "successCount": self.succeeded,
                "failureCount": self.failed,
                "skippedCount": self.skipped,
                "totalDurationMs": (seconds * 1_000.0).round(),
                "failures": failures,
            });
            return if to_file { ui.document(&summary) } else { Ok(()) };
        }
        let failed = format!("{} failed", self.failed);
        let failed = ui.paint_error(if self.failed > 0 { Paint::Bad } else { Paint::Plain }, &failed);
        let skipped = if self.skipped > 0 {
            format!(", {} done before", self.skipped)
        } else {
            String::new()
        };
        ui.note(&format!(
            "{} items in {seconds:.1} s ({rate:.0}/s): {} succeeded, {failed}{skipped}",
            self.total(),
            self.succeeded
        ));
        let mut kinds: Vec<_> = self.failures.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1));
        for (message, count) in kinds.iter().take(5) {
            ui.note(&format!("  {count} × {}", clean(message)));
        }
        if kinds.len() > 5 {
            ui.note(&format!("  and {} other reasons", kinds.len() - 5));
        }
        Ok(())
    }
}

impl Drop for Tally {
    /// Ctrl-C drops the batch: no half bar stays on the screen.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
