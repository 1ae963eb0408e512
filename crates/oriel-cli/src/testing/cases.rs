//! Reading `tests/*.toml`.

mod asked;
mod exchange;
mod expect;
mod raw;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oriel_model::collection;
use oriel_model::contribution::ContributionKind;
use oriel_model::limits::TimeSpan;
use oriel_model::name::SecretName;
use oriel_model::permissions::Permissions;
use oriel_model::{ErrorCode, Timestamp};
use oriel_sandbox::SecretValue;
use serde_json::Value;

pub(super) use self::asked::{Asked, Data, Execution};
use self::exchange::exchange;
pub(super) use self::exchange::{Body, Exchange};
pub(super) use self::expect::Expect;
pub(super) use self::raw::RawTrigger as Trigger;
use self::raw::{KINDS, Moment, RawCase, RawFile};
use self::values::{Bad, Documents, Read, json, stored};
use super::doubles::ModelReply;
use crate::error::{Failure, Result};
use crate::input;

/// What clocks show unless a case says otherwise.
const NOW: &str = "2026-01-01T00:00:00Z";

/// One case, ready to run.
#[derive(Debug)]
pub(crate) struct Case {
    /// The file it stands in, as it was found.
    pub(crate) file: PathBuf,
    /// Its first line there.
    pub(crate) line: usize,
    /// What it shows.
    pub(crate) name: String,
    /// The kind of contribution to call.
    pub(crate) kind: ContributionKind,
    /// The name of that contribution.
    pub(crate) contribution: String,
    /// What it is asked.
    pub(super) asked: Asked,
    /// The configuration of the binding by which the call comes.
    pub(super) binding: Value,
    /// The configuration of the installation.
    pub(super) config: Value,
    /// What is granted; absent: all that the manifest asks for.
    pub(super) grant: Option<Permissions>,
    /// The moment at which all of it happens.
    pub(super) now: Timestamp,
    /// Less time than the limits allow.
    pub(super) timeout: Option<TimeSpan>,
    /// What the store holds before.
    pub(super) kv: BTreeMap<String, String>,
    /// The documents of collections before: JSON by collection and id.
    pub(super) documents: Documents,
    /// On whose behalf the call is made.
    pub(super) user: Option<String>,
    /// The secrets that are set.
    pub(super) secrets: BTreeMap<SecretName, SecretValue>,
    /// What the network answers.
    pub(super) http: Vec<Exchange>,
    /// What the model answers, request by request.
    pub(super) model: Vec<ModelReply>,
    /// What must come out.
    pub(super) expect: Expect,
}

/// Every case of the project in `dir`, file by file in the order of their names.
pub(crate) fn load(dir: &Path) -> Result<Vec<Case>> {
    let tests = dir.join("tests");
    let entries = match std::fs::read_dir(&tests) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::file(&tests, &error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Failure::file(&tests, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = input::read(&file)?;
        let base = file.parent().unwrap_or(Path::new(".")).to_owned();
        cases.extend(parse(&text, &file, &base)?);
    }
    Ok(cases)
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
    (before.iter().filter(|byte| **byte == b'\n').count() + 1, column)
}

fn parse(text: &str, file: &Path, base: &Path) -> Result<Vec<Case>> {
    let bad = |offset: usize, message: &str| {
        let (line, column) = place(text, offset);
        Failure::new(ErrorCode::ClientInput, format!("{}:{line}:{column}: {message}", file.display()))
            .help("The reference page on test cases lists every field.")
    };
    let raw: RawFile = toml::from_str(text).map_err(|error| bad(error.span().map_or(0, |span| span.start), error.message()))?;
    let defaults = Defaults {
        config: raw.config.unwrap_or_default(),
        now: raw.now,
    };
    let mut cases: Vec<Case> = Vec::new();
    for raw in raw.case {
        let start = raw.span().start;
        let (line, _) = place(text, start);
        let read = finish(raw.into_inner(), &defaults, base);
        let case = read.map_err(|problem| bad(problem.span.map_or(start, |span| span.start), &problem.message))?;
        if cases.iter().any(|other| other.name == case.name) {
            return Err(bad(start, &format!("there are two cases named `{}`", case.name)));
        }
        cases.push(Case {
            file: file.to_owned(),
            line,
            ..case
        });
    }
    Ok(cases)
}

/// What a file says for all of its cases.
struct Defaults {
    config: toml::Table,
    now: Option<Moment>,
}

/// A kind in words: `event handler`.
pub(super) fn words(kind: ContributionKind) -> String {
    kind.as_str().replace('-', " ")
}

/// One of a kind: `an event handler`.
fn one(kind: ContributionKind) -> String {
    let article = if kind == ContributionKind::EventHandler { "an" } else { "a" };
    format!("{article} {}", words(kind))
}

fn finish(mut raw: RawCase, defaults: &Defaults, base: &Path) -> Read<Case> {
    let (kind, contribution) = target(&raw)?;
    if let Some((field, place, kinds)) = raw.stranger(kind) {
        let kinds: Vec<String> = kinds.iter().map(|kind| format!("{}s", words(*kind))).collect();
        let kinds = match kinds.as_slice() {
            [others @ .., last] if !others.is_empty() => format!("{} and {last}", others.join(", ")),
            kinds => kinds.concat(),
        };
        let message = format!("`{field}` is for {kinds}; the case `{}` calls {}", raw.name, one(kind));
        return Err(Bad::at(place, message));
    }
    let now = match raw.now.as_ref().or(defaults.now.as_ref()) {
        Some(now) => now.read()?,
        None => NOW.parse().map_err(|error| format!("{error}"))?,
    };
    let binding = asked::binding(&mut raw)?;
    let asked = asked::read(&mut raw, kind, now, base)?;
    let expect = expect::read(raw.expect, &raw.name, &asked, base)?;
    let kv = raw.kv.into_iter().map(|(key, value)| Ok((key, stored(value)?)));
    let documents = values::documents(raw.documents)?;
    if let Some(user) = raw.user.as_deref().filter(|user| !collection::is_user(user)) {
        return Err(Bad::from(format!("`{user}` cannot be a user")));
    }
    Ok(Case {
        file: PathBuf::new(),
        line: 0,
        kind,
        contribution,
        asked,
        binding,
        config: json(toml::Value::Table(raw.config.unwrap_or_else(|| defaults.config.clone())))?,
        grant: raw.grant,
        now,
        timeout: raw.timeout,
        kv: kv.collect::<std::result::Result<_, String>>()?,
        documents,
        user: raw.user,
        model: raw.model,
        secrets: raw
            .secrets
            .into_iter()
            .map(|(name, value)| (name, SecretValue::new(value)))
            .collect(),
        http: raw.http.into_iter().map(exchange).collect::<std::result::Result<_, String>>()?,
        expect,
        name: raw.name,
    })
}

/// What the case calls: exactly one contribution.
fn target(raw: &RawCase) -> Read<(ContributionKind, String)> {
    let fields = || KINDS.map(|(_, field)| format!("`{field}`")).join(", ");
    match raw.targets().as_slice() {
        [(kind, name)] => Ok((*kind, name.get_ref().clone())),
        [] => Err(Bad::from(format!(
            "the case `{}` must say what it calls: one of {}",
            raw.name,
            fields()
        ))),
        [_, (_, second), ..] => Err(Bad::at(
            second.span(),
            format!("the case `{}` calls one contribution: one of {}", raw.name, fields()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> std::result::Result<Vec<Case>, String> {
        parse(text, Path::new("t.toml"), Path::new(".")).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn a_case_is_read_whole() {
        let cases = read(
            r#"
            now = 2026-02-03T04:05:06Z
            config = { unit = "km" }
            [[case]]
            name = "a"
            program = "p"
            input = { n = 1, at = 2026-01-01, list = [1.5, true] }
            kv = { count = 4, name = "x" }
            secrets = { api-token = "hush" }
            expect.contains = { n = 1 }
            expect.kv = { count = 5, gone = false }
            [[case.http]]
            url = "https://api.example.com/x?y=1"
            body = { ok = true }
            [[case]]
            name = "b"
            program = "p"
            input_json = "null"
            config = {}
            expect.error = "execution.rejected"
            "#,
        )
        .unwrap();
        let [a, b] = cases.as_slice() else { panic!("two cases") };
        let Asked::Program(input) = &a.asked else { panic!("a program") };
        assert_eq!(*input, json!({ "n": 1, "at": "2026-01-01", "list": [1.5, true] }));
        assert_eq!(
            (a.line, a.config.clone(), a.now.to_string().as_str()),
            (4, json!({ "unit": "km" }), "2026-02-03T04:05:06.000Z")
        );
        assert_eq!(a.kv["count"], "4");
        let secrets: Vec<_> = a.secrets.iter().map(|(name, value)| (name.to_string(), value.reveal())).collect();
        assert_eq!(secrets, [("api-token".to_owned(), "hush")]);
        assert_eq!((a.expect.kv["count"].as_deref(), a.expect.kv["gone"].as_deref()), (Some("5"), None));
        assert_eq!((a.http[0].method.as_str(), a.http[0].status), ("GET", 200));
        assert!(matches!(&b.asked, Asked::Program(Value::Null)));
        assert_eq!(b.config, json!({}));
    }

    #[test]
    fn every_kind_is_read() {
        let cases = read(
            r#"
            now = 2026-02-03T04:05:06Z
            [[case]]
            name = "validator"
            validator = "v"
            binding = { most = 5 }
            execution.input = { a = 1 }
            execution.output_json = "null"
            expected_output = [1]
            expect.verdict = { valid = true, details = { a = 1 } }
            [[case]]
            name = "sampler"
            sampler = "s"
            history = { seen = 3, last_sample = 2026-02-03T04:05:00Z }
            expect.sample = false
            [case.execution]
            failure = { code = "execution.timeout" }
            [[case]]
            name = "handler"
            event_handler = "h"
            event = { type = "a.b", data_base64 = "AP8=", attributes = { region = "eu" } }
            [[case]]
            name = "hook"
            hook = "h"
            kind = "collect"
            point = "order.totals"
            payload_json = "7"
            dry_run = true
            expect.nothing = true
            [[case]]
            name = "job"
            job = "j"
            trigger = { schedule = "nightly" }
            attempt = 2
            expect.error = "execution.unavailable"
            "#,
        )
        .unwrap();
        let [validator, sampler, handler, hook, job] = cases.as_slice() else {
            panic!("five cases")
        };
        let Asked::Validator(judged) = &validator.asked else {
            panic!("a validator")
        };
        assert_eq!(
            (judged.execution.input.as_str(), judged.expected_output.as_deref()),
            (r#"{"a":1}"#, Some("[1]"))
        );
        assert_eq!(judged.execution.outcome.as_deref(), Ok("null"));
        assert_eq!(validator.binding, json!({ "most": 5 }));
        assert_eq!(validator.expect.contains, Some(json!({ "valid": true, "details": { "a": 1 } })));
        let Asked::Sampler(execution, history) = &sampler.asked else {
            panic!("a sampler")
        };
        assert_eq!(execution.outcome.as_ref().unwrap_err().0, "execution.timeout");
        assert_eq!(
            (execution.started_ms, history.last_sample_ms),
            (1_770_091_506_000, Some(1_770_091_500_000))
        );
        assert_eq!(sampler.expect.contains, Some(json!({ "sample": false })));
        let Asked::EventHandler(event) = &handler.asked else {
            panic!("an event handler")
        };
        assert!(matches!(&event.data, Some(Data::Binary(bytes)) if *bytes == [0, 255]));
        assert_eq!(event.attributes, [("region".to_owned(), "eu".to_owned())]);
        let Asked::Hook(fired) = &hook.asked else { panic!("a hook") };
        assert_eq!(
            (fired.payload.clone(), fired.dry_run, fired.point.as_deref()),
            (json!(7), true, Some("order.totals"))
        );
        assert!(hook.expect.nothing);
        let Asked::Job(started) = &job.asked else { panic!("a job") };
        assert!(matches!(&started.trigger, Trigger::Schedule(name) if name == "nightly"));
        assert_eq!(
            (started.attempt, job.kind, job.contribution.as_str()),
            (2, ContributionKind::Job, "j")
        );
    }

    #[test]
    fn what_is_said_to_the_wrong_kind_has_a_place() {
        let hook = "hook = \"h\"\nkind = \"filter\"\n";
        for (rest, message) in [
            (
                "",
                "t.toml:1:1: the case `a` must say what it calls: one of `program`, `validator`, `sampler`, `event_handler`, `hook`, `job`",
            ),
            (
                "validator = \"v\"\nsampler = \"s\"\n",
                "t.toml:4:11: the case `a` calls one contribution",
            ),
            (
                "validator = \"v\"\ninput = 1\n",
                "t.toml:4:9: `input` is for programs and jobs; the case `a` calls a validator",
            ),
            (
                "program = \"p\"\nhistory.seen = 1\n",
                "t.toml:4:1: `history` is for samplers; the case `a` calls a program",
            ),
            (
                "program = \"p\"\nbinding = {}\n",
                "t.toml:4:11: `binding` is for validators, samplers, event handlers and hooks; the case `a` calls a program",
            ),
            (
                "validator = \"v\"\n",
                "t.toml:1:1: the case `a` must expect either a verdict (`expect.verdict`) or an error",
            ),
            (
                "validator = \"v\"\nexpect.output = 1\n",
                "t.toml:4:17: `expect.output` is for programs and jobs; the case `a` calls a validator",
            ),
            (
                "validator = \"v\"\nexpect.verdict = 1\n",
                "t.toml:4:18: expected true, false or a table with some of valid, score",
            ),
            (
                "validator = \"v\"\nexpect.verdict = { vald = true }\n",
                "t.toml:4:18: expected true, false or a table",
            ),
            (
                "validator = \"v\"\nexpect.verdict = true\nexpect.error = \"x\"\n",
                "t.toml:1:1: the case `a` must expect either a verdict",
            ),
            (
                "validator = \"v\"\nexecution = { output = 1, failure = { code = \"x\" } }\n",
                "t.toml:4:13: an execution has an `output` or a `failure`",
            ),
            ("sampler = \"s\"\nexecution.inptu = 1\n", "t.toml:4:11: unknown field `inptu`"),
            ("sampler = \"s\"\n", "t.toml:1:1: the case `a` must expect either a choice"),
            ("event_handler = \"h\"\n", "t.toml:1:1: the case `a` needs an `event`"),
            ("event_handler = \"h\"\nevent = {}\n", "t.toml:4:9: missing field `type`"),
            (
                "event_handler = \"h\"\nevent = { type = \"t\", data = 1, data_text = \"x\" }\n",
                "t.toml:4:45: say the event's data once",
            ),
            (
                "event_handler = \"h\"\nevent = { type = \"t\", data_base64 = \"?\" }\n",
                "t.toml:4:37: data_base64: ",
            ),
            (
                "event_handler = \"h\"\nevent = { type = \"t\" }\nexpect.nothing = true\n",
                "t.toml:5:18: `expect.nothing` is for hooks; ",
            ),
            (
                "hook = \"h\"\nexpect.payload = 1\n",
                "t.toml:1:1: the case `a` needs the `kind` of the hook",
            ),
            (
                "hook = \"h\"\nkind = \"fliter\"\n",
                "t.toml:4:8: unknown variant `fliter`, expected one of `filter`",
            ),
            (
                &format!("{hook}expect.item = 1\n"),
                "t.toml:5:15: `expect.item` is for hooks of the kind `collect`; the case `a` calls a hook of the kind `filter`",
            ),
            (
                &format!("{hook}expect.nothing = false\n"),
                "t.toml:5:18: `expect.nothing` is true or not there",
            ),
            (hook, "t.toml:1:1: the case `a` must expect either a payload"),
            (
                "job = \"j\"\ntrigger = \"sometimes\"\nexpect.output = 1\n",
                "t.toml:4:11: unknown variant `sometimes`",
            ),
        ] {
            let error = read(&format!("[[case]]\nname = \"a\"\n{rest}")).unwrap_err();
            assert!(error.starts_with(message), "{rest}: {error}");
        }
    }

    #[test]
    fn mistakes_have_a_place() {
        for (text, message) in [
            ("[[case]]\nname = 1\n", "t.toml:2:8: invalid type: integer `1`, expected a string"),
            (
                "[[case]]\nname = \"a\"\nprogram = \"p\"\nexpct = 1\n",
                "t.toml:4:1: unknown field `expct`",
            ),
            (
                "[[case]]\nname = \"a\"\nprogram = \"p\"\n",
                "t.toml:1:1: the case `a` must expect either",
            ),
            (
                "[[case]]\nname = \"a\"\nprogram = \"p\"\ninput = 1\ninput_json = \"1\"\nexpect.output = 1\n",
                "t.toml:5:14: say `input` once",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
