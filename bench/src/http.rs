//! One call per request, against a server that only echoes.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use oriel_package::Package;
use serde_json::json;

use crate::report::{Report, median};
use crate::server::Server;
use crate::{guests, load};

const SECONDS: u64 = 4;
const ROUNDS: usize = 3;

pub async fn run(report: &mut Report, scratch: &Path) -> Result<()> {
    println!("\nHTTP: one call per request, recorded, warm");
    let package = guests::answer("rust")?;
    let ceiling = Server::ceiling(&guests::component("rust", scratch)?)?;
    let data = tempfile::tempdir()?;
    let server = Server::oriel(data.path(), &[])?;
    server.install(guests::packed(&package)?).await?;
    server.create_task("reused", "answer-rust", "answer").await?;
    server.install(guests::packed(&fresh(&package)?)?).await?;
    server.create_task("fresh", "answer-fresh", "answer").await?;
    let body = |task: &str| vec![json!({"taskId": task, "input": {"name": "Ada Lovelace", "n": 41}}).to_string()];
    for connections in [16, 64] {
        let (mut ratios, mut fresh_ratios, mut tails, mut rates) = (vec![], vec![], vec![], vec![]);
        for _ in 0..ROUNDS {
            let post = |server, path, task: &str| load::post(server, path, &body(task), connections, SECONDS, scratch);
            let echo = post(&ceiling, "/echo", "reused")?;
            let reused = post(&server, "/api/v1/tasks/execute", "reused")?;
            let fresh = post(&server, "/api/v1/tasks/execute", "fresh")?;
            println!(
                "  {connections:>3} connections  echo    {echo}\n                   reuse   {reused}\n                   fresh   {fresh}"
            );
            ratios.push(reused.per_second / echo.per_second);
            fresh_ratios.push(fresh.per_second / echo.per_second);
            tails.push(reused.p99.as_secs_f64());
            rates.push(reused.per_second);
        }
        let (ratio, fresh, tail) = (median(ratios), median(fresh_ratios), median(tails));
        report.mark(
            format!("HTTP execute, recorded, warm, against the bare axum echo server, {connections} connections"),
            "at least 0.6, p99 under 8 ms",
            format!("{ratio:.2} ({:.0}/s), p99 {:.2?}", median(rates), Duration::from_secs_f64(tail)),
            ratio >= 0.6 && tail < 0.008,
        );
        report.mark(
            format!("the same with a fresh instance per call, {connections} connections"),
            "at least 0.3",
            format!("{fresh:.2}"),
            fresh >= 0.3,
        );
    }
    Ok(())
}

fn fresh(package: &Package) -> Result<Package> {
    let mut package = guests::named(package, "answer-fresh")?;
    package.manifest.reuse = oriel::model::manifest::Reuse::Fresh;
    Ok(package)
}
