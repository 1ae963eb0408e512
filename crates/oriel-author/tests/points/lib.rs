//! One contribution per behaviour; `points.rs` of the suite says what must come out.

use oriel_extension::{
    Answer, Choice, Data, Decision, Error, Event, Execution, History, HookCall, HookKind, Item, JobRun, Payload, Result, Subject, Trigger,
    Verdict, config, event_handlers, hooks, jobs, kv, samplers, validators,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, Serialize)]
struct Order {
    net: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gross: Option<f64>,
}

#[derive(Deserialize)]
struct Total {
    total: f64,
}

#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    rate: f64,
    #[serde(default)]
    n: u64,
}

fn judge(subject: Subject<Order, Total>) -> Result<Verdict> {
    let settings: Settings = config::binding()?;
    let wanted = subject.execution.input.net * (1.0 + settings.rate);
    let Some(given) = subject.execution.output else {
        return Ok(Verdict::invalid("nothing came out"));
    };
    let ok = given.total == wanted;
    Ok(Verdict::from(ok)
        .with_score(if ok { 1.0 } else { 0.25 })
        .with_message(format_args!("{wanted} ü")))
}

fn subject(subject: Subject) -> Result<Verdict> {
    let execution = &subject.execution;
    let failure = execution.failure.as_ref().map(|failure| &failure.code);
    let details = json!({ "id": execution.id, "task": execution.task, "by": [&execution.extension, &execution.version, &execution.program],
        "input": execution.input, "output": execution.output, "failure": failure, "inputSchema": subject.input_schema,
        "outputSchema": subject.output_schema, "expected": subject.expected_output });
    Ok(Verdict::valid().with_details(details))
}

fn breaks(_: Subject) -> Result<bool> {
    Err("x".parse::<u8>().unwrap_err().into())
}

fn every(_: Execution, history: History) -> Result<Choice> {
    let settings: Settings = config::binding()?;
    Ok(if history.since_last + 1 >= settings.n {
        Choice::take("its turn")
    } else {
        Choice::skip()
    })
}

fn times(execution: Execution, history: History) -> Result<Choice> {
    let last = history.last_sample_ms.map_or("never".to_owned(), |at| at.to_string());
    Ok(Choice::take(format!(
        "{} {} {} {last} {} {}",
        execution.started_ms, execution.wall_us, execution.guest_cpu_us, history.seen, history.sampled
    )))
}

fn store(event: Event) -> Result<()> {
    let net = match &event.data {
        Some(Data::Json(_)) => format!("{}", event.json::<Order>()?.net),
        Some(Data::Text(text)) => text.clone(),
        Some(Data::Binary(bytes)) => format!("{} bytes", bytes.len()),
        None => "nothing".to_owned(),
    };
    let region = event.attribute("region").unwrap_or("nowhere");
    let subject = event.subject.as_deref().unwrap_or("nobody");
    let time = event.time_ms.unwrap_or(0);
    kv::set(
        &event.id,
        format!("{} {} {subject} {time} {region} {net}", event.source, event.kind),
    )?;
    Ok(())
}

fn down(_: Event) -> Result<()> {
    Err(Error::unavailable("try again"))
}

fn add(call: HookCall<Order>) -> Result<Payload<Order>> {
    let settings: Settings = config::binding()?;
    let gross = call.payload.net * (1.0 + settings.rate);
    Ok(Payload(Order {
        gross: Some(gross),
        ..call.payload
    }))
}

fn check(call: HookCall<Order>) -> Result<bool> {
    Ok(call.payload.net > 0.0)
}

fn nothing(_: HookCall) -> Result<()> {
    Ok(())
}

fn told(call: HookCall) -> Result<Answer> {
    let told = json!([call.hook, call.kind.as_str(), call.payload, call.dry_run]);
    match call.kind {
        HookKind::Decide => Answer::decision(&told),
        HookKind::Collect => Answer::item(&told),
        _ => Answer::payload(&told),
    }
}

fn run_told(run: JobRun) -> Result<Value> {
    let (kind, name) = match run.trigger {
        Trigger::Manual => ("manual", None),
        Trigger::Schedule(name) => ("schedule", Some(name)),
        Trigger::Event(id) => ("event", Some(id)),
        Trigger::Queue => ("queue", None),
    };
    Ok(json!([kind, name, run.attempt]))
}

fn sum(run: JobRun<Vec<f64>>) -> Result<f64> {
    Ok(run.input.iter().sum())
}

// Every type of answer is an answer.
const _: fn() = || {
    fn answers<A: oriel_extension::IntoAnswer>() {}
    answers::<Option<Decision<u8>>>();
    answers::<Item<u8>>();
    answers::<Verdict>();
};

validators! { "judge" => judge, "subject" => subject, "breaks" => breaks }
samplers! { "every" => every, "times" => times }
event_handlers! { "store" => store, "down" => down }
hooks! { "add" => add, "judge" => check, "nothing" => nothing, "told" => told }
jobs! { "told" => run_told, "sum" => sum }
