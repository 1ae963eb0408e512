//! The demo's server: a process of its own, with a data directory of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::oriel::{Oriel, foreign_variables};
use crate::shell::run;
use crate::ui;

/// A running server; dropping it ends it.
pub(super) struct Server {
    child: Child,
    address: String,
    key: String,
    log: PathBuf,
    programs: PathBuf,
}

impl Server {
    /// Starts it on a free port, with everything it keeps and logs under `directory`.
    ///
    /// # Errors
    /// When it does not come up; its log says why.
    pub(super) fn start(binary: &Path, directory: &Path) -> Result<Self> {
        let log = directory.join("server.log");
        let mut command = Command::new(binary);
        for name in foreign_variables() {
            command.env_remove(name);
        }
        let args = ["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", "data"];
        ui::command(&format!("oriel {}", args.join(" ")));
        let mut child = command
            .args(args)
            // Each attack is shown at work. A server left to itself stops calling such an extension after a few of them.
            .env("ORIEL_HEALTH_CRASHES", "0")
            .env("ORIEL_HEALTH_ERROR_RATE", "100")
            // Its own directory: an `oriel.toml` of the caller's is not the demo's.
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .context("could not start the server")?;
        let mut told = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut told)?;
        }
        let mut server = Self {
            child,
            address: String::new(),
            key: String::new(),
            programs: binary.parent().map(Path::to_path_buf).unwrap_or_default(),
            log,
        };
        let Ok(told) = serde_json::from_str::<Value>(&told) else {
            bail!("the server did not come up:\n{}", std::fs::read_to_string(&server.log)?.trim_end());
        };
        let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        (server.address, server.key) = (text("address"), text("ownerKey"));
        ensure!(
            !server.address.is_empty() && !server.key.is_empty(),
            "the server told no address or key"
        );
        ui::line(&format!("    {}, process {}", server.address, server.child.id()));
        Ok(server)
    }

    /// A client with the owner's key.
    pub(super) fn client(&self, binary: &Path) -> Oriel {
        Oriel::new(binary, &self.address, &self.key)
    }

    /// Where it answers.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// The owner's key, which is worth nothing after the demo.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// What it wrote on standard error.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Where the binary is.
    pub(super) fn programs(&self) -> &Path {
        &self.programs
    }

    /// Forgets how much memory it has used so far, so that [`Server::peak_memory`] tells of what comes next.
    pub(super) fn forget_peak_memory(&self) {
        // See proc(5): 5 resets the peak resident set size. Where that cannot be, the peak is since the start.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5");
    }

    /// The most resident memory it had, in bytes; nothing where the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        high_water_mark(&status)
    }

    /// Waits until somebody ends it.
    ///
    /// # Errors
    /// When it ends with a failure.
    pub(super) fn wait(mut self) -> Result<()> {
        self.ended()
    }

    /// Asks it to drain and end, and waits for that.
    ///
    /// # Errors
    /// When it does not end as it should.
    pub(super) fn stop(mut self) -> Result<()> {
        self.terminate();
        self.ended()
    }

    fn terminate(&self) {
        // The standard library can only kill. The shell's own `kill` is there even where no program of that name is.
        let ask = format!("kill -TERM {}", self.child.id());
        run("sh").args(["-c", &ask]).succeeds();
    }

    fn ended(&mut self) -> Result<()> {
        let status = self.child.wait()?;
        ensure!(
            status.success(),
            "the server ended with {status}; its log is {}",
            self.log.display()
        );
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.terminate();
            let _ = self.child.wait();
        }
    }
}

/// Reads `VmHWM:   123 kB` of /proc/PID/status, in bytes.
fn high_water_mark(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read() {
        let status = "Name:\toriel\nVmPeak:\t  900 kB\nVmHWM:\t   1234 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(high_water_mark(status), Some(1234 * 1024));
        assert_eq!(high_water_mark("Name:\toriel\n"), None);
    }
}
