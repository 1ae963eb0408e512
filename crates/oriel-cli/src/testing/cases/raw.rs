//! Case files as they are written. What a field means depends on the kind of contribution that the case calls, so that most of them
//! keep their place for messages.

use std::collections::BTreeMap;
use std::ops::Range;

use oriel_model::Timestamp;
use oriel_model::contribution::ContributionKind;
use oriel_model::hook::HookKind;
use oriel_model::limits::TimeSpan;
use oriel_model::name::SecretName;
use oriel_model::permissions::Permissions;
use serde::Deserialize;
use toml::Spanned;

use super::super::doubles::{ModelReply, WantedRun};
use super::exchange::RawExchange;
use super::values::Given;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    #[serde(default)]
    pub(super) config: Option<toml::Table>,
    #[serde(default)]
    pub(super) now: Option<Moment>,
    #[serde(default)]
    pub(super) case: Vec<Spanned<RawCase>>,
}

type Some<T> = Option<Spanned<T>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCase {
    pub(super) name: String,
    // What is called: one of these.
    program: Some<String>,
    validator: Some<String>,
    sampler: Some<String>,
    event_handler: Some<String>,
    hook: Some<String>,
    job: Some<String>,
    // Programs and jobs.
    input: Some<toml::Value>,
    input_json: Some<String>,
    input_file: Some<String>,
    pub(super) trigger: Some<RawTrigger>,
    pub(super) attempt: Some<u32>,
    // Validators and samplers.
    pub(super) execution: Some<RawExecution>,
    expected_output: Some<toml::Value>,
    expected_output_json: Some<String>,
    expected_output_file: Some<String>,
    pub(super) input_schema: Some<toml::Value>,
    pub(super) output_schema: Some<toml::Value>,
    pub(super) history: Some<RawHistory>,
    // Event handlers.
    pub(super) event: Some<RawEvent>,
    // Hook handlers.
    pub(super) kind: Some<HookKind>,
    pub(super) point: Some<String>,
    payload: Some<toml::Value>,
    payload_json: Some<String>,
    payload_file: Some<String>,
    pub(super) dry_run: Some<bool>,
    // What a binding connects.
    pub(super) binding: Some<toml::Table>,
    // Around all of them.
    pub(super) config: Option<toml::Table>,
    pub(super) grant: Option<Permissions>,
    pub(super) now: Option<Moment>,
    pub(super) timeout: Option<TimeSpan>,
    #[serde(default)]
    pub(super) kv: BTreeMap<String, toml::Value>,
    #[serde(default)]
    pub(super) documents: BTreeMap<String, BTreeMap<String, toml::Value>>,
    pub(super) user: Option<String>,
    #[serde(default)]
    pub(super) secrets: BTreeMap<SecretName, String>,
    #[serde(default)]
    pub(super) http: Vec<RawExchange>,
    #[serde(default)]
    pub(super) model: Vec<ModelReply>,
    #[serde(default)]
    pub(super) expect: RawExpect,
}

/// The kinds that a case can call, each with its field.
pub(super) const KINDS: [(ContributionKind, &str); 6] = [
    (ContributionKind::Program, "program"),
    (ContributionKind::Validator, "validator"),
    (ContributionKind::Sampler, "sampler"),
    (ContributionKind::EventHandler, "event_handler"),
    (ContributionKind::Hook, "hook"),
    (ContributionKind::Job, "job"),
];

/// A field's name, its place where it is given, and the kinds that it is for.
type Field = (&'static str, Option<Range<usize>>, &'static [ContributionKind]);

/// Takes three fields of a struct as one value.
macro_rules! given {
    ($raw:expr, $toml:ident, $json:ident, $file:ident) => {
        Given {
            toml: $raw.$toml.take(),
            json: $raw.$json.take(),
            file: $raw.$file.take(),
        }
    };
}

impl RawCase {
    /// What it calls: every one of the six that is given, with its place.
    pub(super) fn targets(&self) -> Vec<(ContributionKind, &Spanned<String>)> {
        let fields = [
            &self.program,
            &self.validator,
            &self.sampler,
            &self.event_handler,
            &self.hook,
            &self.job,
        ];
        let pairs = KINDS.iter().zip(fields);
        pairs.filter_map(|((kind, _), field)| Some((*kind, field.as_ref()?))).collect()
    }

    pub(super) fn input(&mut self) -> Given {
        given!(self, input, input_json, input_file)
    }

    pub(super) fn payload(&mut self) -> Given {
        given!(self, payload, payload_json, payload_file)
    }

    pub(super) fn expected_output(&mut self) -> Given {
        given!(self, expected_output, expected_output_json, expected_output_file)
    }

    /// The first field that says something to other kinds than `kind`: its name, its place, and the kinds that it is for.
    pub(super) fn stranger(&self, kind: ContributionKind) -> Option<(&'static str, Range<usize>, &'static [ContributionKind])> {
        use ContributionKind::{EventHandler, Hook, Job, Program, Sampler, Validator};
        fn place<T>(field: &Some<T>) -> Option<Range<usize>> {
            field.as_ref().map(Spanned::span)
        }
        let fields: [Field; 20] = [
            ("input", place(&self.input), &[Program, Job]),
            ("input_json", place(&self.input_json), &[Program, Job]),
            ("input_file", place(&self.input_file), &[Program, Job]),
            ("trigger", place(&self.trigger), &[Job]),
            ("attempt", place(&self.attempt), &[Job]),
            ("execution", place(&self.execution), &[Validator, Sampler]),
            ("expected_output", place(&self.expected_output), &[Validator]),
            ("expected_output_json", place(&self.expected_output_json), &[Validator]),
            ("expected_output_file", place(&self.expected_output_file), &[Validator]),
            ("input_schema", place(&self.input_schema), &[Validator]),
            ("output_schema", place(&self.output_schema), &[Validator]),
            ("history", place(&self.history), &[Sampler]),
            ("event", place(&self.event), &[EventHandler]),
            ("kind", place(&self.kind), &[Hook]),
            ("point", place(&self.point), &[Hook]),
            ("payload", place(&self.payload), &[Hook]),
            ("payload_json", place(&self.payload_json), &[Hook]),
            ("payload_file", place(&self.payload_file), &[Hook]),
            ("dry_run", place(&self.dry_run), &[Hook]),
            ("binding", place(&self.binding), &[Validator, Sampler, EventHandler, Hook]),
        ];
        let found = fields
            .into_iter()
            .find(|(_, place, kinds)| place.is_some() && !kinds.contains(&kind));
        found.and_then(|(name, place, kinds)| Some((name, place?, kinds)))
    }
}

/// What started a job: `"manual"`, `"queue"`, `{ schedule = "NAME" }` or `{ event = "ID" }`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::testing) enum RawTrigger {
    Manual,
    Queue,
    Schedule(String),
    Event(String),
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawExecution {
    pub(super) id: Option<String>,
    pub(super) task: Option<String>,
    pub(super) extension: Option<String>,
    pub(super) version: Option<String>,
    pub(super) program: Option<String>,
    input: Some<toml::Value>,
    input_json: Some<String>,
    input_file: Some<String>,
    output: Some<toml::Value>,
    output_json: Some<String>,
    output_file: Some<String>,
    pub(super) failure: Some<RawFailure>,
    pub(super) started: Option<Moment>,
    pub(super) wall_us: u64,
    pub(super) guest_cpu_us: u64,
}

impl RawExecution {
    pub(super) fn input(&mut self) -> Given {
        given!(self, input, input_json, input_file)
    }

    pub(super) fn output(&mut self) -> Given {
        given!(self, output, output_json, output_file)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFailure {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHistory {
    pub(super) last_sample: Option<Moment>,
    pub(super) seen: u64,
    pub(super) sampled: u64,
    pub(super) since_last: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEvent {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) id: Option<String>,
    pub(super) source: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) time: Option<Moment>,
    pub(super) datacontenttype: Option<String>,
    pub(super) dataschema: Option<String>,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    data: Some<toml::Value>,
    data_json: Some<String>,
    data_file: Some<String>,
    pub(super) data_text: Some<String>,
    pub(super) data_base64: Some<String>,
}

impl RawEvent {
    pub(super) fn data(&mut self) -> Given {
        given!(self, data, data_json, data_file)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawExpect {
    output: Some<toml::Value>,
    output_json: Some<String>,
    output_file: Some<String>,
    payload: Some<toml::Value>,
    payload_json: Some<String>,
    payload_file: Some<String>,
    decision: Some<toml::Value>,
    decision_json: Some<String>,
    decision_file: Some<String>,
    item: Some<toml::Value>,
    item_json: Some<String>,
    item_file: Some<String>,
    pub(super) contains: Some<toml::Value>,
    pub(super) verdict: Some<RawVerdict>,
    pub(super) sample: Some<bool>,
    pub(super) reason: Some<String>,
    pub(super) nothing: Some<bool>,
    pub(super) error: Option<String>,
    pub(super) message: Option<String>,
    pub(super) kv: BTreeMap<String, toml::Value>,
    pub(super) documents: BTreeMap<String, BTreeMap<String, toml::Value>>,
    pub(super) logs: Vec<String>,
    pub(super) enqueued: Option<Vec<WantedRun>>,
    pub(super) asked: Vec<String>,
}

impl RawExpect {
    pub(super) fn output(&mut self) -> Given {
        given!(self, output, output_json, output_file)
    }

    pub(super) fn payload(&mut self) -> Given {
        given!(self, payload, payload_json, payload_file)
    }

    pub(super) fn decision(&mut self) -> Given {
        given!(self, decision, decision_json, decision_file)
    }

    pub(super) fn item(&mut self) -> Given {
        given!(self, item, item_json, item_file)
    }
}

/// A verdict, or as much of it as matters.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected true, false or a table with some of valid, score, message, details"
)]
pub(super) enum RawVerdict {
    Valid(bool),
    Parts(RawParts),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawParts {
    pub(super) valid: Option<bool>,
    pub(super) score: Option<f64>,
    pub(super) message: Option<String>,
    pub(super) details: Option<toml::Value>,
}

/// A moment as TOML's own type or as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Moment {
    Toml(toml::value::Datetime),
    Text(String),
}

impl Moment {
    pub(super) fn read(&self) -> std::result::Result<Timestamp, String> {
        let text = match self {
            Self::Toml(moment) => moment.to_string(),
            Self::Text(text) => text.clone(),
        };
        text.parse().map_err(|error| format!("{error}"))
    }
}
