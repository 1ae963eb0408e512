//! Starting a server: settings that are wrong, an address that is taken, an orderly end.

use std::net::TcpListener;
use std::process::Command;

use super::support::{Home, Server};

#[test]
fn starts_that_fail_say_why() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    home.run(&["serve", "--listen", &address, "--data-dir", "a"])
        .fails(9, "server.listen");
    home.run(&["serve", "--listen", "nowhere", "--data-dir", "a"])
        .fails(9, "server.config");
    home.write("oriel.toml", "listne = \"127.0.0.1:0\"\n");
    let failed = home.run(&["serve", "--data-dir", "a"]).fails(9, "server.config");
    assert!(failed.err.contains("oriel.toml:1:1"), "{}", failed.err);
    assert_eq!(home.run(&["serve", "--listne", "x"]).status, 2);
}

#[test]
fn the_owner_key_is_shown_once() {
    let home = Home::new();
    let start = || {
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "data", "--log-level", "error"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        // The address is printed when the server is ready to be stopped.
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        std::io::BufRead::read_line(&mut out, &mut first).unwrap();
        assert!(first.starts_with("Oriel listens on http://127.0.0.1:"), "{first}");
        let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        assert!(status.success());
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
        (child.wait().unwrap(), rest)
    };
    let (status, rest) = start();
    assert!(status.success() && rest.contains("oriel_"), "{status} {rest}");
    let (status, rest) = start();
    assert!(status.success() && !rest.contains("oriel_"), "{status} {rest}");
}

#[test]
fn a_data_directory_has_one_server() {
    let server = Server::start();
    server
        .home
        .run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", "data"])
        .fails(9, "server.config");
}
