//! Many items in one request, against the same calls with no platform around them.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use crate::guests;
use crate::report::{Report, median};
use crate::server::Server;

const ITEMS: usize = 10_000;
const ROUNDS: usize = 15;

/// A batch of items of about 100 bytes each.
pub fn body(task: &str, items: usize) -> String {
    let text = "x".repeat(38);
    let items: Vec<Value> = (0..items)
        .map(|n| json!({"id": format!("item-{n:06}"), "input": {"name": text, "n": n}}))
        .collect();
    json!({"taskId": task, "items": items, "maxConcurrency": 2}).to_string()
}

/// Items per second of one batch.
async fn once(server: &Server, path: &str, body: &str, items: usize) -> Result<f64> {
    let body = body.to_owned();
    let begun = Instant::now();
    let request = server.request(Method::POST, path).header("content-type", "application/json");
    let response = request.body(body).send().await?.error_for_status()?;
    let reply = response.bytes().await?;
    let rate = items as f64 / begun.elapsed().as_secs_f64();
    let succeeded = memchr::memmem::find_iter(&reply, b"\"success\":true").count();
    ensure!(succeeded == items, "{succeeded} of {items} items succeeded");
    Ok(rate)
}

pub async fn run(report: &mut Report, scratch: &Path) -> Result<()> {
    println!("\nbatch: {ITEMS} items of 100 B in one POST");
    for (language, wanted) in [("rust", 400_000.0), ("javascript", 100_000.0), ("python", 80_000.0)] {
        let ceiling = Server::ceiling(&guests::component(language, scratch)?)?;
        let (on, off) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let recording = Server::oriel(on.path(), &[])?;
        let silent = Server::oriel(off.path(), &[("ORIEL_RECORDING", "false")])?;
        for server in [&recording, &silent] {
            server.install(guests::packed(&guests::answer(language)?)?).await?;
            server.create_task("answer", &format!("answer-{language}"), "answer").await?;
        }
        let body = body("answer", ITEMS);
        let api = "/api/v1/tasks/batch/execute";
        let (mut most, mut with, mut without) = (vec![], vec![], vec![]);
        for round in 0..ROUNDS + 3 {
            let rates = [
                once(&ceiling, "/batch", &body, ITEMS).await?,
                once(&recording, api, &body, ITEMS).await?,
                once(&silent, api, &body, ITEMS).await?,
            ];
            // The first rounds warm up.
            if round >= 3 {
                most.push(rates[0]);
                with.push(rates[1]);
                without.push(rates[2]);
            }
        }
        let (most, with, without) = (median(most), median(with), median(without));
        println!("  {language:<10} ceiling {most:>9.0}/s  recorded {with:>9.0}/s  not recorded {without:>9.0}/s");
        report.mark(
            format!("batch of 10,000 items, {language}, recorded, against the ceiling of the same run"),
            format!("at least 0.6; {wanted:.0} items/s"),
            format!("{:.2}; {with:.0} items/s", with / most),
            with >= 0.6 * most && with >= wanted,
        );
        report.mark(
            format!("recording against recording off, batch throughput, {language}"),
            "at most 25 % less",
            format!("{:.0} % less", (1.0 - with / without) * 100.0),
            with >= 0.75 * without,
        );
    }
    large(report).await
}

/// 100,000 items in one request: what it takes of memory.
async fn large(report: &mut Report) -> Result<()> {
    let items = 100_000;
    let data = tempfile::tempdir()?;
    let server = Server::oriel(data.path(), &[])?;
    server.install(guests::packed(&guests::answer("rust")?)?).await?;
    server.create_task("answer", "answer-rust", "answer").await?;
    let body = body("answer", items);
    let mut rates = vec![];
    for _ in 0..3 {
        rates.push(once(&server, "/api/v1/tasks/batch/execute", &body, items).await?);
    }
    let (_, peak) = server.memory()?;
    println!("  100,000 items {:>9.0}/s  peak {peak:.0} MB", median(rates));
    report.mark(
        "batch of 100,000 items: server memory",
        "under 500 MB",
        format!("{peak:.0} MB"),
        peak < 500.0,
    );
    Ok(())
}
