//! What must come out of a case.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use oriel_model::contribution::ContributionKind;
use oriel_model::hook::HookKind;
use serde_json::{Map, Value};
use toml::Spanned;

use super::super::doubles::WantedRun;
use super::asked::Asked;
use super::raw::{RawExpect, RawVerdict};
use super::values::{Bad, Documents, Read, documents, json, stored};

/// What must come out of a case.
#[derive(Debug, Default)]
pub(in crate::testing) struct Expect {
    /// Exactly this answer.
    pub(in crate::testing) exactly: Option<Value>,
    /// An answer with at least this in it.
    pub(in crate::testing) contains: Option<Value>,
    /// An answer that adds nothing.
    pub(in crate::testing) nothing: bool,
    /// This error code.
    pub(in crate::testing) error: Option<String>,
    /// A part of the error's message.
    pub(in crate::testing) message: Option<String>,
    /// What the store holds afterwards under these keys; nothing where the value is absent.
    pub(in crate::testing) kv: BTreeMap<String, Option<String>>,
    /// The documents that collections hold afterwards; `false` for one that is not there.
    pub(in crate::testing) documents: Documents,
    /// Parts of log lines, in this order.
    pub(in crate::testing) logs: Vec<String>,
    /// What the extension put into its queue, in this order.
    pub(in crate::testing) enqueued: Option<Vec<WantedRun>>,
    /// Parts of what the model was asked, in this order.
    pub(in crate::testing) asked: Vec<String>,
}

/// One of the ways to expect an answer: its name, its place, and whether it fits what is asked.
struct Way {
    name: String,
    place: Range<usize>,
    fits: bool,
    /// What it is for, where it does not fit.
    of: &'static str,
}

/// Reads what the case named `name` expects of what it asks.
pub(super) fn read(mut raw: RawExpect, name: &str, asked: &Asked, base: &Path) -> Read<Expect> {
    let kind = kind(asked);
    let fired = match asked {
        Asked::Hook(fired) => Some(fired.kind),
        _ => None,
    };
    let (output, payload, decision, item) = (raw.output(), raw.payload(), raw.decision(), raw.item());
    let ran = matches!(kind, ContributionKind::Program | ContributionKind::Job);
    let is = |hook: HookKind| fired == Some(hook);
    let mut ways: Vec<Way> = Vec::new();
    let mut way = |found: Option<(String, Range<usize>)>, fits: bool, of: &'static str| {
        if let Some((name, place)) = found {
            ways.push(Way { name, place, fits, of });
        }
    };
    way(output.place("output"), ran, "programs and jobs");
    way(payload.place("payload"), is(HookKind::Filter), "hooks of the kind `filter`");
    way(decision.place("decision"), is(HookKind::Decide), "hooks of the kind `decide`");
    way(item.place("item"), is(HookKind::Collect), "hooks of the kind `collect`");
    let parts = is(HookKind::Filter) || is(HookKind::Decide) || is(HookKind::Collect);
    way(
        named("contains", raw.contains.as_ref()),
        ran || parts,
        "programs, jobs and hooks that answer with a value",
    );
    way(
        named("verdict", raw.verdict.as_ref()),
        kind == ContributionKind::Validator || is(HookKind::Validate),
        "validators and hooks of the kind `validate`",
    );
    way(named("sample", raw.sample.as_ref()), kind == ContributionKind::Sampler, "samplers");
    way(named("reason", raw.reason.as_ref()), kind == ContributionKind::Sampler, "samplers");
    way(named("nothing", raw.nothing.as_ref()), fired.is_some(), "hooks");
    if let Some(way) = ways.iter().find(|way| !way.fits) {
        let this = match fired {
            Some(kind) => format!("a hook of the kind `{kind}`"),
            None => super::one(kind),
        };
        return Err(Bad::at(
            way.place.clone(),
            format!("`expect.{}` is for {}; the case `{name}` calls {this}", way.name, way.of),
        ));
    }
    if let (Some(false), Some(place)) = (
        raw.nothing.as_ref().map(|flag| *flag.get_ref()),
        raw.nothing.as_ref().map(Spanned::span),
    ) {
        return Err(Bad::at(place, "`expect.nothing` is true or not there"));
    }
    // Whoever answers nothing may still be expected to do so well.
    let silent = kind == ContributionKind::EventHandler || is(HookKind::Observe);
    if ways.is_empty() == raw.error.is_none() && !(silent && ways.is_empty()) || !ways.is_empty() && raw.error.is_some() {
        let way = usual(kind, fired);
        return Err(Bad::from(format!(
            "the case `{name}` must expect either {way} or an error (`expect.error`)"
        )));
    }
    let mut exactly = None;
    for (given, name) in [(output, "output"), (payload, "payload"), (decision, "decision"), (item, "item")] {
        exactly = exactly.or(given.read(&format!("expect.{name}"), base)?);
    }
    let contains = match (raw.contains, raw.verdict) {
        (Some(value), _) => Some(json(value.into_inner())?),
        (None, Some(verdict)) => Some(verdict_parts(verdict.into_inner())?),
        (None, None) => choice_parts(raw.sample, raw.reason),
    };
    let kept = |value: toml::Value| {
        if value == toml::Value::Boolean(false) {
            Ok(None)
        } else {
            stored(value).map(Some)
        }
    };
    let kv = raw.kv.into_iter().map(|(key, value)| Ok((key, kept(value)?)));
    Ok(Expect {
        exactly,
        contains,
        nothing: raw.nothing.is_some(),
        error: raw.error,
        message: raw.message,
        kv: kv.collect::<std::result::Result<_, String>>()?,
        documents: documents(raw.documents)?,
        logs: raw.logs,
        enqueued: raw.enqueued,
        asked: raw.asked,
    })
}

pub(super) const fn kind(asked: &Asked) -> ContributionKind {
    match asked {
        Asked::Program(_) => ContributionKind::Program,
        Asked::Validator(_) => ContributionKind::Validator,
        Asked::Sampler(..) => ContributionKind::Sampler,
        Asked::EventHandler(_) => ContributionKind::EventHandler,
        Asked::Hook(_) => ContributionKind::Hook,
        Asked::Job(_) => ContributionKind::Job,
    }
}

fn named<T>(name: &str, field: Option<&Spanned<T>>) -> Option<(String, Range<usize>)> {
    field.map(|value| (name.to_owned(), value.span()))
}

/// How an answer of the kind is expected.
const fn usual(kind: ContributionKind, fired: Option<HookKind>) -> &'static str {
    match (kind, fired) {
        (ContributionKind::Validator, _) | (_, Some(HookKind::Validate)) => "a verdict (`expect.verdict`)",
        (ContributionKind::Sampler, _) => "a choice (`expect.sample`, `expect.reason`)",
        (_, Some(HookKind::Filter)) => "a payload (`expect.payload`, `expect.contains`, `expect.nothing`)",
        (_, Some(HookKind::Decide)) => "a decision (`expect.decision`, `expect.contains`, `expect.nothing`)",
        (_, Some(HookKind::Collect)) => "an item (`expect.item`, `expect.contains`, `expect.nothing`)",
        (_, Some(HookKind::Observe)) => "nothing (`expect.nothing`)",
        _ => "an output (`expect.output`, `expect.contains`)",
    }
}

/// What is said of a verdict, and nothing else of it.
fn verdict_parts(verdict: RawVerdict) -> std::result::Result<Value, String> {
    let parts = match verdict {
        RawVerdict::Valid(valid) => return Ok(object([("valid", Some(valid.into()))])),
        RawVerdict::Parts(parts) => parts,
    };
    Ok(object([
        ("valid", parts.valid.map(Value::from)),
        ("score", parts.score.map(Value::from)),
        ("message", parts.message.map(Value::from)),
        ("details", parts.details.map(json).transpose()?),
    ]))
}

fn choice_parts(sample: Option<Spanned<bool>>, reason: Option<Spanned<String>>) -> Option<Value> {
    if sample.is_none() && reason.is_none() {
        return None;
    }
    let sample = sample.map(|flag| Value::from(flag.into_inner()));
    Some(object([
        ("sample", sample),
        ("reason", reason.map(|text| Value::from(text.into_inner()))),
    ]))
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}
