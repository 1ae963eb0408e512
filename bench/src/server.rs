//! Processes under measurement: a real `oriel serve` with its API, and the ceiling to compare it with.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

/// Nobody but this machine reaches the server, which ends with the run.
const KEY: &str = "the-owner-key-of-the-benchmarks";

/// A process that listens; it ends with the value.
pub struct Server {
    child: Child,
    pub address: String,
    http: reqwest::Client,
    /// From its start until it said that it was ready.
    pub came_up: Duration,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is left to tell of a failure.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// The binary to measure.
    pub fn binary() -> Result<PathBuf> {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist/oriel");
        let binary = std::env::var_os("ORIEL_BENCH_BINARY").map_or(default, PathBuf::from);
        ensure!(binary.is_file(), "{} is not there: `cargo xtask bench` builds it", binary.display());
        Ok(binary)
    }

    /// `oriel serve` on a free port, with these settings beside the defaults.
    pub fn oriel(directory: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(Self::binary()?);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORIEL_")) {
            command.env_remove(name);
        }
        command
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log-level", "error", "--data-dir"])
            .arg(directory)
            .current_dir(directory)
            .envs(settings.iter().copied())
            .env("ORIEL_BOOTSTRAP_KEY", KEY);
        Self::start(command)
    }

    /// The bare echo server and batch ceiling, which call this component directly.
    pub fn ceiling(component: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("ceiling").arg(component);
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self> {
        let begun = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let came_up = begun.elapsed();
        let told: Value = serde_json::from_str(&line).with_context(|| format!("the process did not come up: {line}"))?;
        let address = told["address"].as_str().context("the process told no address")?.to_owned();
        let http = reqwest::Client::builder().pool_max_idle_per_host(64).build()?;
        Ok(Self {
            child,
            address,
            http,
            came_up,
        })
    }

    /// Ends it in order, so that everything is on the disk.
    pub fn stop(mut self) -> Result<()> {
        let ended = Command::new("kill").arg(self.child.id().to_string()).status()?;
        ensure!(ended.success(), "kill failed");
        self.child.wait()?;
        Ok(())
    }

    /// Megabytes resident now, and at most so far.
    pub fn memory(&self) -> Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| -> f64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            let kib: f64 = line
                .split_whitespace()
                .nth(1)
                .and_then(|value| value.parse().ok())
                .unwrap_or(f64::NAN);
            kib / 1_024.0
        };
        Ok((field("VmRSS:"), field("VmHWM:")))
    }

    /// Forgets the highest resident memory so far.
    pub fn forget_peak(&self) -> Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").context("the peak cannot be reset")
    }

    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.address)).bearer_auth(KEY)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(reqwest::Method::POST, path, body).await
    }

    pub async fn send(&self, method: reqwest::Method, path: &str, body: &Value) -> Result<Value> {
        Self::checked(self.request(method, path).json(body)).await
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        Self::checked(self.request(reqwest::Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        Self::checked(self.request(reqwest::Method::DELETE, path)).await
    }

    async fn checked(request: reqwest::RequestBuilder) -> Result<Value> {
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{status}: {text}");
        }
        Ok(if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)?
        })
    }

    async fn send_package(&self, path: &str, package: Vec<u8>) -> Result<Value> {
        let request = self.request(reqwest::Method::POST, path);
        Self::checked(request.header("content-type", "application/vnd.oriel.package").body(package)).await
    }

    pub async fn install(&self, package: Vec<u8>) -> Result<Value> {
        self.send_package("/api/v1/extensions?grant=true", package).await
    }

    pub async fn upgrade(&self, name: &str, package: Vec<u8>) -> Result<Value> {
        self.send_package(&format!("/api/v1/extensions/{name}/upgrade?grant=true"), package)
            .await
    }

    pub async fn create_task(&self, name: &str, extension: &str, program: &str) -> Result<()> {
        let task = json!({"name": name, "program": {"extension": extension, "name": program}});
        self.post("/api/v1/tasks", &task).await.map(drop)
    }

    /// The key's header, for clients of other kinds.
    pub fn authorization() -> String {
        format!("Bearer {KEY}")
    }
}
