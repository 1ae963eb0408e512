//! Installing and upgrading while the server works.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use crate::report::{Report, median};
use crate::server::Server;
use crate::{guests, load};

const ROUNDS: usize = 15;

pub async fn run(report: &mut Report, scratch: &Path) -> Result<()> {
    println!("\ninstall");
    let data = tempfile::tempdir()?;
    let server = Server::oriel(data.path(), &[])?;
    let package = guests::answer("rust")?;
    server.install(guests::packed(&package)?).await?;
    let (mut known, mut over) = (vec![], vec![]);
    for round in 0..ROUNDS {
        let again = guests::packed(&guests::named(&package, &format!("again-{round}"))?)?;
        let begun = Instant::now();
        server.install(again).await?;
        known.push(begun.elapsed().as_secs_f64());

        let new = guests::named(&guests::distinct(&package, &round.to_string()), &format!("new-{round}"))?;
        let begun = Instant::now();
        crate::raw::Raw::compile(new.component.as_ref().expect("the guests are components"))?;
        let compiling = begun.elapsed().as_secs_f64();
        let new = guests::packed(&new)?;
        let begun = Instant::now();
        server.install(new).await?;
        over.push(begun.elapsed().as_secs_f64() - compiling);
    }
    let (known, over) = (Duration::from_secs_f64(median(known)), median(over));
    report.mark(
        "install of a package compiled before",
        "under 50 ms",
        format!("{known:.2?}"),
        known < Duration::from_millis(50),
    );
    report.mark(
        "install of a new package, above its compile time",
        "at most 100 ms",
        format!("{:.1} ms", over * 1e3),
        over <= 0.100,
    );
    reload(report, &server, scratch).await
}

/// Upgrades under load.
async fn reload(report: &mut Report, server: &Server, scratch: &Path) -> Result<()> {
    server.create_task("answer", "answer-rust", "answer").await?;
    let package = guests::answer("rust")?;
    let mut releases = vec![];
    for minor in 1..=20 {
        let mut release = guests::distinct(&package, &format!("reload-{minor}"));
        release.manifest.version = semver::Version::new(1, minor, 0);
        releases.push(guests::packed(&release)?);
    }
    let body = vec![json!({"taskId": "answer", "input": {"name": "Ada Lovelace", "n": 41}}).to_string()];
    let seen = std::thread::scope(|scope| {
        let load = scope.spawn(|| load::post(server, "/api/v1/tasks/execute", &body, 16, 10, scratch));
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async {
                for release in releases {
                    server.upgrade("answer-rust", release).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                anyhow::Ok(())
            })
        })?;
        load.join().expect("the load does not panic")
    })?;
    println!("  20 upgrades under load: {seen}");
    report.mark(
        "hot reload: calls lost in 20 upgrades under load",
        "none",
        format!("{} of {:.0}", seen.failed, seen.per_second * 10.0),
        seen.failed == 0,
    );
    Ok(())
}
