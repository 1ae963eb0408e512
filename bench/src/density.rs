//! Many extensions on one server: what they cost at rest, and when all are called.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use crate::report::{Report, median, percentile};
use crate::server::Server;
use crate::{guests, load};

/// Requests of the installing client at once.
const INSTALLING: usize = 4;

pub async fn run(report: &mut Report, scratch: &Path) -> Result<()> {
    println!("\ndensity");
    for (count, seconds, megabytes) in [(1_000, 1.0, 200.0), (10_000, 3.0, 600.0)] {
        let data = tempfile::tempdir()?;
        let server = Arc::new(Server::oriel(data.path(), &[])?);
        let begun = Instant::now();
        fill(&server, count).await?;
        println!("  {count} installed in {:.1?}", begun.elapsed());
        Arc::into_inner(server).map_or(Ok(()), Server::stop)?;
        let mut ready = vec![];
        for _ in 0..3 {
            let server = Server::oriel(data.path(), &[])?;
            ready.push(server.came_up.as_secs_f64());
            server.stop()?;
        }
        let server = Server::oriel(data.path(), &[])?;
        let (resident, _) = server.memory()?;
        let ready = median(ready);
        report.mark(
            format!("{count} installed extensions: restart to ready; resident memory"),
            format!("under {seconds} s; under {megabytes} MB"),
            format!("{:.2?}; {resident:.0} MB", Duration::from_secs_f64(ready)),
            ready < seconds && resident < megabytes,
        );
        let mut cold = vec![];
        for at in (0..count).step_by(count / 200) {
            let begun = Instant::now();
            let path = format!("/api/v1/extensions/answer-{at}/programs/answer/call");
            server.post(&path, &json!({"input": {"name": "Ada", "n": 1}})).await?;
            cold.push(begun.elapsed().as_secs_f64());
        }
        let (half, most) = (percentile(&mut cold, 0.5), percentile(&mut cold, 1.0));
        report.mark(
            format!("a first call to each of 200 of {count} extensions, after a restart"),
            "under 20 ms",
            format!(
                "p50 {:.2?}, at most {:.2?}",
                Duration::from_secs_f64(half),
                Duration::from_secs_f64(most)
            ),
            most < 0.020,
        );
        if count == 1_000 {
            active(report, &server, scratch).await?;
        }
    }
    Ok(())
}

/// Components that differ; beyond so many, extensions share them, or compiling would take most of an hour.
const COMPONENTS: usize = 1_000;

/// Installs so many extensions.
async fn fill(server: &Arc<Server>, count: usize) -> Result<()> {
    let package = Arc::new(guests::answer("rust")?);
    let workers: Vec<_> = (0..INSTALLING)
        .map(|worker| {
            let (server, package) = (server.clone(), package.clone());
            tokio::spawn(async move {
                for at in (worker..count).step_by(INSTALLING) {
                    let package = guests::named(&guests::distinct(&package, &(at % COMPONENTS).to_string()), &format!("answer-{at}"))?;
                    server.install(guests::packed(&package)?).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    Ok(())
}

async fn active(report: &mut Report, server: &Server, scratch: &Path) -> Result<()> {
    let mut bodies = vec![];
    for at in 0..100 {
        let task = format!("answer-{at}");
        server.create_task(&task, &task, "answer").await?;
        bodies.push(json!({"taskId": task, "input": {"name": "Ada Lovelace", "n": 41}}).to_string());
    }
    let mut ratios = vec![];
    for _ in 0..5 {
        let one = load::post(server, "/api/v1/tasks/execute", &bodies[..1], 16, 3, scratch)?;
        let all = load::post(server, "/api/v1/tasks/execute", &bodies, 16, 3, scratch)?;
        println!("  one extension {one}\n  100 in turn   {all}");
        ratios.push(all.per_second / one.per_second);
    }
    let ratio = median(ratios);
    report.mark(
        "100 active extensions against one: throughput",
        "at least 0.9",
        format!("{ratio:.2}"),
        ratio >= 0.9,
    );
    Ok(())
}
