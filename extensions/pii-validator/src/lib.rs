//! Finds personal data, and texts that break patterns. What it is not: proof that there is none; names and addresses of people have no
//! pattern.

mod kinds;
mod patterns;
mod scan;

use std::collections::BTreeMap;

use oriel_extension::{
    ConfigProblem, Error, HookCall, Lifecycle, Payload, Result, Subject, Verdict, config, hooks, lifecycle, log, validators,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kinds::KINDS;
use crate::patterns::Rules;
use crate::scan::{Finder, Scanner, pattern};

/// How many places a verdict lists.
const MOST_PLACES: usize = 20;

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    patterns: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Binding {
    find: Option<Vec<String>>,
    #[serde(default = "output")]
    parts: Vec<Part>,
    #[serde(default)]
    ignore: Vec<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default = "yes")]
    keys: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Output,
    Input,
}

fn output() -> Vec<Part> {
    vec![Part::Output]
}

const fn yes() -> bool {
    true
}

impl Binding {
    fn scanner(&self) -> Result<Scanner> {
        let Settings { patterns } = config::get()?;
        let usual = || KINDS.iter().map(|kind| kind.name.to_owned()).collect();
        let names = self.find.clone().unwrap_or_else(usual);
        let finder = |name: &String| {
            let found = Finder::built_in(name).or_else(|| patterns.get(name).map(|text| Finder::own(name, text)));
            let found = found.ok_or_else(|| format!("`{name}` is neither a built-in kind nor a configured pattern"));
            found
                .and_then(|finder| finder)
                .map_err(|problem| Error::invalid_input(format_args!("the binding's `find`: {problem}")))
        };
        // The built-in ones in their own order, in which the more certain come first.
        let rank = |name: &String| KINDS.iter().position(|kind| kind.name == name).map_or(0, |place| place + 1);
        let mut sorted = names;
        sorted.sort_by_key(rank);
        let finders = sorted.iter().map(finder).collect::<Result<Vec<_>>>()?;
        Ok(Scanner::new(finders, &self.ignore, &self.allow, self.keys))
    }
}

fn pii(subject: Subject) -> Result<Verdict> {
    let binding: Binding = config::binding()?;
    let scanner = binding.scanner()?;
    let execution = subject.execution;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut places = Vec::new();
    for (part, name, value) in [
        (Part::Input, "input", Some(&execution.input)),
        (Part::Output, "output", execution.output.as_ref()),
    ] {
        let Some(value) = value.filter(|_| binding.parts.contains(&part)) else {
            continue;
        };
        scanner.value(value, &mut |at, kind| {
            *counts.entry(kind.to_owned()).or_default() += 1;
            if places.len() < MOST_PLACES {
                places.push(json!({ "part": name, "at": at, "kind": kind }));
            }
        });
    }
    if counts.is_empty() {
        return Ok(Verdict::valid().with_score(1.0));
    }
    let words: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    let message = format!("personal data: {}", words.join(", "));
    Ok(Verdict::invalid(message)
        .with_score(0.0)
        .with_details(json!({ "counts": counts, "places": places })))
}

fn patterns(subject: Subject) -> Result<Verdict> {
    let rules: Rules = config::binding()?;
    let execution = subject.execution;
    if let (Some(failure), true) = (&execution.failure, rules.of_output()) {
        return Err(Error::invalid_input(format_args!("the execution failed: {}", failure.code)));
    }
    let (problems, judged, broken) = rules.judge(&execution.input, &execution.output.unwrap_or_default())?;
    let Some(first) = problems.first() else {
        return Ok(Verdict::valid().with_score(1.0));
    };
    let place = first["at"].as_str().filter(|place| !place.is_empty()).unwrap_or("the whole");
    let more = if broken > 1 {
        format!(", and {} more", broken - 1)
    } else {
        String::new()
    };
    let message = format!("{place}: {}{more}", first["message"].as_str().unwrap_or_default());
    let score = 1.0 - broken as f64 / judged as f64;
    Ok(Verdict::invalid(message)
        .with_score(score)
        .with_details(json!({ "judged": judged, "broken": broken, "problems": problems })))
}

fn redact(call: HookCall) -> Result<Payload<Value>> {
    let binding: Binding = config::binding()?;
    let (payload, count) = binding.scanner()?.redact(call.payload);
    if count > 0 {
        log::info!("redacted", count = count);
    }
    Ok(Payload(payload))
}

struct App;

impl Lifecycle for App {
    /// Patterns must be regular expressions, and may not take the names of built-in kinds.
    fn check_config(config: Value) -> Vec<ConfigProblem> {
        let Ok(Settings { patterns }) = serde_json::from_value(config) else {
            return Vec::new();
        };
        let check = |(name, text): (&String, &String)| {
            let at = format!("/patterns/{name}");
            if KINDS.iter().any(|kind| kind.name == name) {
                return Some(ConfigProblem::new(at, "is the name of a built-in kind"));
            }
            pattern(text).err().map(|problem| ConfigProblem::new(at, problem))
        };
        patterns.iter().filter_map(check).collect()
    }
}

validators! { "pii" => pii, "patterns" => patterns }
hooks! { "redact" => redact }
lifecycle!(App);
