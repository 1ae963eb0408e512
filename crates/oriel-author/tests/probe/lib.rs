//! Uses all that the Rust kit offers; `probe.rs` of the suite says what must come out.

use std::time::Duration;

use oriel_extension::{
    ConfigProblem, Error, Health, Lifecycle, Result, call, config, context, http, kv, lifecycle, log, metrics, model, programs, queue,
    secrets,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Pair {
    numbers: Vec<i64>,
}

#[derive(Deserialize)]
struct Request {
    url: String,
    body: Option<Value>,
}

fn echo(input: Value) -> Result<Value> {
    Ok(input)
}

fn add(pair: Pair) -> Result<i64> {
    Ok(pair.numbers.iter().sum())
}

fn fail(case: String) -> Result<Value> {
    Err(match case.as_str() {
        "invalid-input" => Error::invalid_input("as ordered: ü"),
        "unavailable" => Error::unavailable("as ordered: ü"),
        "denied" => Error::Denied("as ordered: ü".to_owned()),
        "limit-exceeded" => Error::LimitExceeded("as ordered: ü".to_owned()),
        "deadline-exceeded" => Error::DeadlineExceeded,
        _ => Error::internal("as ordered: ü"),
    })
}

fn crash(_: Value) -> Result<Value> {
    let list: Vec<u8> = Vec::new();
    panic!("nothing in a list of {}", list.len());
}

fn surroundings(_: Value) -> Result<Value> {
    let context = context::current();
    let config: Value = config::get()?;
    log::debug!("seen", config = config);
    Ok(
        json!({ "extension": context.extension, "version": context.version, "config": config, "left": context::remaining() > Duration::ZERO }),
    )
}

fn keys(_: Value) -> Result<Value> {
    kv::set("text", "grün")?;
    kv::set_json("json", &json!({ "a": [1] }))?;
    let count = kv::increment("count", 2)? + kv::increment("count", 40)?;
    let entry = kv::entry("text")?.ok_or_else(|| Error::internal("it is gone"))?;
    let swapped = kv::compare_and_swap("text", Some(entry.version), "blau", None)?.is_some();
    let late = kv::compare_and_swap("text", Some(entry.version), "rot", None)?.is_some();
    let json: Option<Value> = kv::get_json("json")?;
    let gone = kv::delete("json")?;
    Ok(
        json!({ "text": kv::get_text("text")?, "json": json, "count": count, "swapped": swapped, "late": late, "gone": gone,
        "absent": kv::get("json")?, "keys": kv::keys("")? }),
    )
}

fn fetch(request: Request) -> Result<Value> {
    let sent = match &request.body {
        None => http::get(&request.url),
        Some(body) => http::post(&request.url).json(body),
    };
    let answer = sent.header("X-Probe", "ü").timeout(Duration::from_secs(30)).send()?;
    Ok(json!({ "status": answer.status, "type": answer.header("content-type"), "body": answer.json::<Value>()? }))
}

fn others(_: Value) -> Result<Value> {
    let place: Value = call::program("geo", "lookup", &json!({ "city": "Ulm" }))?;
    let closed = matches!(call::program::<Value>("geo", "closed", &json!({})), Err(Error::Unavailable(_)));
    metrics::add("asked", 2.0, &[("kind", "city")]);
    metrics::record("seconds", 0.25, &[]);
    let token = !secrets::placeholder("token")?.is_empty();
    Ok(json!({ "place": place, "closed": closed, "token": token, "caller": context::caller().map(|caller| caller.extension) }))
}

fn later(_: Value) -> Result<Value> {
    let run = queue::Enqueue::new("send")
        .delay(Duration::from_millis(1_500))
        .deduplicate("k")
        .attempts(4);
    let id = run.run(&json!({ "n": 1 }))?;
    let refused = matches!(queue::enqueue("closed", &json!(null)), Err(Error::LimitExceeded(_)));
    let request = model::Request::new()
        .model("small")
        .system("Be short.")
        .user("6 × 7?")
        .max_tokens(9)
        .temperature(0.5)
        .stop("!");
    let verdict: Value = request.json(&json!({ "type": "object" }))?;
    let plain = model::Request::new().user("hi").complete()?;
    let finish = if plain.finish_reason == model::FinishReason::Length { "length" } else { "other" };
    let tokens = [plain.usage.input_tokens, plain.usage.output_tokens];
    Ok(
        json!({ "id": id, "refused": refused, "pending": queue::pending("send")?, "verdict": verdict, "text": plain.text, "finish": finish,
        "tokens": tokens, "model": plain.model }),
    )
}

fn now(_: Value) -> Result<u64> {
    Ok(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs())
}

struct App;

impl Lifecycle for App {
    fn initialize() -> Result<()> {
        log::info!("ready");
        Ok(())
    }

    fn health_check() -> Health {
        Health::Healthy(Some("well".to_owned()))
    }

    fn check_config(config: Value) -> Vec<ConfigProblem> {
        if config["threshold"] == 0 {
            vec![ConfigProblem::new("/threshold", "must not be 0")]
        } else {
            Vec::new()
        }
    }
}

lifecycle!(App);
programs! {
    "echo" => echo,
    "add" => add,
    "fail" => fail,
    "crash" => crash,
    "surroundings" => surroundings,
    "keys" => keys,
    "fetch" => fetch,
    "others" => others,
    "later" => later,
    "now" => now,
}
