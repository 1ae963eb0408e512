//! One task over one file of items, and what came out of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::data::{Data, Items};
use super::oriel::Oriel;
use super::server::Server;
use crate::{table, ui, workspace};

/// A task and what it is run over.
pub(super) struct Batch<'a> {
    extension: &'static str,
    program: &'static str,
    language: &'static str,
    schemas: (&'static str, &'static str),
    /// The field of the output by which results are counted for the reader.
    told_by: &'static str,
    items: &'a Items,
}

/// What a run over all items gave.
pub(super) struct Run {
    /// Extension and language.
    pub(super) name: String,
    /// Items sent.
    pub(super) items: usize,
    /// Items that failed.
    pub(super) failures: usize,
    /// What the outputs say, counted.
    pub(super) found: String,
    seconds: f64,
    /// Per item, in milliseconds, ascending.
    durations: Vec<f64>,
    memory: Option<u64>,
}

impl<'a> Batch<'a> {
    /// What the demo runs.
    pub(super) fn all(data: &'a Data) -> [Self; 3] {
        [
            Self {
                extension: "triage",
                program: "triage",
                language: "JavaScript",
                schemas: ("event", "verdict"),
                told_by: "priority",
                items: &data.webhooks,
            },
            Self {
                extension: "delay-classifier",
                program: "classify",
                language: "Rust",
                schemas: ("flight", "verdict"),
                told_by: "class",
                items: &data.flights,
            },
            Self {
                extension: "normaliser",
                program: "normalise",
                language: "Python",
                schemas: ("value", "normal"),
                told_by: "kind",
                items: &data.values,
            },
        ]
    }

    /// Makes a task of the extension's name, with the extension's own schemas.
    pub(super) fn create_task(&self, oriel: &Oriel) -> Result<()> {
        let schema = |name: &str| format!("@examples/{}/schemas/{name}.json", self.extension);
        let program = format!("{}/{}", self.extension, self.program);
        let (input, output) = (schema(self.schemas.0), schema(self.schemas.1));
        oriel
            .shown()
            .args(["task", "create", self.extension, "--program", &program])
            .args(["--input-schema", &input, "--output-schema", &output])
            .directory(&workspace::root())
            .go()
    }

    /// Sends every item and reads every result.
    pub(super) fn run(&self, oriel: &Oriel, server: &Server, directory: &Path) -> Result<Run> {
        let results = directory.join(format!("{}.results.ndjson", self.extension));
        let (file, output) = (workspace::short(&self.items.path), workspace::short(&results));
        let (file, output) = (path(&file)?, path(&output)?);
        let args = ["task", "batch", self.extension, file, "--chunk", "10000", "--output", output];
        ui::command(&format!("oriel {}", args.join(" ")));
        server.forget_peak_memory();
        let summary = match oriel.ask(&args)? {
            Ok(summary) => Some(summary),
            // The results say which items failed and why; what stopped the whole batch is an error.
            Err(refusal) if refusal.code == "client.items_failed" => None,
            Err(refusal) => bail!("{}: {} ({})", self.extension, refusal.message, refusal.code),
        };
        let memory = server.peak_memory();
        let told = std::fs::read_to_string(&results).with_context(|| format!("could not read {}", results.display()))?;
        let read = Results::read(&told, self.told_by)?;
        ensure!(
            read.durations.len() == self.items.count,
            "{}: {} items were sent and {} results came back",
            self.extension,
            self.items.count,
            read.durations.len()
        );
        let milliseconds = summary.as_ref().and_then(|summary| summary["totalDurationMs"].as_f64());
        Ok(Run {
            name: format!("{} ({})", self.extension, self.language),
            items: self.items.count,
            failures: read.failures.values().sum(),
            found: read.told(),
            seconds: milliseconds.unwrap_or_default() / 1_000.0,
            durations: read.durations,
            memory,
        })
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("the path of the repository is not UTF-8")
}

/// What a file of results says.
#[derive(Default)]
struct Results {
    durations: Vec<f64>,
    found: BTreeMap<String, usize>,
    failures: BTreeMap<String, usize>,
}

impl Results {
    fn read(text: &str, told_by: &str) -> Result<Self> {
        let mut all = Self::default();
        for line in text.lines() {
            let result: Value = serde_json::from_str(line).context("a result is not JSON")?;
            all.durations
                .push(result["durationMs"].as_f64().context("a result without its duration")?);
            let (counts, word) = if result["success"] == Value::Bool(true) {
                (&mut all.found, &result["outputData"][told_by])
            } else {
                (&mut all.failures, &result["errorCode"])
            };
            *counts.entry(word.as_str().unwrap_or("?").to_owned()).or_default() += 1;
        }
        all.durations.sort_by(f64::total_cmp);
        Ok(all)
    }

    /// `urgent 12, high 40`, the most frequent first, failures last.
    fn told(&self) -> String {
        let by_count = |counts: &BTreeMap<String, usize>| {
            let mut all: Vec<(String, usize)> = counts.iter().map(|(word, count)| (word.clone(), *count)).collect();
            all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            all
        };
        let words = by_count(&self.found).into_iter().chain(by_count(&self.failures));
        let told: Vec<String> = words.map(|(word, count)| format!("{word} {}", table::count(count))).collect();
        told.join(", ")
    }
}

/// The value that `percent` per cent of the ascending `values` do not exceed (nearest rank).
pub(super) fn percentile(values: &[f64], percent: usize) -> Option<f64> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

/// Milliseconds for people.
pub(super) fn milliseconds(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// Bytes for people.
pub(super) fn megabytes(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6))
}

/// The demo's result.
pub(super) fn table(runs: &[Run]) -> String {
    let rows: Vec<Vec<String>> = runs.iter().map(Run::row).collect();
    table::render(
        &["extension", "items", "failures", "items/s", "p50 ms", "p95 ms", "p99 ms", "memory"],
        &rows,
    )
}

impl Run {
    fn row(&self) -> Vec<String> {
        let rate = if self.seconds > 0.0 {
            table::count((self.items as f64 / self.seconds).round() as usize)
        } else {
            "-".to_owned()
        };
        let at = |percent| milliseconds(percentile(&self.durations, percent));
        vec![
            self.name.clone(),
            table::count(self.items),
            table::count(self.failures),
            rate,
            at(50),
            at(95),
            at(99),
            megabytes(self.memory),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        let check = |values: &[f64], percent, expected: Option<f64>| assert_eq!(percentile(values, percent), expected);
        check(&values, 50, Some(100.0));
        check(&values, 99, Some(198.0));
        check(&values, 100, Some(200.0));
        check(&values[..1], 50, Some(1.0));
        check(&values[..1], 99, Some(1.0));
        check(&[], 50, None);
    }

    const RESULTS: &str = r#"{"id":"1","success":true,"outputData":{"class":"late"},"durationMs":2.5}
{"id":"2","success":true,"outputData":{"class":"early"},"durationMs":1}
{"id":"3","success":false,"errorMessage":"no","errorCode":"execution.trapped","durationMs":4}
{"id":"4","success":true,"outputData":{"class":"late"},"durationMs":0.5}
"#;

    #[test]
    fn results_are_counted() {
        let read = Results::read(RESULTS, "class").unwrap();
        assert_eq!(read.durations, [0.5, 1.0, 2.5, 4.0]);
        assert_eq!(read.told(), "late 2, early 1, execution.trapped 1");
        assert!(Results::read("{\"id\":\"1\",\"success\":true}", "class").is_err());
    }

    #[test]
    fn a_run_is_a_row() {
        let read = Results::read(RESULTS, "class").unwrap();
        let run = Run {
            name: "delay-classifier (Rust)".to_owned(),
            items: 4,
            failures: 1,
            found: read.told(),
            seconds: 0.002,
            durations: read.durations,
            memory: Some(123_456_789),
        };
        let expected = "\
extension                items  failures  items/s  p50 ms  p95 ms  p99 ms  memory
-----------------------  -----  --------  -------  ------  ------  ------  ------
delay-classifier (Rust)      4         1    2 000   1.000   4.000   4.000  123 MB";
        assert_eq!(table(&[run]), expected);
    }
}
