//! What extension points and the rules around them add to a call: an inline validator, a hook's handler, a registry full of
//! bindings, rates and policies.

use std::path::Path;

use anyhow::Result;
use reqwest::Method;
use serde_json::json;

use crate::guests;
use crate::load::{Seen, post};
use crate::report::{Report, median};
use crate::server::Server;

const ROUNDS: usize = 7;
const SECONDS: u64 = 2;
const EXECUTE: &str = "/api/v1/tasks/execute";

/// A target of the load: a server, a path, a body.
struct Target<'a>(&'a Server, String, String);

impl<'a> Target<'a> {
    fn task(server: &'a Server, task: &str) -> Self {
        let body = json!({"taskId": task, "input": {"name": "Ada Lovelace", "n": 41}});
        Self(server, EXECUTE.to_owned(), body.to_string())
    }

    fn hook(server: &'a Server, hook: &str) -> Self {
        Self(
            server,
            format!("/api/v1/hooks/{hook}/fire"),
            json!({"payload": {"name": "Ada Lovelace", "n": 41}}).to_string(),
        )
    }

    fn load(&self, connections: usize, scratch: &Path) -> Result<Seen> {
        post(self.0, &self.1, std::slice::from_ref(&self.2), connections, SECONDS, scratch)
    }
}

/// Loads both in turn; what was seen of each in each round.
fn in_turn(one: &Target<'_>, other: &Target<'_>, connections: usize, scratch: &Path) -> Result<Vec<(Seen, Seen)>> {
    (0..ROUNDS)
        .map(|round| {
            // Whoever comes second finds another machine than who comes first.
            if round % 2 == 0 {
                let one = one.load(connections, scratch)?;
                Ok((one, other.load(connections, scratch)?))
            } else {
                let other = other.load(connections, scratch)?;
                Ok((one.load(connections, scratch)?, other))
            }
        })
        .collect()
}

/// Microseconds that the second adds to the first, in the middle.
fn added(rounds: &[(Seen, Seen)]) -> f64 {
    median(
        rounds
            .iter()
            .map(|(one, other)| (other.p50.as_secs_f64() - one.p50.as_secs_f64()) * 1e6)
            .collect(),
    )
}

/// The second's throughput as a part of the first's, in the middle.
fn ratio(rounds: &[(Seen, Seen)]) -> f64 {
    median(rounds.iter().map(|(one, other)| other.per_second / one.per_second).collect())
}

fn show(name: &str, rounds: &[(Seen, Seen)]) {
    for (one, other) in rounds {
        println!("  {name:<28} without {one}\n  {:<28} with    {other}", "");
    }
}

pub async fn run(report: &mut Report, scratch: &Path) -> Result<()> {
    println!("\nextension points");
    let data = tempfile::tempdir()?;
    let server = Server::oriel(data.path(), &[])?;
    prepare(&server).await?;
    server.create_task("judged", "answer-rust", "answer").await?;
    bind(&server, "validator", "counted", "judged").await?;
    for hook in ["bench.none", "bench.one"] {
        let hook = format!("/api/v1/hooks/{hook}");
        server.send(Method::PUT, &hook, &json!({"kind": "filter"})).await?;
    }
    bind(&server, "hook", "pass", "bench.one").await?;
    let pairs = [
        ("inline validator", Target::task(&server, "plain"), Target::task(&server, "judged")),
        ("hook", Target::hook(&server, "bench.none"), Target::hook(&server, "bench.one")),
    ];
    for (name, without, with) in &pairs {
        let alone = in_turn(without, with, 1, scratch)?;
        show(name, &alone);
        let loaded = in_turn(without, with, 16, scratch)?;
        show(name, &loaded);
        let added = added(&alone);
        let tail = median(loaded.iter().map(|(_, with)| with.p99.as_secs_f64() * 1e3).collect());
        report.mark(
            format!("an {name} adds to a call at p50; its p99 with 16 connections"),
            "at most 15 µs; under 5 ms",
            format!("{added:.0} µs; {tail:.1} ms"),
            added <= 15.0 && tail < 5.0,
        );
    }
    registry(report, &server, scratch).await?;
    rules(report, &server, scratch).await
}

/// What is called, what judges it, and a task of which nobody wants anything.
async fn prepare(server: &Server) -> Result<()> {
    server.install(guests::packed(&guests::answer("rust")?)?).await?;
    server.install(guests::packed(&guests::package("judge-rust")?)?).await?;
    server.create_task("plain", "answer-rust", "answer").await
}

async fn bind(server: &Server, kind: &str, contribution: &str, point: &str) -> Result<()> {
    let mut binding = json!({"kind": kind, "contribution": {"extension": "judge-rust", "name": contribution}, "point": point});
    if kind == "validator" {
        binding["inline"] = json!(true);
    }
    server.post("/api/v1/bindings", &binding).await.map(drop)
}

/// A task to which nothing is bound, beside a thousand bindings of others and without them.
async fn registry(report: &mut Report, empty: &Server, scratch: &Path) -> Result<()> {
    let data = tempfile::tempdir()?;
    let full = Server::oriel(data.path(), &[])?;
    prepare(&full).await?;
    for at in 0..1_000 {
        let task = format!("judged-{at}");
        full.create_task(&task, "answer-rust", "answer").await?;
        bind(&full, "validator", "counted", &task).await?;
    }
    let rounds = in_turn(&Target::task(empty, "plain"), &Target::task(&full, "plain"), 16, scratch)?;
    show("1,000 bindings", &rounds);
    let ratio = ratio(&rounds);
    report.mark(
        "throughput of a task without bindings, beside 1,000 bindings of other tasks, against none",
        "at least 0.98",
        format!("{ratio:.3}"),
        ratio >= 0.98,
    );
    Ok(())
}

/// Rates that nobody reaches, and policies that forbid something else.
async fn rules(report: &mut Report, without: &Server, scratch: &Path) -> Result<()> {
    let data = tempfile::tempdir()?;
    let rates = [
        ("ORIEL_QUOTAS_REQUESTS_PER_SECOND", "1000000"),
        ("ORIEL_QUOTAS_CONCURRENT_REQUESTS", "10000"),
    ];
    let limited = Server::oriel(data.path(), &rates)?;
    prepare(&limited).await?;
    let rounds = in_turn(&Target::task(without, "plain"), &Target::task(&limited, "plain"), 16, scratch)?;
    show("rates", &rounds);
    report.mark(
        "throughput with rates for the tenant, against none",
        "—",
        format!("{:.3}", ratio(&rounds)),
        true,
    );

    let data = tempfile::tempdir()?;
    let ruled = Server::oriel(data.path(), &[])?;
    prepare(&ruled).await?;
    for at in 0..20 {
        let text = format!(
            "forbid (principal, action == Oriel::Action::\"executeTask\", resource == Oriel::Task::\"secret-{at}\") unless {{ context.mfa }};"
        );
        ruled
            .send(Method::PUT, &format!("/api/v1/access/policies/no-{at}"), &json!({"text": text}))
            .await?;
    }
    let rounds = in_turn(&Target::task(without, "plain"), &Target::task(&ruled, "plain"), 16, scratch)?;
    show("20 policies", &rounds);
    report.mark(
        "throughput with 20 policies about tasks, against none",
        "—",
        format!("{:.3}", ratio(&rounds)),
        true,
    );
    Ok(())
}
