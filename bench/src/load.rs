//! Load by `wrk`, a client that is faster than any server here.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::server::Server;

/// What `wrk` saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Replies that were not 2xx or 3xx, and connections that failed.
    pub failed: u64,
}

/// One thread of `wrk`, writing what it saw as JSON; requests are taken in turn.
const SCRIPT: &str = r#"
local requests, turn = {}, 0
function init(args)
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, nil, line)
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\n{"seconds":%f,"requests":%d,"p50":%f,"p99":%f,"failed":%d}\n', summary.duration / 1e6,
    summary.requests, latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// Posts these bodies to `path` in turn over so many connections.
pub fn post(server: &Server, path: &str, bodies: &[String], connections: usize, seconds: u64, scratch: &Path) -> Result<Seen> {
    let (script, file) = (scratch.join("post.lua"), scratch.join(format!("bodies-{connections}.ndjson")));
    std::fs::write(&script, SCRIPT)?;
    std::fs::write(&file, bodies.join("\n"))?;
    let output = Command::new("wrk")
        .args([
            "-t",
            "1",
            "-c",
            &connections.to_string(),
            "-d",
            &seconds.to_string(),
            "--timeout",
            "20",
        ])
        .args(["-H", &format!("Authorization: {}", Server::authorization())])
        .args(["-H", "Content-Type: application/json", "-s"])
        .args([&script])
        .arg(format!("{}{path}", server.address))
        .args([&file])
        .stderr(Stdio::inherit())
        .output()
        .context("wrk is not installed: `cargo xtask bench` installs it")?;
    ensure!(output.status.success(), "wrk failed");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().rfind(|line| line.starts_with('{')).context("wrk told nothing")?;
    let seen: Value = serde_json::from_str(line)?;
    let figure = |name: &str| seen[name].as_f64().unwrap_or(f64::NAN);
    let micros = |name: &str| Duration::from_secs_f64(figure(name).max(0.0) / 1e6);
    Ok(Seen {
        per_second: figure("requests") / figure("seconds"),
        p50: micros("p50"),
        p99: micros("p99"),
        failed: seen["failed"].as_u64().unwrap_or(u64::MAX),
    })
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>9.0}/s  p50 {:>9.3?}  p99 {:>9.3?}", self.per_second, self.p50, self.p99)?;
        if self.failed > 0 {
            write!(f, "  {} FAILED", self.failed)?;
        }
        Ok(())
    }
}
