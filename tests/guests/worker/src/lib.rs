//! Works through its own queue and asks the model: what each program and job does says its input, a JSON object.

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "package test:worker; world worker {
        import oriel:extension/context@0.1.0;
        import oriel:extension/key-value@0.1.0;
        import oriel:extension/queue@0.1.0;
        import oriel:extension/model@0.1.0;
        export oriel:extension/program@0.1.0;
        export oriel:extension/job@0.1.0;
    }",
    generate_all,
});

use std::time::Duration;

use exports::oriel::extension::job::{Guest as Job, JobRun, Trigger};
use exports::oriel::extension::program::{Error, Guest as Program};
use oriel::extension::{context, key_value, model, queue};
use serde_json::{Value, json};

struct Worker;

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

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn enqueue(input: &Value) -> Result<String, Error> {
    let given = text(&input["text"]).unwrap_or_else(|| input["input"].to_string());
    let options = queue::Options {
        delay_ms: input["delayMs"].as_u64(),
        deduplication_key: text(&input["key"]),
        attempts: input["attempts"].as_u64().map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
    };
    queue::enqueue(input["job"].as_str().unwrap_or_default(), &given, &options)
}

fn complete(input: &Value) -> Result<Value, Error> {
    let messages = input["messages"].as_array().into_iter().flatten();
    let messages = messages.map(|message| model::Message {
        role: match message[0].as_str() {
            Some("system") => model::Role::System,
            Some("assistant") => model::Role::Assistant,
            _ => model::Role::User,
        },
        content: text(&message[1]).unwrap_or_default(),
    });
    let stop = input["stop"].as_array().into_iter().flatten().filter_map(text);
    let answer = model::complete(&model::Request {
        model: text(&input["model"]),
        messages: messages.collect(),
        max_tokens: input["maxTokens"].as_u64().map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        temperature: input["temperature"].as_f64(),
        json_schema: input.get("jsonSchema").map(Value::to_string),
        stop: stop.collect(),
    })?;
    Ok(json!({
        "text": answer.text,
        "finish": match answer.finish_reason {
            model::FinishReason::Stop => "stop",
            model::FinishReason::Length => "length",
            model::FinishReason::ContentFilter => "content-filter",
            model::FinishReason::Other => "other",
        },
        "tokens": [answer.usage.input_tokens, answer.usage.output_tokens],
        "model": answer.model,
    }))
}

impl Program for Worker {
    fn execute(name: String, input: String) -> Result<String, Error> {
        let input: Value = serde_json::from_str(&input).map_err(|error| Error::InvalidInput(error.to_string()))?;
        let answer = match name.as_str() {
            "enqueue" => enqueue(&input).map(Value::from),
            "pending" => queue::pending(input["job"].as_str().unwrap_or_default()).map(Value::from),
            "complete" => complete(&input),
            "kept" => key_value::get(input["key"].as_str().unwrap_or_default())
                .map(|entry| entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).into()),
            // As many as are wanted; answers how many were taken, and why no more.
            "flood" => {
                let (mut taken, mut why) = (0_u64, None);
                for _ in 0..input["times"].as_u64().unwrap_or(0) {
                    match enqueue(&input) {
                        Ok(_) => taken += 1,
                        Err(error) => {
                            why = Some(words(&error));
                            break;
                        }
                    }
                }
                Ok(json!({ "taken": taken, "why": why }))
            }
            _ => Err(Error::InvalidInput(format!("there is no program `{name}`"))),
        };
        let answer = answer.map_or_else(|error| json!({ "error": words(&error) }), |value| json!({ "ok": value }));
        Ok(answer.to_string())
    }
}

/// Counts how often a job was begun, and how many of its kind are at work at once, at most.
fn count(run: &Value) -> Result<(), Error> {
    let Some(key) = run["count"].as_str() else { return Ok(()) };
    key_value::increment(key, 1, None)?;
    let at_work = key_value::increment(&format!("{key}/at-work"), 1, None)?;
    let most = key_value::get(&format!("{key}/most"))?;
    let most = most
        .and_then(|entry| String::from_utf8(entry.value).ok()?.parse::<i64>().ok())
        .unwrap_or(0);
    if at_work > most {
        key_value::set(&format!("{key}/most"), at_work.to_string().as_bytes(), None)?;
    }
    Ok(())
}

fn done(run: &Value) -> Result<(), Error> {
    match run["count"].as_str() {
        Some(key) => key_value::increment(&format!("{key}/at-work"), -1, None).map(drop),
        None => Ok(()),
    }
}

impl Job for Worker {
    fn run(name: String, run: JobRun) -> Result<String, Error> {
        let input: Value = serde_json::from_str(&run.input).map_err(|error| Error::InvalidInput(error.to_string()))?;
        count(&input)?;
        match name.as_str() {
            "work" => {}
            "sleep" => std::thread::sleep(Duration::from_millis(input["ms"].as_u64().unwrap_or(0))),
            "flaky" if u64::from(run.attempt) < input["until"].as_u64().unwrap_or(u64::MAX) => {
                done(&input)?;
                return Err(Error::Unavailable(format!("not yet, at attempt {}", run.attempt)));
            }
            "flaky" => {}
            "hang" => loop {
                std::hint::black_box(0);
            },
            "poison" => panic!("poison"),
            "reject" => return Err(Error::InvalidInput("no".to_owned())),
            "babble" => return Ok("{".to_owned()),
            _ => return Err(Error::InvalidInput(format!("there is no job `{name}`"))),
        }
        done(&input)?;
        let trigger = match run.trigger {
            Trigger::Manual => "manual".to_owned(),
            Trigger::Queue => "queue".to_owned(),
            Trigger::Schedule(name) => format!("schedule {name}"),
            Trigger::Event(id) => format!("event {id}"),
        };
        let principal = context::current().principal;
        Ok(json!({ "input": input, "attempt": run.attempt, "trigger": trigger, "principal": principal }).to_string())
    }
}

export!(Worker);
