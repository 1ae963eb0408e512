//! `oriel configure`: secrets go in and never come out; an editor that saves, gives up, or is in somebody's way.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::process::echo;
use super::support::{Done, Server, Watched};

const SCHEMA: &str = r#"
[config.schema]
type = "object"
additionalProperties = false
[config.schema.properties]
city = { type = "string" }
token = { type = "string", writeOnly = true }
account = { type = "object", properties = { key = { type = "string", writeOnly = true } } }
"#;

/// A server with an extension that takes a configuration.
fn server() -> Server {
    let server = Server::start();
    std::fs::write(server.home.path().join("shy.oriel"), echo("shy", "1.0.0", "shy", SCHEMA)).unwrap();
    server.run(&["install", "shy.oriel"]).ok();
    server
}

fn config(server: &Server) -> Value {
    server.run(&["configure", "shy"]).ok().json()
}

fn run(mut command: Command) -> Done {
    Done::of(command.output().unwrap())
}

/// `oriel configure --edit` with a shell script as the editor; the file to edit is its `$1`.
fn edit(server: &Server, script: &str) -> Command {
    let editor = server.home.write("editor", &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = server.command(&["configure", "shy", "--edit"]);
    command.env("EDITOR", editor);
    command
}

#[test]
fn secrets_are_never_shown_again() {
    let server = server();
    let set = server.run_with(&["configure", "shy", "--set", "city=Oslo", "--secret", "token"], "hush-1\n");
    let mut command = server.command(&["configure", "shy", "--secret", "account.key=env:SHY_KEY", "--json"]);
    command.env("SHY_KEY", "hush-2");
    let nested = run(command);
    assert_eq!(
        config(&server),
        json!({"city": "Oslo", "token": "********", "account": {"key": "********"}})
    );
    let looks = [
        &["configure", "shy", "--json"][..],
        &["show", "shy"],
        &["show", "shy", "--json"],
        &["audit", "--json"],
        &["logs", "shy", "--level", "trace"],
    ];
    for seen in looks.iter().map(|args| server.run(args)).chain([set, nested]) {
        let seen = seen.ok();
        assert!(!seen.out.contains("hush") && !seen.err.contains("hush"), "{}{}", seen.out, seen.err);
    }
    // Other values change around them; one is taken away alone.
    server.run(&["configure", "shy", "--set", "city=Rome", "--unset", "token"]).ok();
    assert_eq!(config(&server), json!({"city": "Rome", "account": {"key": "********"}}));
}

#[test]
fn secrets_that_are_not_given_right() {
    let server = server();
    let failed = server.run(&["configure", "shy", "--secret", "token=hush"]).fails(2, "client.usage");
    assert!(
        !failed.err.contains("hush") && failed.err.contains("--secret KEY=env:NAME"),
        "{}",
        failed.err
    );
    server
        .run(&["configure", "shy", "--secret", "token=env:NOT_SET"])
        .fails(2, "client.usage");
    server
        .run_with(&["configure", "shy", "--secret", "token", "--secret", "account.key"], "hush\n")
        .fails(2, "client.usage");
    // What does not fit is named without being repeated.
    let failed = server
        .run_with(&["configure", "shy", "--secret", "tokn"], "hush\n")
        .fails(7, "extension.config_invalid");
    assert!(failed.err.contains("tokn") && !failed.err.contains("hush"), "{}", failed.err);
    assert_eq!(config(&server), json!({}));
}

#[test]
fn a_file_replaces_everything() {
    let server = server();
    server
        .run_with(&["configure", "shy", "--set", "city=Oslo", "--secret", "token"], "hush\n")
        .ok();
    server.home.write("shy.toml", "city = \"Rome\"\naccount.key = \"hush\"\n");
    server.run(&["configure", "shy", "--file", "shy.toml"]).ok();
    let replaced = json!({"city": "Rome", "token": "********", "account": {"key": "********"}});
    assert_eq!(config(&server), replaced, "secrets that are left out stay");
    for (name, text, place) in [
        ("bad.toml", "city = \"Bern\"\ntoken =\n", "bad.toml:2:"),
        ("bad.json", "{\"city\": }", "bad.json:1:10:"),
    ] {
        server.home.write(name, text);
        let failed = server.run(&["configure", "shy", "--file", name]).fails(7, "client.input");
        assert!(failed.err.contains(place), "{}", failed.err);
    }
    assert_eq!(config(&server), replaced);
    server
        .run_with(
            &["configure", "shy", "--file", "-"],
            "{\"token\": null, \"account\": {\"key\": null}}",
        )
        .ok();
    assert_eq!(config(&server), json!({"account": {}}));
}

#[test]
fn a_secret_typed_on_a_terminal_does_not_appear_there() {
    let server = server();
    let mut asks = Watched::on_terminal(&server.command(&["configure", "shy", "--secret", "token"]));
    asks.until("token: ");
    asks.types("hush\r");
    let done = asks.ended().ok();
    assert!(done.err.contains("shy is configured") && !done.err.contains("hush"), "{}", done.err);
    assert_eq!(config(&server), json!({"token": "********"}));
}

#[test]
fn an_editor_changes_what_it_saves() {
    let server = server();
    server
        .run_with(&["configure", "shy", "--secret", "token", "--set", "city=Oslo"], "hush\n")
        .ok();
    run(edit(&server, "cp \"$1\" seen; sed -i s/Oslo/Rome/ \"$1\"")).ok();
    // The editor sees no secret, and what it leaves alone stays.
    let seen = std::fs::read_to_string(server.home.path().join("seen")).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&seen).unwrap(),
        json!({"token": "********", "city": "Oslo"})
    );
    assert_eq!(config(&server), json!({"token": "********", "city": "Rome"}));
}

#[test]
fn an_editor_that_saves_nothing_of_use() {
    let server = server();
    server.run(&["configure", "shy", "--set", "city=Oslo"]).ok();
    let revision = || server.run(&["show", "shy", "--json"]).ok().json()["revision"].clone();
    let before = revision();
    for (script, status, code) in [
        ("exit 0", 1, "client.declined"),
        // As editors do that end each file with a line break.
        ("echo >> \"$1\"", 1, "client.declined"),
        ("sed -i s/Oslo/Rome/ \"$1\"; exit 3", 1, "client.declined"),
        ("echo '{ \"city\": }' > \"$1\"", 7, "client.input"),
        ("rm \"$1\"", 7, "client.file"),
        ("echo '{ \"town\": \"Rome\" }' > \"$1\"", 7, "extension.config_invalid"),
    ] {
        run(edit(&server, script)).fails(status, code);
    }
    let mut command = server.command(&["configure", "shy", "--edit"]);
    command.env("EDITOR", "no-such-editor --wait");
    let failed = run(command).fails(7, "client.file");
    assert!(failed.err.contains("no-such-editor"), "{}", failed.err);
    assert_eq!((config(&server), revision()), (json!({"city": "Oslo"}), before));
}

#[test]
fn an_editor_does_not_undo_what_others_changed_meanwhile() {
    let server = server();
    server.run(&["configure", "shy", "--set", "city=Oslo"]).ok();
    let script = "\"$ORIEL\" configure shy --set city=Bern; sed -i s/Oslo/Rome/ \"$1\"";
    run(edit(&server, script)).fails(6, "request.precondition_failed");
    assert_eq!(config(&server), json!({"city": "Bern"}));
}

#[test]
fn changes_at_once_all_count() {
    let server = server();
    std::thread::scope(|scope| {
        for change in ["city=Oslo", "token=hush", "account.key=hush"] {
            let server = &server;
            scope.spawn(move || server.run(&["configure", "shy", "--set", change]).ok());
        }
    });
    assert_eq!(
        config(&server),
        json!({"city": "Oslo", "token": "********", "account": {"key": "********"}})
    );
}

#[test]
fn a_mistake_leads_back_to_the_editor() {
    let server = server();
    // The first time it leaves a mistake, the second time it mends what it finds.
    let script = "if grep -q mistake \"$1\"; then echo '{\"city\": \"Rome\"}' > \"$1\"; else echo mistake > \"$1\"; fi";
    let mut asks = Watched::on_terminal(&edit(&server, script));
    let said = asks.until("[y/N] ");
    assert!(said.contains("error[client.input]: the configuration:1:1"), "{said}");
    asks.types("y\r");
    asks.ended().ok();
    assert_eq!(config(&server), json!({"city": "Rome"}));
}
