//! `oriel test` with a guest that makes requests: recorded exchanges answer them, and nothing else does.

use std::path::Path;
use std::sync::OnceLock;

use super::support::{Done, Home};

/// Asks for the user of its input, and tells of them.
const SOURCE: &str = r#"import { extension, http } from "@oriel/extension";

function greet({ user, host = "api.example.com" }) {
  const found = http.fetch(`https://${host}/users/${user}?full=1`, { headers: { "x-purpose": "greeting" } });
  if (!found.ok) return { status: found.status };
  const { name } = found.json();
  const told = http.fetch(`https://${host}/greetings`, { method: "POST", json: { to: name } });
  return { greeted: name, id: told.headers["x-id"] };
}

export default extension({ programs: { greet } });
"#;

const MANIFEST: &str = r#"name = "greeter"
version = "0.1.0"
description = "Greets users."
publisher = "tests"
license = "Apache-2.0"
host_api = "^0.1"
[build]
language = "javascript"
[permissions]
network = ["https://api.example.com"]
[[programs]]
name = "greet"
"#;

/// The exchanges of a greeting that goes well.
const GREETING: &str = r#"
[[case.http]]
url = "https://api.example.com/users/7?full=1"
request_headers = { X-Purpose = "greeting" }
body = { name = "Ada" }
[[case.http]]
method = "post"
url = "https://api.example.com/greetings"
request_body = { to = "Ada" }
request_headers = { content-type = "application/json", content-length = "12" }
status = 201
headers = { X-Id = "g1" }
"#;

/// Runs these cases of the project, which is built once.
fn run(cases: &str) -> Done {
    static PROJECT: OnceLock<Home> = OnceLock::new();
    let project = PROJECT.get_or_init(|| {
        let home = Home::new();
        home.write("extension.toml", MANIFEST);
        home.write("src/main.js", SOURCE);
        home.run(&["build"]).ok();
        home
    });
    let home = Home::new();
    home.write("extension.toml", MANIFEST);
    copy(project, &home, "build/greeter.wasm");
    home.write("tests/network.toml", cases);
    home.run(&["test", "--no-build"])
}

fn copy(from: &Home, to: &Home, name: &str) {
    let path = to.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
    std::fs::copy(from.path().join(name), path).unwrap();
}

fn case(rest: &str, exchanges: &str) -> String {
    format!("[[case]]\nname = \"it\"\nprogram = \"greet\"\n{rest}\n{exchanges}")
}

#[test]
fn recorded_exchanges_answer() {
    let greets = case("input.user = 7\nexpect.output = { greeted = \"Ada\", id = \"g1\" }", GREETING);
    run(&greets).ok();
    let missing = "[[case.http]]\nurl = \"https://api.example.com/users/8?full=1\"\nstatus = 404\nbody = \"nobody\"\n";
    run(&case("input.user = 8\nexpect.output = { status = 404 }", missing)).ok();
    let broken = missing.replace("status = 404", "fails = true");
    run(&case("input.user = 8\nexpect.error = \"execution.unavailable\"", &broken)).ok();
}

#[test]
fn what_was_not_recorded_fails_the_case() {
    for (exchanges, words) in [
        ("", &["not recorded: GET https://api.example.com/users/7?full=1"][..]),
        (
            &GREETING.replace("to = \"Ada\"", "to = \"Eve\""),
            &[
                "not recorded: POST https://api.example.com/greetings with body {\"to\":\"Ada\"}",
                "never asked: POST https://api.example.com/greetings",
            ],
        ),
        (
            &GREETING.replace("\"greeting\"", "\"parting\""),
            &["never asked: GET https://api.example.com/users/7?full=1"],
        ),
    ] {
        let done = run(&case("input.user = 7\nexpect.contains = { greeted = \"Ada\" }", exchanges)).fails(1, "client.tests_failed");
        for words in words {
            assert!(done.out.contains(words), "{words}: {}", done.out);
        }
    }
}

#[test]
fn a_host_that_is_not_granted_is_refused() {
    let exchanges = GREETING.replace("api.example.com", "evil.example.com");
    // Recorded or not: the grant comes first.
    let elsewhere = "input = { user = 7, host = \"evil.example.com\" }";
    let done = run(&case(
        &format!("{elsewhere}\nexpect.contains = {{ greeted = \"Ada\" }}"),
        &exchanges,
    ))
    .fails(1, "client.tests_failed");
    for words in [
        "it failed with execution.denied",
        "the grant refused: network evil.example.com:443",
        "never asked: GET https://evil.example.com/users/7?full=1",
    ] {
        assert!(done.out.contains(words), "{words}: {}", done.out);
    }
    run(&case(&format!("{elsewhere}\nexpect.error = \"execution.denied\""), "")).ok();
    run(&case("input.user = 7\ngrant = {}\nexpect.error = \"execution.denied\"", "")).ok();
}
