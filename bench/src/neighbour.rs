//! What a hostile guest does to its neighbours' latency.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

use crate::report::{Report, median};
use crate::server::Server;
use crate::{guests, load};

const ROUNDS: usize = 3;
const SECONDS: u64 = 4;

/// Without the circuit breaker, and with it as it is unless an operator says otherwise.
const BREAKERS: [(&str, &[(&str, &str)]); 2] = [
    ("no breaker", &[("ORIEL_HEALTH_CRASHES", "0"), ("ORIEL_HEALTH_ERROR_RATE", "100")]),
    ("breaker", &[]),
];

pub async fn run(report: &mut Report, scratch: &Path) -> Result<()> {
    println!("\nneighbours of a hostile guest");
    let package = hostile(scratch)?;
    for (name, settings) in BREAKERS {
        let data = tempfile::tempdir()?;
        let server = Server::oriel(data.path(), settings)?;
        server.install(guests::packed(&guests::answer("rust")?)?).await?;
        server.create_task("answer", "answer-rust", "answer").await?;
        println!(" {name}");
        for attack in ["loop", "memory-bomb", "recurse", "log-flood", "huge-output", "panic"] {
            beside(report, scratch, &server, &package, name, attack).await?;
        }
    }
    Ok(())
}

/// Measures one neighbour beside one attack.
async fn beside(report: &mut Report, scratch: &Path, server: &Server, package: &[u8], name: &str, attack: &str) -> Result<()> {
    let body = vec![json!({"taskId": "answer", "input": {"name": "Ada Lovelace", "n": 41}}).to_string()];
    let attacks = vec![json!({"input": {}}).to_string()];
    let path = format!("/api/v1/extensions/hostile/programs/{attack}/call");
    let (mut quiet, mut beside) = (vec![], vec![]);
    let mut state = String::new();
    for _ in 0..ROUNDS {
        // A new installation each time, of which the breaker knows nothing yet.
        server.install(package.to_vec()).await?;
        // One call after the other: what one user feels.
        quiet.push(load::post(server, "/api/v1/tasks/execute", &body, 1, SECONDS, scratch)?);
        beside.push(std::thread::scope(|scope| {
            let storm = scope.spawn(|| load::post(server, &path, &attacks, 4, SECONDS + 1, scratch));
            std::thread::sleep(std::time::Duration::from_millis(500));
            let seen = load::post(server, "/api/v1/tasks/execute", &body, 1, SECONDS, scratch)?;
            storm.join().expect("the load does not panic")?;
            anyhow::Ok(seen)
        })?);
        let health = server.get("/api/v1/extensions/hostile/health").await?;
        state = health["state"].as_str().unwrap_or_default().to_owned();
        server.delete("/api/v1/extensions/hostile").await?;
    }
    let p99 = |seen: &[load::Seen]| median(seen.iter().map(|seen| seen.p99.as_secs_f64()).collect());
    println!("  {attack:<12} quiet {}\n               beside {}  {state}", quiet[0], beside[0]);
    ensure!(beside.iter().all(|seen| seen.failed == 0), "a neighbour's call failed");
    let ratio = p99(&beside) / p99(&quiet);
    report.mark(
        format!("p99 of a neighbour of `{attack}`, four of which run all the time, against its quiet value; {name}"),
        "at most 1.5 times",
        format!("{ratio:.2} times ({:.0} µs, {:.0} µs quiet)", p99(&beside) * 1e6, p99(&quiet) * 1e6),
        ratio <= 1.5,
    );
    Ok(())
}

/// The example that attacks.
fn hostile(scratch: &Path) -> Result<Vec<u8>> {
    let file = scratch.join("hostile.oriel");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/hostile");
    let status = Command::new(Server::binary()?)
        .arg("pack")
        .arg(example)
        .arg("--output")
        .arg(&file)
        .stdout(std::process::Stdio::null())
        .status()?;
    ensure!(status.success(), "the hostile example does not build");
    Ok(std::fs::read(file)?)
}
