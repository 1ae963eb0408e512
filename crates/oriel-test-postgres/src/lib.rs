//! A real PostgreSQL server for tests: found on this machine, started in a directory of its own, gone
//! afterwards.
//!
//! It is deliberately not a client (tests connect with what they test) and never a mock. It listens on a socket
//! in its own directory only, so tests neither race for ports nor reach, or are reached by, another server.
//!
//! Start at [`Postgres::shared`], then [`Postgres::create_database`] for each test.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Keeps the server running until its standard input closes, which the kernel does even when we are killed.
const SUPERVISE: &str = include_str!("supervise.sh");

/// Why there is no server or database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL is not installed.
    #[error(
        "PostgreSQL's server programs are not installed (looked for initdb on PATH and in /usr/lib/postgresql): run `cargo xtask setup`"
    )]
    NotInstalled,
    /// PostgreSQL refuses to run as root, and there is nobody else to run it.
    #[error("PostgreSQL does not run as root, and this machine has neither a user `postgres` nor a user `nobody`")]
    NoUser,
    /// A program could not be started.
    #[error("could not run {program}")]
    Run {
        /// Which one.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A program ran and failed.
    #[error("{program} failed: {log}")]
    Failed {
        /// Which one.
        program: &'static str,
        /// What it said.
        log: String,
    },
}

/// How the server runs.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether commits reach the disk before they are acknowledged. Off by default: a test's data need not outlive
    /// a power loss, and it makes tests faster. Switch it on to measure.
    pub fsync: bool,
    /// Further settings, as `name=value`; values hold no spaces.
    pub settings: Vec<String>,
}

/// A running server; dropping it stops it and removes its directory.
#[derive(Debug)]
pub struct Postgres {
    supervisor: Child,
    directory: PathBuf,
    programs: PathBuf,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts a server with default options and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start; its log is part of the message.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(&Options::default())
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start; its log is part of the message.
    pub fn start_with(options: &Options) -> Result<Self, Error> {
        let programs = programs().ok_or(Error::NotInstalled)?;
        let mut settings = options.settings.clone();
        if !options.fsync {
            settings.extend(["fsync=off", "full_page_writes=off"].map(String::from));
        }
        let settings: String = settings.iter().map(|setting| format!(" -c {setting}")).collect();

        let mut command = Command::new("/bin/sh");
        command.args(["-c", SUPERVISE, "oriel-test-postgres"]);
        command.arg(&programs).arg(std::env::temp_dir()).arg(settings);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        // A process group of its own: Ctrl-C on the tests must not stop the supervisor before it has cleaned up.
        command.process_group(0);
        if is_root() {
            let (user, group) = unprivileged_user().ok_or(Error::NoUser)?;
            command.uid(user).gid(group);
        }
        let mut supervisor = command.spawn().map_err(|source| Error::Run { program: "sh", source })?;

        let mut answer = String::new();
        let mut output = BufReader::new(supervisor.stdout.take().expect("standard output is piped"));
        let read = output.read_line(&mut answer);
        let Some(directory) = read.ok().and_then(|_| answer.trim_end().strip_prefix("ready ")) else {
            let mut log = String::new();
            // What could be read of the log is all there is to say.
            let _ = output.read_to_string(&mut log);
            let _ = supervisor.wait();
            return Err(Error::Failed {
                program: "initdb or postgres",
                log,
            });
        };
        Ok(Self {
            directory: directory.into(),
            supervisor,
            programs,
            databases: AtomicU32::new(0),
        })
    }

    /// The server that all tests of this process share; started by whoever comes first, stopped when the process ends.
    ///
    /// # Panics
    /// When it cannot be started: a test that needs a database must fail without one, not pass.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start().unwrap_or_else(|error| panic!("{error}")))
    }

    /// The URL of the maintenance database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        self.database_url("postgres")
    }

    /// Makes an empty database that nobody else uses and answers its URL.
    ///
    /// # Errors
    /// When the server refuses; its words are part of the message.
    pub fn create_database(&self) -> Result<String, Error> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.execute("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(self.database_url(&name))
    }

    /// Runs SQL in a database through `psql` and answers what it prints, one row per line, columns joined by `|`.
    ///
    /// # Errors
    /// When the server refuses; its words are part of the message.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, Error> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args([
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--username=postgres",
        ]);
        psql.arg("--host")
            .arg(&self.directory)
            .args(["--dbname", database, "--command", sql]);
        let output = psql
            .stdin(Stdio::null())
            .output()
            .map_err(|source| Error::Run { program: "psql", source })?;
        answer("psql", &output)
    }

    fn database_url(&self, name: &str) -> String {
        let directory = self.directory.to_string_lossy().replace('%', "%25").replace('/', "%2F");
        format!("postgres://postgres@localhost/{name}?host={directory}")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // Nobody is left to tell of a failure.
        let _ = self.supervisor.wait();
    }
}

fn answer(program: &'static str, output: &Output) -> Result<String, Error> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    } else {
        Err(Error::Failed {
            program,
            log: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// The directory of `initdb` and its like: the newest version that Debian's packages put aside, else PATH.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .max_by_key(|(version, _)| *version);
    let path = std::env::var_os("PATH").unwrap_or_default();
    newest
        .map(|(_, directory)| directory)
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(|directory| {
            ["initdb", "postgres", "pg_isready", "psql"]
                .iter()
                .all(|program| directory.join(program).is_file())
        })
}

/// Whether we are the superuser, as the kernel says of our own process.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    Path::new("/proc/self").metadata().is_ok_and(|own| own.uid() == 0)
}

/// The user and group to run as when we are root.
fn unprivileged_user() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    })
}
