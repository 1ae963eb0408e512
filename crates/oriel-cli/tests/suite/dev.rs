//! `oriel dev`: build, install, watch, reload, and an end that leaves nothing behind.

use std::process::Command;

use super::support::{Done, Home, Server, Watched};

const SOURCE: &str = "hello/src/main.js";
const MANIFEST: &str = "hello/extension.toml";

/// A home with a project in JavaScript, whose answer is `{ said: SAID }`. Its build is the quickest.
fn project(said: &str) -> Home {
    let home = Home::new();
    home.run(&["new", "hello", "--lang", "javascript"]).ok();
    save(&home, SOURCE, &source(said));
    home
}

fn source(said: &str) -> String {
    let program = format!("export default extension({{ programs: {{ summarise: () => ({{ said: {said} }}) }} }});\n");
    format!("import {{ extension }} from \"@oriel/extension\";\n\n{program}")
}

/// Saves a file of the project as editors do: whole.
fn save(home: &Home, name: &str, text: &str) {
    let next = home.write("next", text);
    std::fs::rename(next, home.path().join(name)).unwrap();
}

/// `oriel dev` on a server of its own, and a way to call that.
struct Session {
    dev: Watched,
    url: String,
    key: String,
}

impl Session {
    fn start(home: &Home) -> Self {
        let mut command = home.command(&["dev", "hello"]);
        std::fs::create_dir_all(home.path().join("tmp")).unwrap();
        command.env("TMPDIR", home.path().join("tmp"));
        let mut dev = Watched::start(command);
        dev.until("export ORIEL_URL=");
        let url = dev.until(" ORIEL_API_KEY=").replace(" ORIEL_API_KEY=", "");
        let key = dev.until("\n").trim().to_owned();
        Self { dev, url, key }
    }

    fn command(&self, home: &Home, args: &[&str]) -> Command {
        let mut command = home.command(args);
        command.env("ORIEL_URL", &self.url).env("ORIEL_API_KEY", &self.key);
        command
    }

    #[track_caller]
    fn answers(&self, home: &Home, said: &str) {
        let done = Done::of(self.command(home, &["call", "hello", "summarise"]).output().unwrap()).ok();
        assert_eq!(done.json()["said"], said);
    }
}

#[test]
fn a_change_is_reloaded_and_a_mistake_is_shown() {
    let home = project("'one'");
    let mut session = Session::start(&home);
    session.dev.until("hello 0.1.0-dev.1");
    session.answers(&home, "one");

    save(&home, SOURCE, &source("'two'"));
    session.dev.until("hello 0.1.0-dev.2");
    session.answers(&home, "two");

    save(&home, SOURCE, &source("'three' oops"));
    let shown = session.dev.until("waiting for a change");
    assert!(
        shown.contains("error[author.build_failed]") && shown.contains("src/main.js:3"),
        "{shown}"
    );
    session.answers(&home, "two");

    save(&home, SOURCE, &source("'two'"));
    session.dev.until("nothing changed");
    session.answers(&home, "two");

    save(&home, SOURCE, &source("'four'"));
    session.dev.until("hello 0.1.0-dev.3");
    session.answers(&home, "four");
}

#[test]
fn a_release_that_does_not_start_replaces_none() {
    let home = project("'one'");
    let mut session = Session::start(&home);
    session.dev.until("hello 0.1.0-dev.1");
    let throws = "lifecycle: { initialize() { throw new Error('not today'); } }, programs";
    save(&home, SOURCE, &source("'two'").replace("programs", throws));
    session.dev.until("hello 0.1.0-dev.2");
    let manifest = std::fs::read_to_string(home.path().join(MANIFEST)).unwrap();
    save(&home, MANIFEST, &manifest.replace("host_api", "lifecycle = true\nhost_api"));
    let shown = session.dev.until("waiting for a change");
    assert!(
        shown.contains("error[extension.start_failed]") && shown.contains("not today"),
        "{shown}"
    );
    session.answers(&home, "two");
}

#[test]
fn log_lines_of_calls_are_shown() {
    let home = Home::new();
    home.run(&["new", "hello", "--lang", "javascript"]).ok();
    let mut session = Session::start(&home);
    session.dev.until("hello 0.1.0-dev.1");
    Done::of(session.command(&home, &["call", "hello", "summarise"]).output().unwrap()).ok();
    session.dev.until("summarised count=0");
}

#[test]
fn signals_end_it_and_nothing_stays_behind() {
    let home = project("'one'");
    for signal in ["INT", "TERM"] {
        let mut session = Session::start(&home);
        session.dev.until("hello 0.1.0-dev.1");
        session.dev.signal(signal);
        session.dev.ended().ok();
        let left: Vec<_> = std::fs::read_dir(home.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{signal}: {left:?}");
    }
}

#[test]
fn a_chosen_server_keeps_what_was_there_and_asks_for_consent() {
    let server = Server::start();
    server.home.run(&["new", "hello", "--lang", "javascript"]).ok();
    let manifest = std::fs::read_to_string(server.home.path().join(MANIFEST)).unwrap();
    save(&server.home, MANIFEST, &format!("{manifest}\n[permissions]\nkey_value = true\n"));
    // Nobody can be asked: it says so and waits for a change of the manifest.
    let mut dev = Watched::start(server.command(&["dev", "hello"]));
    dev.until("error[extension.consent_required]");
    dev.until("waiting for a change");
    server.run(&["show", "hello"]).fails(3, "extension.not_found");
    save(&server.home, MANIFEST, &manifest);
    dev.until("hello 0.1.0-dev.1");
    dev.signal("INT");
    dev.ended().ok();
    // It lives on the server, not in the session.
    assert_eq!(server.run(&["show", "hello", "--json"]).ok().json()["version"], "0.1.0-dev.1");
}
