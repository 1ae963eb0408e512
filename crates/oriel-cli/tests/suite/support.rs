//! A home of its own for each test, the binary in it, and servers to talk to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

/// A directory that stands for the user's home and working directory.
pub(crate) struct Home {
    pub(crate) dir: tempfile::TempDir,
}

/// What a command did.
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Done {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }

    /// The same, which must have succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 0, "{}\n{}", self.out, self.err);
        self
    }

    /// The same, which must have failed with this status and code.
    #[track_caller]
    pub(crate) fn fails(self, status: i32, code: &str) -> Self {
        assert_eq!(self.status, status, "{}\n{}", self.out, self.err);
        assert!(self.err.contains(&format!("error[{code}]")), "{}", self.err);
        self
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file below it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The binary, in this home, with nothing of the caller's settings.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.program(env!("CARGO_BIN_EXE_oriel"), args)
    }

    /// Any other program, in the same way; it finds the binary as `$ORIEL`.
    pub(crate) fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORIEL_") && name != "ORIEL_TOOLCHAINS") {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("ORIEL", env!("CARGO_BIN_EXE_oriel"))
            .env_remove("NO_COLOR")
            .env_remove("VISUAL")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        Done::of(self.command(args).output().unwrap())
    }
}

/// A server in a process of its own; ends with the value.
pub(crate) struct Server {
    child: Child,
    pub(crate) url: String,
    pub(crate) key: String,
    pub(crate) home: Home,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let home = Home::new();
        let mut command = home.command(&[
            "serve",
            "--json",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
            "data",
            "--log-level",
            "error",
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let about: Value = serde_json::from_str(&line).unwrap();
        let text = |key: &str| about[key].as_str().unwrap().to_owned();
        Self {
            child,
            url: text("address"),
            key: text("ownerKey"),
            home,
        }
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        signal(&self.child, "TERM");
    }

    /// A command that talks to this server as its owner.
    pub(crate) fn run(&self, args: &[&str]) -> Done {
        self.run_with(args, "")
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Done {
        self.run_as(&self.key, args, input)
    }

    /// The same, not started yet.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.command_as(&self.key, args)
    }

    fn command_as(&self, key: &str, args: &[&str]) -> Command {
        let mut command = self.home.command(args);
        command.env("ORIEL_URL", &self.url).env("ORIEL_API_KEY", key);
        command
    }

    pub(crate) fn run_as(&self, key: &str, args: &[&str], input: &str) -> Done {
        let mut child = self
            .command_as(key, args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Done::of(child.wait_with_output().unwrap())
    }
}

/// How long a test waits for what never comes.
const PATIENCE: Duration = Duration::from_secs(120);

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
}

/// A command that a test watches, and may talk to, while it runs; ends with the value.
pub(crate) struct Watched {
    child: Child,
    printed: Receiver<Vec<u8>>,
    unseen: String,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watched {
    /// Starts it; both of its streams are watched as one.
    pub(crate) fn start(mut command: Command) -> Self {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
        // It holds the pipe open on our side.
        drop(command);
        let (sender, printed) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            printed,
            unseen: String::new(),
        }
    }

    /// Starts it on a terminal of its own: that of `script`, which every Linux distribution has.
    pub(crate) fn on_terminal(command: &Command) -> Self {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut script = Command::new("script");
        script.args(["-qec", &line.join(" "), "/dev/null"]).stdin(Stdio::piped());
        script.current_dir(command.get_current_dir().unwrap());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        // Paint would stand between the words that tests wait for.
        script.env("NO_COLOR", "1");
        Self::start(script)
    }

    /// Waits until it prints these words; answers everything that it printed since the last ones.
    #[track_caller]
    pub(crate) fn until(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.unseen.find(words) {
                let rest = self.unseen.split_off(at + words.len());
                return std::mem::replace(&mut self.unseen, rest);
            }
            match self.printed.recv_timeout(PATIENCE) {
                Ok(piece) => self.unseen.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("no `{words}`, {error}: {}", self.unseen),
            }
        }
    }

    /// Types something.
    pub(crate) fn types(&mut self, keys: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end. What it printed last is in `err`, whichever stream it was.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Done {
        loop {
            match self.printed.recv_timeout(PATIENCE) {
                Ok(piece) => self.unseen.push_str(&String::from_utf8_lossy(&piece)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {}", self.unseen),
            }
        }
        Done {
            status: self.child.wait().unwrap().code().unwrap_or(-1),
            out: String::new(),
            err: std::mem::take(&mut self.unseen),
        }
    }
}

/// A Rust project as `oriel new` makes it, built once for the whole suite. Answers its directory.
pub(crate) fn built_project() -> &'static Path {
    static PROJECT: OnceLock<Home> = OnceLock::new();
    let home = PROJECT.get_or_init(|| {
        let home = Home::new();
        home.run(&["new", "field-counter", "--lang", "rust"]).ok();
        home.run(&["build", "field-counter"]).ok();
        home
    });
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| home.path().join("field-counter"))
}

/// Its package, packed once.
pub(crate) fn package() -> &'static str {
    static PACKAGE: OnceLock<String> = OnceLock::new();
    PACKAGE.get_or_init(|| {
        let dir = built_project();
        let out = Home::new()
            .run(&[
                "pack",
                dir.to_str().unwrap(),
                "--no-build",
                "-o",
                dir.parent().unwrap().to_str().unwrap(),
                "--json",
            ])
            .ok();
        out.json()["path"].as_str().unwrap().to_owned()
    })
}
