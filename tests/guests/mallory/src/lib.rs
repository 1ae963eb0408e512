//! What the hostile suite (`tests/hostile`) runs inside: each program takes a JSON object that says what to try, and answers what
//! came of it, so that one component serves many attacks.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:mallory; world mallory {
        import oriel:extension/context@0.1.0;
        import oriel:extension/log@0.1.0;
        import oriel:extension/config@0.1.0;
        import oriel:extension/key-value@0.1.0;
        export oriel:extension/program@0.1.0;
    }",
    generate_all,
});

use std::hint::black_box;
use std::sync::Mutex;

use exports::oriel::extension::program::{Error, Guest};
use oriel::extension::{config, context, key_value, log};
use serde_json::{Value, json};

struct Mallory;

/// What outlives a call, for as long as the instance is used again.
static STASH: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn words(error: &Error) -> String {
    match error {
        Error::InvalidInput(message) => format!("invalid-input: {message}"),
        Error::Unavailable(message) => format!("unavailable: {message}"),
        Error::Denied(message) => format!("denied: {message}"),
        Error::LimitExceeded(message) => format!("limit-exceeded: {message}"),
        Error::DeadlineExceeded => "deadline-exceeded".to_owned(),
        Error::Internal(message) => format!("internal: {message}"),
    }
}

/// One operation on the store; a string that begins with `error: ` says why it failed.
fn kv(ask: &Value) -> Value {
    let text = |field: &str| ask[field].as_str().unwrap_or_default();
    let answer = match text("do") {
        "get" => key_value::get(text("key")).map(|entry| entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).into()),
        "set" => {
            let value = match ask["bytes"].as_u64() {
                Some(length) => vec![b'x'; length as usize],
                None => text("value").as_bytes().to_vec(),
            };
            key_value::set(text("key"), &value, None).map(Value::from)
        }
        "swap" => {
            key_value::compare_and_swap(text("key"), ask["expected"].as_u64(), text("value").as_bytes(), None).map(|done| json!(done))
        }
        "increment" => key_value::increment(text("key"), ask["by"].as_i64().unwrap_or(1), None).map(Value::from),
        "delete" => key_value::delete(text("key")).map(Value::from),
        "list" => key_value::list_keys(
            text("prefix"),
            ask["limit"].as_u64().unwrap_or(1_000) as u32,
            ask["cursor"].as_str(),
        )
        .map(|page| json!({ "keys": page.keys, "next": page.next_cursor })),
        other => Err(Error::InvalidInput(format!("`{other}` is nothing that can be done"))),
    };
    answer.unwrap_or_else(|error| format!("error: {}", words(&error)).into())
}

impl Guest for Mallory {
    fn execute(name: String, input: String) -> Result<String, Error> {
        let input: Value = serde_json::from_str(&input).map_err(|error| Error::InvalidInput(error.to_string()))?;
        let number = |field: &str| input[field].as_u64().unwrap_or(0);
        let text = |field: &str| input[field].as_str().unwrap_or_default().to_owned();
        Ok(match name.as_str() {
            // Remembers a word in static memory; answers all that it remembers.
            "stash" => {
                let mut stash = STASH.lock().unwrap();
                stash.push(text("word"));
                json!(*stash)
            }
            "kv" => input["ops"].as_array().into_iter().flatten().map(kv).collect(),
            // Writes `count` keys of `bytes` each; answers how many it could, and the first error.
            "fill" => {
                let (prefix, mut written) = (text("prefix"), 0);
                let mut first = Value::Null;
                for at in 0..number("count") {
                    match key_value::set(&format!("{prefix}{at}"), &vec![b'x'; number("bytes") as usize], None) {
                        Ok(_) => written += 1,
                        Err(error) if first.is_null() => first = words(&error).into(),
                        Err(_) => {}
                    }
                }
                json!({ "written": written, "error": first })
            }
            "log" => {
                for _ in 0..number("times").max(1) {
                    log::write(log::Level::Info, &text("message"), &[(text("field"), text("value"))]);
                }
                Value::Null
            }
            "fail" => return Err(Error::Internal(text("message"))),
            "refuse" => return Err(Error::InvalidInput(text("message"))),
            // Answers a text as it is, or one that is made deep or long.
            "raw" => {
                let times = number("times").max(1) as usize;
                return Ok(format!(
                    "{}{}{}",
                    text("open").repeat(times),
                    text("text"),
                    text("close").repeat(times)
                ));
            }
            "context" => {
                let known = context::current();
                json!({
                    "tenant": known.tenant,
                    "principal": known.principal,
                    "extension": known.extension,
                    "version": known.version,
                    "execution": known.execution_id,
                    "task": known.task,
                    "traceparent": known.traceparent,
                    "caller": context::caller().map(|caller| caller.extension),
                    "config": config::get(),
                    "binding": config::binding(),
                })
            }
            "burn" => {
                let turns = (0..number("turns")).fold(0u64, |sum, at| black_box(sum ^ at));
                json!(turns)
            }
            "echo" => input,
            _ => return Err(Error::InvalidInput(format!("there is no program `{name}`"))),
        }
        .to_string())
    }
}

export!(Mallory);
