//! `oriel secret`: values go in and never come out.

use serde_json::json;

use super::process::echo;
use super::support::{Done, Server};

const ASKS: &str = r#"
[permissions]
network = ["api.example.com"]

[permissions.secrets]
token = ["api.example.com"]
"#;

/// A server with an extension that asks for a secret.
fn server(grant: &[&str]) -> Server {
    let server = Server::start();
    std::fs::write(server.home.path().join("shy.oriel"), echo("shy", "1.0.0", "shy", ASKS)).unwrap();
    let install: Vec<&str> = ["install", "shy.oriel"].iter().chain(grant).copied().collect();
    server.run(&install).ok();
    server
}

#[test]
fn a_secret_comes_from_standard_input_or_a_variable_and_is_never_shown() {
    let server = server(&["--grant"]);
    assert!(server.run(&["secret", "list", "shy"]).ok().out.contains("not set"));
    let set = server.run_with(&["secret", "set", "shy", "token"], "hush-1\n");
    assert!(set.out.contains("shy has the secret token"), "{}", set.out);
    let mut command = server.command(&["secret", "set", "shy", "token", "--from-env", "SHY_TOKEN", "--json"]);
    command.env("SHY_TOKEN", "hush-2");
    let again = Done::of(command.output().unwrap());
    let listed = server.run(&["secret", "list", "shy", "--json"]);
    let item = &listed.json()["items"][0];
    assert_eq!(
        (&item["name"], &item["set"], &item["granted"]),
        (&json!("token"), &json!(true), &json!(["api.example.com"]))
    );
    let looks = [
        &["secret", "list", "shy"][..],
        &["show", "shy"],
        &["show", "shy", "--json"],
        &["audit", "--json"],
    ];
    for seen in looks.iter().map(|args| server.run(args)).chain([set, again, listed]) {
        let seen = seen.ok();
        assert!(!seen.out.contains("hush") && !seen.err.contains("hush"), "{}{}", seen.out, seen.err);
    }
    server.run(&["secret", "remove", "shy", "token", "--yes"]).ok();
    server
        .run(&["secret", "remove", "shy", "token", "--yes"])
        .fails(3, "extension.secret_not_found");
    assert!(server.run(&["secret", "list", "shy"]).ok().out.contains("not set"));
}

#[test]
fn what_is_wrong_is_said_without_repeating_it() {
    let server = server(&["--grant"]);
    for (args, input, status, code) in [
        (&["secret", "set", "shy", "other"][..], "hush\n", 3, "extension.secret_not_found"),
        (&["secret", "set", "nobody", "token"], "hush\n", 3, "extension.not_found"),
        (&["secret", "set", "shy", "token"], "hush\nhush\n", 7, "extension.secret_invalid"),
        (&["secret", "set", "shy", "token"], "", 7, "extension.secret_invalid"),
        (&["secret", "set", "shy", "token", "--from-env", "NOT_SET"], "", 2, "client.usage"),
    ] {
        let failed = server.run_with(args, input).fails(status, code);
        assert!(!failed.err.contains("hush"), "{args:?}: {}", failed.err);
    }
}
