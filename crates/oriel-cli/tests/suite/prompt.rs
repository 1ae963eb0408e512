//! Questions: asked on a terminal, and nowhere else.

use std::path::Path;

use super::process::echo;
use super::support::{Home, Server, Watched};

/// A server, and a package beside it that asks for two permissions.
fn server() -> Server {
    let server = Server::start();
    asks(server.home.path());
    server
}

fn asks(dir: &Path) {
    let more = "[permissions]\nkey_value = true\nnetwork = [\"api.example.com\"]\n";
    std::fs::write(dir.join("asks.oriel"), echo("asks", "1.0.0", "asks", more)).unwrap();
}

fn terminal(server: &Server, args: &[&str]) -> Watched {
    Watched::on_terminal(&server.command(args))
}

#[test]
fn nobody_to_ask_is_an_error_that_names_the_option() {
    let server = server();
    let failed = server.run(&["install", "asks.oriel"]).fails(6, "extension.consent_required");
    for words in ["key_value", "network api.example.com", "--grant"] {
        assert!(failed.err.contains(words), "{}", failed.err);
    }
    // A yes in the pipe is no consent either, and neither is `--json` on a terminal.
    server
        .run_with(&["install", "asks.oriel"], "y\n")
        .fails(6, "extension.consent_required");
    let told = terminal(&server, &["install", "asks.oriel", "--json"]).ended();
    assert!(told.status == 6 && told.err.contains("extension.consent_required"), "{}", told.err);
    server.run(&["show", "asks"]).fails(3, "extension.not_found");
    server.run(&["install", "asks.oriel", "--yes"]).ok();
}

#[test]
fn permissions_are_granted_with_a_yes_and_nothing_else() {
    let server = server();
    for answer in ["n\r", "\r", "grant\r", "\x04"] {
        let mut install = terminal(&server, &["install", "asks.oriel"]);
        let said = install.until("Grant this? [y/N] ");
        assert!(
            said.contains("asks 1.0.0 asks to use:") && said.contains("network api.example.com"),
            "{said}"
        );
        install.types(answer);
        install.ended().fails(1, "client.declined");
    }
    server.run(&["show", "asks"]).fails(3, "extension.not_found");
    let mut install = terminal(&server, &["install", "asks.oriel"]);
    install.until("[y/N] ");
    install.types("Yes\r");
    install.ended().ok();
    assert_eq!(server.run(&["show", "asks", "--json"]).ok().json()["state"], "enabled");
}

#[test]
fn ctrl_c_ends_a_question() {
    let server = server();
    let mut install = terminal(&server, &["install", "asks.oriel"]);
    install.until("[y/N] ");
    install.types("\x03");
    install.ended().fails(130, "client.cancelled");
    server.run(&["show", "asks"]).fails(3, "extension.not_found");
}

/// The shell that comes after must show again what is typed.
#[test]
fn ctrl_c_at_a_secret_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    // The shell gets the interrupt too, and what it then calls its own status differs from run to run.
    let script = "trap : INT; \"$ORIEL\" profile set x --server 127.0.0.1:1; echo status $?; stty";
    let mut asks = Watched::on_terminal(&home.program("sh", &["-c", script]));
    asks.until("API key (empty for none): ");
    asks.types("\x03");
    let told = asks.ended().err;
    assert!(told.contains("status 130") && told.contains("speed "), "{told}");
    assert!(!told.contains("-echo"), "{told}");
}

#[test]
fn ctrl_c_ends_waiting_for_standard_input() {
    let server = server();
    server.run(&["install", "asks.oriel", "--grant"]).ok();
    server.run(&["task", "create", "t", "--program", "asks/echo"]).ok();
    let mut batch = terminal(&server, &["task", "batch", "t", "-", "--raw", "--chunk", "1"]);
    batch.types("{\"a\": 1}\r");
    // The first item is done, and it waits for the next one.
    batch.until("\"success\":true");
    batch.types("\x03");
    batch.ended().fails(130, "client.cancelled");
}

#[test]
fn what_cannot_be_undone_is_asked_on_a_terminal() {
    let server = server();
    server.run(&["install", "asks.oriel", "--grant"]).ok();
    server.run(&["task", "create", "t", "--program", "asks/echo"]).ok();
    for args in [&["task", "delete", "t"][..], &["uninstall", "asks"]] {
        let mut asks = terminal(&server, args);
        asks.until("[y/N] ");
        asks.types("n\r");
        asks.ended().fails(1, "client.declined");
        let mut asks = terminal(&server, args);
        asks.until("[y/N] ");
        asks.types("y\r");
        asks.ended().ok();
    }
}
