//! Rules of an order desk. All money is in cents.

use std::collections::BTreeMap;

use oriel_extension::{
    Choice, Error, Event, Execution, History, HookCall, JobRun, Payload, Result, Subject, Verdict, config, event_handlers, hooks, jobs, kv,
    log, samplers, validators,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

#[derive(Deserialize, Serialize)]
struct Line {
    name: String,
    cents: i64,
    quantity: i64,
}

#[derive(Deserialize, Serialize)]
struct Order {
    country: String,
    lines: Vec<Line>,
    /// What this extension knows nothing of goes on as it came.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize, Serialize)]
struct Sums {
    net: i64,
    tax: i64,
    gross: i64,
}

#[derive(Serialize)]
struct Priced {
    #[serde(flatten)]
    order: Order,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Deserialize)]
struct Rates {
    rates: BTreeMap<String, i64>,
}

fn add_tax(call: HookCall<Order>) -> Result<Payload<Priced>> {
    let Rates { rates } = config::binding()?;
    let order = call.payload;
    let net: i64 = order.lines.iter().map(|line| line.cents * line.quantity).sum();
    let percent = rates.get(&order.country).copied().unwrap_or(0);
    let tax = (net * percent + 50) / 100;
    let sums = Sums {
        net,
        tax,
        gross: net + tax,
    };
    Ok(Payload(Priced { order, sums }))
}

#[derive(Deserialize)]
struct Most {
    most: Option<usize>,
}

fn not_too_many(call: HookCall<Order>) -> Result<Verdict> {
    let Most { most } = config::binding()?;
    let (lines, most) = (call.payload.lines.len(), most.unwrap_or(100));
    Ok(match lines {
        0 => Verdict::invalid("the order is empty"),
        _ if lines > most => Verdict::invalid(format_args!("{lines} lines are more than {most}")),
        _ => Verdict::valid(),
    })
}

fn adds_up(subject: Subject<Value, Sums>) -> Result<Verdict> {
    let execution = subject.execution;
    if let Some(failure) = execution.failure {
        return Err(Error::invalid_input(format_args!("the execution failed: {}", failure.code)));
    }
    let Some(Sums { net, tax, gross }) = execution.output else {
        return Err(Error::invalid_input("there is no output"));
    };
    let difference = gross - net - tax;
    Ok(if difference == 0 {
        Verdict::valid().with_score(1.0)
    } else {
        Verdict::invalid(format_args!("gross is off by {difference}")).with_details(json!({ "difference": difference }))
    })
}

#[derive(Deserialize)]
struct Large {
    from: Option<i64>,
}

#[derive(Deserialize)]
struct Gross {
    gross: i64,
}

fn large_orders(execution: Execution<Value, Gross>, history: History) -> Result<Choice> {
    let Large { from } = config::binding()?;
    let from = from.unwrap_or(100_000);
    Ok(if execution.output.is_some_and(|output| output.gross >= from) {
        Choice::take("large")
    } else if history.since_last + 1 >= 100 {
        Choice::take("its turn")
    } else {
        Choice::skip()
    })
}

#[derive(Deserialize)]
struct Refund {
    country: String,
    cents: i64,
}

fn count_refund(event: Event) -> Result<()> {
    let refund: Refund = event.json()?;
    kv::increment(&format!("refunds:{}", refund.country), refund.cents)?;
    log::info!("refund counted", order = event.subject.unwrap_or_default());
    Ok(())
}

#[derive(Serialize)]
struct Report {
    total: i64,
    countries: BTreeMap<String, i64>,
}

fn refund_report(_: JobRun) -> Result<Report> {
    let mut countries = BTreeMap::new();
    for key in kv::keys("refunds:")? {
        let cents = kv::get_text(&key)?.unwrap_or_default().parse()?;
        countries.insert(key.trim_start_matches("refunds:").to_owned(), cents);
    }
    Ok(Report {
        total: countries.values().sum(),
        countries,
    })
}

hooks! { "add-tax" => add_tax, "not-too-many" => not_too_many }
validators! { "adds-up" => adds_up }
samplers! { "large-orders" => large_orders }
event_handlers! { "count-refund" => count_refund }
jobs! { "refund-report" => refund_report }
