//! `oriel breaker show|set NAME`.

use clap::{Args, Subcommand};
use oriel_model::ErrorCode;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::error::{Failure, Result};
use crate::ui::Paint;
use crate::view::{changed, text};

/// What to do with the health policy of an extension.
#[derive(Debug, Subcommand)]
pub(crate) enum BreakerCommand {
    /// Show when an extension counts as ill, and what is done about it
    Show(ShowArgs),
    /// Let it be otherwise than the server's settings say; what is not named stays
    Set(SetArgs),
}

/// Whose policy.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The extension
    name: String,
}

/// What shall hold.
#[derive(Debug, Args)]
#[command(after_help = "A RULE is FIELD=VALUE; FIELD=default is as the server's settings say:\n  \
    crashes=5              crashes in a row that trip the breaker; 0: they do not\n  \
    min-calls=20           calls below which a share of them means nothing\n  \
    error-rate=50          share of failing calls, in percent, that trips it\n  \
    degraded-rate=10       share of failing calls, in percent, that shows as degraded\n  \
    latency=200ms          from which time on a call is slow\n  \
    backoff=1s             how long it is left alone at first\n  \
    backoff-max=5m         how long at most\n  \
    probes=3               calls that it must answer before all are let through\n  \
    quarantine-trips=8     trips that end in quarantine; 0: none do\n  \
    quarantine-for=0ms     after what time quarantine ends by itself; 0ms: never\n  \
    release-role=owner     the least role that may end quarantine\n  \
    on-anomaly=quarantine  what a critical anomaly does: none or quarantine")]
pub(crate) struct SetArgs {
    /// The extension
    name: String,
    /// What shall hold
    #[arg(required = true, value_name = "RULE", value_parser = rule)]
    rules: Vec<(String, Value)>,
}

/// The fields, as the command line and as the API spell them, and whether they are numbers.
const FIELDS: [(&str, &str, bool); 12] = [
    ("crashes", "crashes", true),
    ("min-calls", "minCalls", true),
    ("error-rate", "errorRate", true),
    ("degraded-rate", "degradedRate", true),
    ("latency", "latency", false),
    ("backoff", "backoff", false),
    ("backoff-max", "backoffMax", false),
    ("probes", "probes", true),
    ("quarantine-trips", "quarantineTrips", true),
    ("quarantine-for", "quarantineFor", false),
    ("release-role", "releaseRole", false),
    ("on-anomaly", "onAnomaly", false),
];

/// Reads `FIELD=VALUE`; null removes the field.
fn rule(spec: &str) -> std::result::Result<(String, Value), String> {
    let (field, value) = spec.split_once('=').ok_or("write it as FIELD=VALUE")?;
    let Some((_, key, number)) = FIELDS.iter().find(|(known, ..)| *known == field) else {
        let known: Vec<&str> = FIELDS.iter().map(|(known, ..)| *known).collect();
        return Err(format!("there is no field `{field}`; there are {}", known.join(", ")));
    };
    let value = match (value, number) {
        ("default", _) => Value::Null,
        (text, true) => json!(text.parse::<u32>().map_err(|_| format!("`{text}` is not a number"))?),
        (text, false) => json!(text),
    };
    Ok(((*key).to_owned(), value))
}

pub(crate) async fn run(context: &Context, command: &BreakerCommand) -> Result<()> {
    match command {
        BreakerCommand::Show(args) => show(context, &args.name).await,
        BreakerCommand::Set(args) => set(context, args).await,
    }
}

async fn show(context: &Context, name: &str) -> Result<()> {
    let value: Value = context.client()?.get(&["extensions", name, "health-policy"]).send().await?;
    if context.ui.json() {
        return context.ui.document(&value);
    }
    let rows = FIELDS.iter().map(|(field, key, _)| {
        let own = value["policy"].get(*key).is_some();
        let (paint, whose) = if own {
            (Paint::Strong, "its own")
        } else {
            (Paint::Plain, "the server's")
        };
        let mut effective = text(&value["effective"], key);
        if effective.is_empty() {
            "4/5 of the time limit".clone_into(&mut effective);
        }
        vec![
            (Paint::Plain, (*field).to_owned()),
            (paint, effective),
            (Paint::Faint, whose.to_owned()),
        ]
    });
    context.ui.table(&["FIELD", "VALUE", "BY"], rows.collect(), "")
}

async fn set(context: &Context, args: &SetArgs) -> Result<()> {
    let client = context.client()?;
    // What is not named stays, unless somebody else changes it in between.
    let extension: Value = client.get(&["extensions", &args.name]).send().await?;
    let revision = extension.get("revision").and_then(Value::as_u64);
    let revision = revision.ok_or_else(|| Failure::new(ErrorCode::ClientNotOriel, "the server names no revision"))?;
    let mut view: Value = client.get(&["extensions", &args.name, "health-policy"]).send().await?;
    let mut policy = match view.get_mut("policy").map(Value::take) {
        Some(Value::Object(policy)) => policy,
        _ => Map::new(),
    };
    for (key, value) in &args.rules {
        if value.is_null() {
            policy.remove(key);
        } else {
            policy.insert(key.clone(), value.clone());
        }
    }
    let reply: Value = client
        .request(Method::PUT, &["extensions", &args.name, "health-policy"])
        .if_match(revision)
        .json(&Value::Object(policy))
        .send()
        .await?;
    changed(&context.ui, &reply, &format!("the health policy of {} is set", args.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_from_one_word_each() {
        for (spec, key, value) in [
            ("crashes=0", "crashes", json!(0)),
            ("error-rate=20", "errorRate", json!(20)),
            ("backoff-max=10m", "backoffMax", json!("10m")),
            ("release-role=owner", "releaseRole", json!("owner")),
            ("on-anomaly=default", "onAnomaly", Value::Null),
        ] {
            assert_eq!(rule(spec), Ok((key.to_owned(), value)), "{spec}");
        }
        for wrong in ["crashes", "errors=1", "probes=many", "probes=-1"] {
            assert!(rule(wrong).is_err(), "{wrong}");
        }
    }
}
