//! `oriel logs`: what there is, and with `--follow` what comes.

use serde_json::{Value, json};

use super::support::{Server, Watched, package};

fn call(server: &Server, input: &str) {
    server.run(&["call", "field-counter", "summarise", "-i", input]).ok();
}

#[test]
fn follow_shows_what_is_logged_from_then_on() {
    let server = Server::start();
    server.run(&["install", package()]).ok();
    call(&server, "{}");
    let mut logs = Watched::start(server.command(&["logs", "field-counter", "--follow"]));
    // What there was comes first, so from here on it follows.
    logs.until("summarised count=0");
    for count in 1..=2 {
        call(&server, if count == 1 { "{\"a\": 1}" } else { "{\"a\": 1, \"b\": 2}" });
        logs.until(&format!("summarised count={count}"));
    }
    // It goes on while nothing runs.
    server.run(&["disable", "field-counter"]).ok();
    server.run(&["enable", "field-counter"]).ok();
    call(&server, "{\"a\": 1, \"b\": 2, \"c\": 3}");
    logs.until("summarised count=3");
    logs.signal("INT");
    let done = logs.ended().ok();
    assert_eq!(done.err.trim(), "");
}

#[test]
fn follow_as_json_is_a_line_each() {
    let server = Server::start();
    server.run(&["install", package()]).ok();
    let mut logs = Watched::start(server.command(&["logs", "field-counter", "-f", "--json"]));
    for count in 0..2 {
        call(&server, if count == 0 { "{}" } else { "{\"a\": 1}" });
        let line: Value = serde_json::from_str(&logs.until("\n")).unwrap();
        assert_eq!(
            (&line["message"], &line["fields"]),
            (&json!("summarised"), &json!([["count", count.to_string()]]))
        );
    }
}

#[test]
fn follow_ends_with_its_server_and_says_so() {
    let server = Server::start();
    server.run(&["install", package()]).ok();
    call(&server, "{}");
    let mut logs = Watched::start(server.command(&["logs", "field-counter", "--follow"]));
    logs.until("summarised");
    server.terminate();
    let done = logs.ended().ok();
    assert!(done.err.contains("the server ended the stream"), "{}", done.err);
    let failed = server.run(&["logs", "field-counter", "--follow"]);
    failed.fails(5, "client.unreachable");
}

#[test]
fn an_unknown_extension_has_nothing_to_follow() {
    let server = Server::start();
    server.run(&["logs", "nobody", "--follow"]).fails(3, "extension.not_found");
}
