//! Reading `tests/*.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oriel_model::limits::TimeSpan;
use oriel_model::permissions::Permissions;
use oriel_model::{ErrorCode, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

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
    /// The program to call.
    pub(crate) program: String,
    /// Its input.
    pub(super) input: Value,
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
    /// What the network answers.
    pub(super) http: Vec<Exchange>,
    /// What must come out.
    pub(super) expect: Expect,
}

/// One recorded exchange.
#[derive(Debug, Clone)]
pub(super) struct Exchange {
    pub(super) method: String,
    pub(super) url: String,
    /// The body that the request must have.
    pub(super) request_body: Option<Body>,
    /// Headers that the request must have, names in lower case.
    pub(super) request_headers: BTreeMap<String, String>,
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<Body>,
    /// The connection breaks instead of answering.
    pub(super) fails: bool,
    /// It need not happen.
    pub(super) optional: bool,
}

/// A body: text as it is, anything else as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Body {
    Text(String),
    Json(Value),
}

/// What must come out of a case.
#[derive(Debug, Default)]
pub(super) struct Expect {
    /// Exactly this output.
    pub(super) output: Option<Value>,
    /// An output with at least this in it.
    pub(super) contains: Option<Value>,
    /// This error code.
    pub(super) error: Option<String>,
    /// A part of the error's message.
    pub(super) message: Option<String>,
    /// What the store holds afterwards under these keys; `false` as a value: nothing.
    pub(super) kv: BTreeMap<String, Option<String>>,
    /// Parts of log lines, in this order.
    pub(super) logs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    #[serde(default)]
    config: Option<toml::Table>,
    #[serde(default)]
    now: Option<Moment>,
    #[serde(default)]
    case: Vec<Spanned<RawCase>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    program: String,
    input: Option<toml::Value>,
    input_json: Option<String>,
    input_file: Option<String>,
    config: Option<toml::Table>,
    grant: Option<Permissions>,
    now: Option<Moment>,
    timeout: Option<TimeSpan>,
    #[serde(default)]
    kv: BTreeMap<String, toml::Value>,
    #[serde(default)]
    http: Vec<RawExchange>,
    #[serde(default)]
    expect: RawExpect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExchange {
    #[serde(default = "get")]
    method: String,
    url: String,
    request_body: Option<toml::Value>,
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<toml::Value>,
    #[serde(default)]
    fails: bool,
    #[serde(default)]
    optional: bool,
}

fn get() -> String {
    "GET".to_owned()
}

const fn ok() -> u16 {
    200
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawExpect {
    output: Option<toml::Value>,
    output_json: Option<String>,
    output_file: Option<String>,
    contains: Option<toml::Value>,
    error: Option<String>,
    message: Option<String>,
    kv: BTreeMap<String, toml::Value>,
    logs: Vec<String>,
}

/// A moment as TOML's own type or as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Moment {
    Toml(toml::value::Datetime),
    Text(String),
}

impl Moment {
    fn read(&self) -> std::result::Result<Timestamp, String> {
        let text = match self {
            Self::Toml(moment) => moment.to_string(),
            Self::Text(text) => text.clone(),
        };
        text.parse().map_err(|error| format!("{error}"))
    }
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
        let case = finish(raw.into_inner(), &defaults, base).map_err(|message| bad(start, &message))?;
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

fn finish(raw: RawCase, defaults: &Defaults, base: &Path) -> std::result::Result<Case, String> {
    let from_file = |name: &String| {
        let text = std::fs::read_to_string(base.join(name)).map_err(|error| format!("{name}: {error}"))?;
        from_text(&text, name)
    };
    let input = one_of(
        "input",
        [
            raw.input.map(json).transpose()?,
            raw.input_json.map(|text| from_text(&text, "input_json")).transpose()?,
            raw.input_file.as_ref().map(from_file).transpose()?,
        ],
    )?;
    let output = one_of(
        "expect.output",
        [
            raw.expect.output.map(json).transpose()?,
            raw.expect
                .output_json
                .map(|text| from_text(&text, "expect.output_json"))
                .transpose()?,
            raw.expect.output_file.as_ref().map(from_file).transpose()?,
        ],
    )?;
    let contains = raw.expect.contains.map(json).transpose()?;
    let positive = output.is_some() || contains.is_some();
    if positive == raw.expect.error.is_some() {
        return Err(format!(
            "the case `{}` must expect either an output (`expect.output`, `expect.contains`) or an error (`expect.error`)",
            raw.name
        ));
    }
    let now = match raw.now.as_ref().or(defaults.now.as_ref()) {
        Some(now) => now.read()?,
        None => NOW.parse().map_err(|error| format!("{error}"))?,
    };
    Ok(Case {
        file: PathBuf::new(),
        line: 0,
        name: raw.name,
        program: raw.program,
        input: input.unwrap_or_else(|| Value::Object(Map::new())),
        config: json(toml::Value::Table(raw.config.unwrap_or_else(|| defaults.config.clone())))?,
        grant: raw.grant,
        now,
        timeout: raw.timeout,
        kv: raw
            .kv
            .into_iter()
            .map(|(key, value)| Ok((key, stored(value)?)))
            .collect::<std::result::Result<_, String>>()?,
        http: raw.http.into_iter().map(exchange).collect::<std::result::Result<_, String>>()?,
        expect: Expect {
            output,
            contains,
            error: raw.expect.error,
            message: raw.expect.message,
            kv: raw
                .expect
                .kv
                .into_iter()
                .map(|(key, value)| {
                    Ok((
                        key,
                        if value == toml::Value::Boolean(false) {
                            None
                        } else {
                            Some(stored(value)?)
                        },
                    ))
                })
                .collect::<std::result::Result<_, String>>()?,
            logs: raw.expect.logs,
        },
    })
}

/// At most one of three ways to say the same.
fn one_of(what: &str, ways: [Option<Value>; 3]) -> std::result::Result<Option<Value>, String> {
    let mut given = ways.into_iter().flatten();
    let first = given.next();
    if given.next().is_some() {
        return Err(format!("say `{what}` once: as a value, as `{what}_json` or as `{what}_file`"));
    }
    Ok(first)
}

fn exchange(raw: RawExchange) -> std::result::Result<Exchange, String> {
    let url = url::Url::parse(&raw.url).map_err(|error| format!("`{}` is not a URL: {error}", raw.url))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is neither http nor https", raw.url));
    }
    if !(200..=599).contains(&raw.status) {
        return Err(format!("{} is not the status of an answer", raw.status));
    }
    let lower = |headers: BTreeMap<String, String>| {
        headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect()
    };
    Ok(Exchange {
        method: raw.method.to_ascii_uppercase(),
        url: url.to_string(),
        request_body: raw.request_body.map(body).transpose()?,
        request_headers: lower(raw.request_headers),
        status: raw.status,
        headers: lower(raw.headers),
        body: raw.body.map(body).transpose()?,
        fails: raw.fails,
        optional: raw.optional,
    })
}

fn body(value: toml::Value) -> std::result::Result<Body, String> {
    Ok(match value {
        toml::Value::String(text) => Body::Text(text),
        other => Body::Json(json(other)?),
    })
}

/// A stored value: text as it is, anything else as JSON.
fn stored(value: toml::Value) -> std::result::Result<String, String> {
    Ok(match value {
        toml::Value::String(text) => text,
        other => json(other)?.to_string(),
    })
}

fn from_text(text: &str, name: &str) -> std::result::Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))
}

/// TOML as JSON. Moments become texts.
fn json(value: toml::Value) -> std::result::Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => serde_json::Number::from_f64(number)
            .ok_or("JSON has no infinity and no NaN")?
            .into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => Value::Array(items.into_iter().map(json).collect::<std::result::Result<_, _>>()?),
        toml::Value::Table(table) => {
            let members = table.into_iter().map(|(key, value)| Ok((key, json(value)?)));
            Value::Object(members.collect::<std::result::Result<_, String>>()?)
        }
    })
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
        assert_eq!(a.input, json!({ "n": 1, "at": "2026-01-01", "list": [1.5, true] }));
        assert_eq!(
            (a.line, a.config.clone(), a.now.to_string().as_str()),
            (4, json!({ "unit": "km" }), "2026-02-03T04:05:06.000Z")
        );
        assert_eq!(a.kv["count"], "4");
        assert_eq!((a.expect.kv["count"].as_deref(), a.expect.kv["gone"].as_deref()), (Some("5"), None));
        assert_eq!((a.http[0].method.as_str(), a.http[0].status), ("GET", 200));
        assert_eq!((b.input.clone(), b.config.clone()), (Value::Null, json!({})));
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
                "t.toml:1:1: say `input` once",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
