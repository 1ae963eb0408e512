//! Calls other extensions, sends secrets and measures: what each program does says its input, a JSON object.

mod fetch;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:caller; world caller {
        import oriel:extension/context@0.1.0;
        import oriel:extension/log@0.1.0;
        import oriel:extension/call@0.1.0;
        import oriel:extension/secrets@0.1.0;
        import oriel:extension/metrics@0.1.0;
        export oriel:extension/program@0.1.0;
    }",
    generate_all,
});

use std::hint::black_box;
use std::time::{Duration, Instant};

use exports::oriel::extension::program::{Error, Guest};
use oriel::extension::{call, context, log, metrics, secrets};
use serde_json::{Value, json};

struct Caller;

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

/// Calls the program that `to` names, `extension/program`.
fn call_to(input: &Value) -> Result<String, Error> {
    let (extension, program) = input["to"].as_str().unwrap_or_default().split_once('/').unwrap_or_default();
    let text = input["text"].as_str().map_or_else(|| input["input"].to_string(), str::to_owned);
    call::execute(extension, program, &text)
}

fn labels(input: &Value) -> Vec<(String, String)> {
    let labels = input["labels"].as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// `text` with `{secret}` replaced by the placeholder.
fn put(text: &str, placeholder: &str) -> String {
    text.replace("{secret}", placeholder)
}

fn send(input: &Value) -> Result<Value, Error> {
    let placeholder = match input["secret"].as_str() {
        Some(name) => secrets::placeholder(name)?,
        None => String::new(),
    };
    let headers = input["headers"].as_object().into_iter().flatten();
    let headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.clone(), put(value.as_str().unwrap_or_default(), &placeholder)))
        .collect();
    let body = put(input["body"].as_str().unwrap_or_default(), &placeholder);
    let mut url = put(input["url"].as_str().unwrap_or_default(), &placeholder);
    let mut hops = Vec::new();
    loop {
        match fetch::send(&url, &headers, &body) {
            Ok(answer) => {
                hops.push(json!({ "status": answer.status, "body": answer.body }));
                match answer.location.filter(|_| input["follow"] == true) {
                    Some(location) => url = location,
                    None => break,
                }
            }
            Err(error) => {
                hops.push(json!({ "error": error }));
                break;
            }
        }
    }
    Ok(json!({ "placeholder": placeholder, "hops": hops }))
}

impl Guest for Caller {
    fn execute(name: String, input: String) -> Result<String, Error> {
        let input: Value = serde_json::from_str(&input).map_err(|error| Error::InvalidInput(error.to_string()))?;
        match name.as_str() {
            "call" => call_to(&input),
            "try" => Ok(match call_to(&input) {
                Ok(output) => json!({ "answer": serde_json::from_str::<Value>(&output).expect("the host answers JSON") }),
                Err(error) => json!({ "error": words(&error) }),
            }
            .to_string()),
            // Calls `times` times; answers how many succeeded, and the last error.
            "fan" => {
                let mut last = Value::Null;
                let mut good = 0;
                for _ in 0..input["times"].as_u64().unwrap_or(1) {
                    match call_to(&input) {
                        Ok(_) => good += 1,
                        Err(error) => last = words(&error).into(),
                    }
                }
                Ok(json!({ "good": good, "error": last }).to_string())
            }
            "who" => {
                let here = context::current();
                let caller = context::caller();
                let caller =
                    caller.map(|caller| json!({ "extension": caller.extension, "version": caller.version, "principal": caller.principal }));
                Ok(json!({
                    "caller": caller,
                    "tenant": here.tenant,
                    "extension": here.extension,
                    "principal": here.principal,
                    "task": here.task,
                    "execution": here.execution_id,
                    "traceparent": here.traceparent,
                    "remaining": context::remaining_ms(),
                })
                .to_string())
            }
            "spin" => {
                let until = Instant::now() + Duration::from_millis(input.as_u64().unwrap_or(0));
                let mut turns = 0u64;
                // The clock is a host call: it is not asked at every turn.
                while turns % 100_000 != 0 || Instant::now() < until {
                    turns = black_box(turns + 1);
                }
                Ok("null".to_owned())
            }
            "sleep" => {
                std::thread::sleep(Duration::from_millis(input.as_u64().unwrap_or(0)));
                Ok("null".to_owned())
            }
            "fail" => Err(match input.as_str().unwrap_or_default() {
                "invalid-input" => Error::InvalidInput("words".to_owned()),
                "unavailable" => Error::Unavailable("words".to_owned()),
                "denied" => Error::Denied("words".to_owned()),
                "limit-exceeded" => Error::LimitExceeded("words".to_owned()),
                _ => Error::Internal("words".to_owned()),
            }),
            "trap" => panic!("on purpose"),
            "garbage" => Ok("{not json".to_owned()),
            "placeholder" => secrets::placeholder(input.as_str().unwrap_or_default()).map(|text| json!(text).to_string()),
            "send" => send(&input).map(|answer| answer.to_string()),
            // Writes a placeholder where it is of no use.
            "leak" => {
                let text = secrets::placeholder(input.as_str().unwrap_or_default())?;
                log::write(log::Level::Info, &text, &[("text".to_owned(), text.clone())]);
                Ok(json!(text).to_string())
            }
            "count" => {
                let metric = input["name"].as_str().unwrap_or_default();
                for number in 0..input["times"].as_u64().unwrap_or(1) {
                    let mut labels = labels(&input);
                    if input["varied"] == true {
                        labels.push(("number".to_owned(), number.to_string()));
                    }
                    metrics::counter_add(metric, input["value"].as_f64().unwrap_or(f64::NAN), &labels);
                }
                Ok("null".to_owned())
            }
            "record" => {
                let value = input["value"].as_f64().unwrap_or(f64::INFINITY);
                metrics::histogram_record(input["name"].as_str().unwrap_or_default(), value, &labels(&input));
                Ok("null".to_owned())
            }
            _ => Err(Error::InvalidInput(format!("there is no program `{name}`"))),
        }
    }
}

export!(Caller);
