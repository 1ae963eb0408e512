//! From two npm packages to three NDJSON files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::shell::run;
use crate::{setup, table, ui, workspace};

/// How many flights the demo classifies.
const FLIGHTS: usize = 100_000;

/// How many values it normalises.
const VALUES: usize = 10_000;

/// Everything that the demo is fed with.
pub(super) struct Data {
    /// GitHub webhook payloads.
    pub(super) webhooks: Items,
    /// Flights.
    pub(super) flights: Items,
    /// Texts and numbers.
    pub(super) values: Items,
}

impl Data {
    /// Fetches the packages and writes the files, one `{id, input}` a line, as batches and streams take it.
    ///
    /// # Errors
    /// When the packages cannot be fetched or hold something else than expected.
    pub(super) fn prepare(directory: &Path) -> Result<Self> {
        fetch(&workspace::root().join("xtask/data"), directory)?;
        let data = Self {
            webhooks: webhooks(directory)?,
            flights: flights(directory)?,
            values: values(directory)?,
        };
        ui::line(&table::render(&["file", "items", "bytes", "sha256"], &data.rows()));
        ui::line(&format!("in {}", workspace::short(directory).display()));
        Ok(data)
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |items: &Items| {
            let name = items.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            vec![name, table::count(items.count), table::count(items.bytes), items.sha256.clone()]
        };
        [&self.webhooks, &self.flights, &self.values].map(row).to_vec()
    }
}

/// One written file.
pub(super) struct Items {
    /// Where it is.
    pub(super) path: PathBuf,
    /// How many lines it has.
    pub(super) count: usize,
    /// How long it is.
    pub(super) bytes: usize,
    /// What it holds, so that two runs can be compared.
    pub(super) sha256: String,
}

/// Installs the packages that `lock` pins into `directory`; npm checks their digests. Does nothing when they are there.
///
/// # Errors
/// When npm fails.
fn fetch(lock: &Path, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    let current = std::fs::read(lock.join("package-lock.json"))?;
    let done = directory.join("node_modules/.done");
    if std::fs::read(&done).is_ok_and(|last| last == current) {
        return Ok(());
    }
    setup::node()?;
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(lock.join(name), directory.join(name))?;
    }
    let hint = "the demo's data comes from the npm registry";
    run("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .directory(directory)
        .hint(hint)
        .go()?;
    Ok(std::fs::write(done, current)?)
}

/// Writes the GitHub payloads: those of github.com and of each Enterprise Server edition.
///
/// # Errors
/// When the package has another form than expected.
fn webhooks(directory: &Path) -> Result<Items> {
    let package = directory.join("node_modules/@octokit/webhooks-examples");
    let mut editions: Vec<PathBuf> = std::fs::read_dir(&package)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    editions.retain(|edition| edition.join("index.json").is_file());
    editions.sort();
    let mut lines = Lines::default();
    for edition in editions {
        let name = edition.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let events = read(&edition.join("index.json"))?;
        for (id, input) in webhook_items(&name, &events) {
            lines.push(&id, &input)?;
        }
    }
    lines.write(directory.join("webhooks.ndjson"))
}

/// Writes [`FLIGHTS`] flight records, spread evenly over the file, which is in the order of the day. They are all
/// different ones and have delay, distance and time of day; only much smaller files of the package have the airports.
///
/// # Errors
/// When the package has another form than expected.
fn flights(directory: &Path) -> Result<Items> {
    let all = read(&directory.join("node_modules/vega-datasets/data/flights-200k.json"))?;
    let records = all.as_array().context("the flights are a list")?;
    ensure!(
        records.len() >= FLIGHTS,
        "there are {} flights, {FLIGHTS} are needed",
        records.len()
    );
    let mut lines = Lines::default();
    for (number, record) in records.iter().step_by(records.len() / FLIGHTS).take(FLIGHTS).enumerate() {
        lines.push(&format!("flight-{number:06}"), record)?;
    }
    lines.write(directory.join("flights.ndjson"))
}

/// Writes the first [`VALUES`] values of the package's film table: titles, names, dates as `Jun 12 1998`, amounts.
///
/// # Errors
/// When the package has another form than expected.
fn values(directory: &Path) -> Result<Items> {
    let films = read(&directory.join("node_modules/vega-datasets/data/movies.json"))?;
    let mut lines = Lines::default();
    for (id, input) in value_items(&films).into_iter().take(VALUES) {
        lines.push(&id, &input)?;
    }
    ensure!(lines.items == VALUES, "there are {} values, {VALUES} are needed", lines.items);
    lines.write(directory.join("values.ndjson"))
}

fn read(path: &Path) -> Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// Each example of each event, with an id that says where it is from.
fn webhook_items(edition: &str, events: &Value) -> Vec<(String, Value)> {
    let events = events.as_array().into_iter().flatten();
    events
        .flat_map(|event| {
            let name = event["name"].as_str().unwrap_or_default();
            let examples = event["examples"].as_array().into_iter().flatten().enumerate();
            examples.map(move |(number, payload)| (format!("{edition}/{name}/{number}"), json!({ "event": name, "payload": payload })))
        })
        .collect()
}

/// Each text and number of each row, with an id that says where it is from.
fn value_items(rows: &Value) -> Vec<(String, Value)> {
    let mut items = Vec::new();
    for (number, row) in rows.as_array().into_iter().flatten().enumerate() {
        for (column, value) in row.as_object().into_iter().flatten() {
            if value.is_string() || value.is_number() {
                items.push((format!("{number}/{column}"), json!({ "value": value })));
            }
        }
    }
    items
}

#[derive(Default)]
struct Lines {
    text: String,
    items: usize,
}

impl Lines {
    fn push(&mut self, id: &str, input: &Value) -> Result<()> {
        writeln!(self.text, "{}", json!({ "id": id, "input": input }))?;
        self.items += 1;
        Ok(())
    }

    fn write(self, path: PathBuf) -> Result<Items> {
        ensure!(self.items > 0, "{} would be empty", path.display());
        std::fs::write(&path, &self.text).with_context(|| format!("could not write {}", path.display()))?;
        let sha256 = Sha256::digest(&self.text)
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        Ok(Items {
            path,
            count: self.items,
            bytes: self.text.len(),
            sha256,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_become_items() {
        let rows = json!([{ "Title": "Alien", "Source": null }, { "Title": 300 }]);
        let expected = [("0/Title", json!({ "value": "Alien" })), ("1/Title", json!({ "value": 300 }))];
        assert_eq!(value_items(&rows), expected.map(|(id, input)| (id.to_owned(), input)));
    }

    #[test]
    fn each_example_becomes_one_item() {
        let events = json!([
            { "name": "push", "examples": [{ "ref": "a" }, { "ref": "b" }] },
            { "name": "ping", "examples": [{ "zen": "c" }] },
        ]);
        let items = webhook_items("api.github.com", &events);
        let ids: Vec<&str> = items.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["api.github.com/push/0", "api.github.com/push/1", "api.github.com/ping/0"]);
        assert_eq!(items[1].1, json!({ "event": "push", "payload": { "ref": "b" } }));
    }
}
