//! What a case asks of the contribution that it calls.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oriel_model::Timestamp;
use oriel_model::contribution::ContributionKind;
use oriel_model::hook::HookKind;
use serde_json::{Map, Value};

use super::raw::{Moment, RawCase, RawEvent, RawExecution, RawHistory, RawTrigger};
use super::values::{Bad, Given, Read, json};

/// What is asked; JSON is text from here on.
#[derive(Debug)]
pub(in crate::testing) enum Asked {
    /// A program, with its input.
    Program(Value),
    /// A validator.
    Validator(Box<Judged>),
    /// A sampler.
    Sampler(Box<Execution>, History),
    /// An event handler.
    EventHandler(Box<Event>),
    /// A hook handler.
    Hook(Fired),
    /// A job.
    Job(Started),
}

/// The subject of a validator.
#[derive(Debug)]
pub(in crate::testing) struct Judged {
    pub(in crate::testing) execution: Execution,
    pub(in crate::testing) input_schema: Option<String>,
    pub(in crate::testing) output_schema: Option<String>,
    pub(in crate::testing) expected_output: Option<String>,
}

/// An execution that a case made up.
#[derive(Debug)]
pub(in crate::testing) struct Execution {
    pub(in crate::testing) id: String,
    pub(in crate::testing) task: Option<String>,
    pub(in crate::testing) extension: String,
    pub(in crate::testing) version: String,
    pub(in crate::testing) program: String,
    pub(in crate::testing) input: String,
    /// What came out, or code and message of why nothing did.
    pub(in crate::testing) outcome: std::result::Result<String, (String, String)>,
    pub(in crate::testing) started_ms: u64,
    pub(in crate::testing) wall_us: u64,
    pub(in crate::testing) guest_cpu_us: u64,
}

/// What a sampler has seen.
#[derive(Debug)]
pub(in crate::testing) struct History {
    pub(in crate::testing) last_sample_ms: Option<u64>,
    pub(in crate::testing) seen: u64,
    pub(in crate::testing) sampled: u64,
    pub(in crate::testing) since_last: u64,
}

/// A CloudEvent.
#[derive(Debug)]
pub(in crate::testing) struct Event {
    pub(in crate::testing) id: String,
    pub(in crate::testing) source: String,
    pub(in crate::testing) kind: String,
    pub(in crate::testing) subject: Option<String>,
    pub(in crate::testing) time_ms: u64,
    pub(in crate::testing) datacontenttype: Option<String>,
    pub(in crate::testing) dataschema: Option<String>,
    pub(in crate::testing) attributes: Vec<(String, String)>,
    pub(in crate::testing) data: Option<Data>,
}

/// What an event carries.
#[derive(Debug)]
pub(in crate::testing) enum Data {
    Json(String),
    Text(String),
    Binary(Vec<u8>),
}

/// A hook that is fired.
#[derive(Debug)]
pub(in crate::testing) struct Fired {
    /// The hook; absent: the one that the manifest names for the handler.
    pub(in crate::testing) point: Option<String>,
    pub(in crate::testing) kind: HookKind,
    pub(in crate::testing) payload: Value,
    pub(in crate::testing) dry_run: bool,
}

/// A run of a job.
#[derive(Debug)]
pub(in crate::testing) struct Started {
    pub(in crate::testing) trigger: RawTrigger,
    pub(in crate::testing) input: Value,
    pub(in crate::testing) attempt: u32,
}

/// Reads what the case asks of a contribution of this kind. Files are meant from `base`.
pub(super) fn read(raw: &mut RawCase, kind: ContributionKind, now: Timestamp, base: &Path) -> Read<Asked> {
    let empty = || Value::Object(Map::new());
    Ok(match kind {
        ContributionKind::Validator => {
            let schema = |given: Option<toml::Spanned<toml::Value>>, name: &str| given_text(alone(given), name, base);
            Asked::Validator(Box::new(Judged {
                execution: execution(raw, now, base)?,
                input_schema: schema(raw.input_schema.take(), "input_schema")?,
                output_schema: schema(raw.output_schema.take(), "output_schema")?,
                expected_output: given_text(raw.expected_output(), "expected_output", base)?,
            }))
        }
        ContributionKind::Sampler => {
            let history = raw.history.take().map_or_else(RawHistory::default, toml::Spanned::into_inner);
            let history = History {
                last_sample_ms: history.last_sample.as_ref().map(millis).transpose()?,
                seen: history.seen,
                sampled: history.sampled,
                since_last: history.since_last,
            };
            Asked::Sampler(Box::new(execution(raw, now, base)?), history)
        }
        ContributionKind::EventHandler => {
            let Some(event) = raw.event.take() else {
                return Err(Bad::from(format!(
                    "the case `{}` needs an `event`, which at least has a `type`",
                    raw.name
                )));
            };
            Asked::EventHandler(Box::new(read_event(event.into_inner(), now, base)?))
        }
        ContributionKind::Hook => {
            let Some(kind) = raw.kind.take() else {
                return Err(Bad::from(format!(
                    "the case `{}` needs the `kind` of the hook: filter, validate, decide, collect or observe",
                    raw.name
                )));
            };
            Asked::Hook(Fired {
                kind: kind.into_inner(),
                point: raw.point.take().map(toml::Spanned::into_inner),
                payload: raw.payload().read("payload", base)?.unwrap_or_else(empty),
                dry_run: raw.dry_run.take().is_some_and(toml::Spanned::into_inner),
            })
        }
        ContributionKind::Job => Asked::Job(Started {
            trigger: raw.trigger.take().map_or(RawTrigger::Manual, toml::Spanned::into_inner),
            input: raw.input().read("input", base)?.unwrap_or_else(empty),
            attempt: raw.attempt.take().map_or(1, toml::Spanned::into_inner),
        }),
        _ => Asked::Program(raw.input().read("input", base)?.unwrap_or_else(empty)),
    })
}

fn alone(toml: Option<toml::Spanned<toml::Value>>) -> Given {
    Given { toml, ..Given::default() }
}

fn given_text(given: Given, name: &str, base: &Path) -> Read<Option<String>> {
    Ok(given.read(name, base)?.map(|value| value.to_string()))
}

fn millis(moment: &Moment) -> std::result::Result<u64, String> {
    moment.read().map(unix)
}

fn unix(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0)
}

fn execution(raw: &mut RawCase, now: Timestamp, base: &Path) -> Read<Execution> {
    let (mut given, place) = match raw.execution.take() {
        None => (RawExecution::default(), None),
        Some(given) => {
            let span = given.span();
            (given.into_inner(), Some(span))
        }
    };
    let output = given_text(given.output(), "execution.output", base)?;
    let outcome = match (output, given.failure.take()) {
        (Some(_), Some(failure)) => {
            let place = place.unwrap_or(failure.span());
            return Err(Bad::at(place, "an execution has an `output` or a `failure`, not both"));
        }
        (None, Some(failure)) => {
            let failure = failure.into_inner();
            Err((failure.code, failure.message))
        }
        (output, None) => Ok(output.unwrap_or_else(|| "null".to_owned())),
    };
    Ok(Execution {
        input: given_text(given.input(), "execution.input", base)?.unwrap_or_else(|| "{}".to_owned()),
        outcome,
        started_ms: given.started.as_ref().map(millis).transpose()?.unwrap_or_else(|| unix(now)),
        id: given.id.unwrap_or_else(|| "exec_00000000000000000000000000".to_owned()),
        task: given.task,
        extension: given.extension.unwrap_or_else(|| "example".to_owned()),
        version: given.version.unwrap_or_else(|| "1.0.0".to_owned()),
        program: given.program.unwrap_or_else(|| "example".to_owned()),
        wall_us: given.wall_us,
        guest_cpu_us: given.guest_cpu_us,
    })
}

fn read_event(mut given: RawEvent, now: Timestamp, base: &Path) -> Read<Event> {
    let json = given.data();
    let ways = [
        json.place("data").map(|(_, span)| span),
        given.data_text.as_ref().map(toml::Spanned::span),
        given.data_base64.as_ref().map(toml::Spanned::span),
    ];
    if let Some(second) = ways.into_iter().flatten().nth(1) {
        return Err(Bad::at(
            second,
            "say the event's data once: as JSON (`data`), as `data_text` or as `data_base64`",
        ));
    }
    let mut datacontenttype = given.datacontenttype;
    let data = if let Some(text) = given_text(json, "data", base)? {
        datacontenttype.get_or_insert_with(|| "application/json".to_owned());
        Some(Data::Json(text))
    } else if let Some(text) = given.data_text {
        Some(Data::Text(text.into_inner()))
    } else if let Some(text) = given.data_base64 {
        let bytes = STANDARD.decode(text.get_ref());
        let bytes = bytes.map_err(|error| Bad::at(text.span(), format!("data_base64: {error}")))?;
        Some(Data::Binary(bytes))
    } else {
        None
    };
    Ok(Event {
        id: given.id.unwrap_or_else(|| "1".to_owned()),
        source: given.source.unwrap_or_else(|| "/test".to_owned()),
        kind: given.kind,
        subject: given.subject,
        time_ms: given.time.as_ref().map(millis).transpose()?.unwrap_or_else(|| unix(now)),
        datacontenttype,
        dataschema: given.dataschema,
        attributes: given.attributes.into_iter().collect(),
        data,
    })
}

/// A binding's configuration as JSON.
pub(super) fn binding(raw: &mut RawCase) -> Read<Value> {
    let table = raw.binding.take().map(toml::Spanned::into_inner).unwrap_or_default();
    Ok(json(toml::Value::Table(table))?)
}
