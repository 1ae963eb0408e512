//! Keeps a uniform sample of fixed size of each window of time.
//!
//! The sample is the executions whose ids have the smallest hashes: any `size` of them are equally likely, none can be in it twice, and the
//! order in which nodes see them does not matter (bottom-k sampling: Cohen and Kaplan, "Summarizing data using bottom-k sketches",
//! PODC 2007). No chance, clock or count is needed: a clock that jumps only begins another window.

mod reservoir;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use oriel_extension::{Choice, Error, Execution, History, Result, config, kv, log, programs, samplers};
use serde::{Deserialize, Serialize};

use crate::reservoir::{Reservoir, rank};

/// How many windows are kept.
const KEPT_WINDOWS: u32 = 24;
/// A writer that was slower tries again so often.
const TRIES: u32 = 5;
/// How many reservoirs an instance remembers the threshold of.
const MOST_KNOWN: usize = 1_000;

#[derive(Deserialize)]
struct Binding {
    #[serde(default = "fifty")]
    size: usize,
    #[serde(default = "hour")]
    window: String,
}

const fn fifty() -> usize {
    50
}

fn hour() -> String {
    "1h".to_owned()
}

thread_local! {
    /// The greatest rank that may enter a full reservoir, by key. It only becomes smaller, so that an old one never keeps out
    /// what should enter; it saves asking the store for most executions.
    static KNOWN: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
}

fn milliseconds(window: &str) -> Result<u64> {
    let (amount, unit) = window.split_at(window.len().saturating_sub(1));
    let unit = match unit {
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(Error::internal(format_args!("the binding's window `{window}` has no unit"))),
    };
    Ok(amount.parse::<u64>()? * unit)
}

/// Keys sort by task, window and time.
fn key(task: &str, window: u64, start: u64) -> String {
    format!("{task}|{window:012}|{start:015}")
}

fn sample(execution: Execution, _: History) -> Result<Choice> {
    let Binding { size, window } = config::binding()?;
    let window = milliseconds(&window)?;
    let task = execution
        .task
        .unwrap_or_else(|| format!("{}/{}", execution.extension, execution.program));
    let key = key(&task, window, execution.started_ms - execution.started_ms % window);
    let rank = rank(&execution.id);
    if KNOWN.with_borrow(|known| known.get(&key).is_some_and(|most| rank > *most)) {
        return Ok(Choice::skip());
    }
    let ttl = Duration::from_millis(window) * KEPT_WINDOWS;
    for _ in 0..TRIES {
        let entry = kv::entry(&key)?;
        let mut reservoir = entry.as_ref().map(|entry| Reservoir::read(&entry.value)).unwrap_or_default();
        let entered = reservoir.enter(rank, &execution.id, size);
        remember(&key, reservoir.most(size));
        if !entered {
            return Ok(Choice::skip());
        }
        if kv::compare_and_swap(&key, entry.map(|entry| entry.version), reservoir.write(), Some(ttl))?.is_some() {
            return Ok(Choice::take(format!("one of {size}")));
        }
    }
    log::warn!("too many write at once; the execution is left out", task = task);
    Ok(Choice::skip())
}

fn remember(key: &str, most: Option<u64>) {
    let Some(most) = most else { return };
    KNOWN.with_borrow_mut(|known| {
        // Old windows are of no use; what is forgotten costs a look into the store.
        if known.len() >= MOST_KNOWN && !known.contains_key(key) {
            known.clear();
        }
        known.insert(key.to_owned(), most);
    });
}

#[derive(Deserialize)]
struct Asked {
    task: String,
    #[serde(default = "one")]
    most: usize,
}

const fn one() -> usize {
    1
}

#[derive(Serialize)]
struct Shown {
    task: String,
    windows: Vec<Window>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Window {
    start_ms: u64,
    window_ms: u64,
    executions: Vec<String>,
}

fn show(asked: Asked) -> Result<Shown> {
    let mut found: Vec<(u64, u64, String)> = kv::keys(&format!("{}|", asked.task))?
        .into_iter()
        .filter_map(|key| {
            let mut parts = key.rsplit('|');
            let start = parts.next()?.parse().ok()?;
            let window = parts.next()?.parse().ok()?;
            Some((start, window, key))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    let mut windows = Vec::new();
    for (start_ms, window_ms, key) in found.into_iter().take(asked.most) {
        let Some(value) = kv::get(&key)? else { continue };
        let executions = Reservoir::read(&value).ids();
        windows.push(Window {
            start_ms,
            window_ms,
            executions,
        });
    }
    Ok(Shown { task: asked.task, windows })
}

samplers! { "reservoir" => sample }
programs! { "show" => show }
