//! Commands against a server: the way of an extension through its life, and everything that can be wrong on the way.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;

use super::support::{Home, Server, package};

#[test]
fn the_life_of_an_extension() {
    let server = Server::start();
    let installed = server.run(&["install", package(), "--json"]).ok().json();
    assert_eq!(
        (installed["name"].as_str(), installed["state"].as_str()),
        (Some("field-counter"), Some("enabled"))
    );
    let list = server.run(&["list"]).ok();
    assert!(
        list.out.starts_with("NAME") && list.out.contains("field-counter") && list.out.contains("summarise"),
        "{}",
        list.out
    );
    assert!(server.run(&["show", "field-counter"]).ok().out.contains("summarise"));

    let called = server
        .run(&["call", "field-counter", "summarise", "--input", "{\"b\": 1, \"a\": 2}"])
        .ok();
    assert_eq!(called.json()["count"], 2);
    let called = server
        .run_with(&["call", "field-counter", "summarise", "-i", "-", "--json"], "{}")
        .ok();
    assert_eq!(called.json()["outputData"]["count"], 0);
    server
        .run(&["call", "field-counter", "summarise", "-i", "[1]"])
        .fails(7, "execution.input_invalid");
    server
        .run(&["call", "field-counter", "nothing"])
        .fails(3, "extension.program_not_found");

    server.run(&["install", package()]).fails(6, "extension.exists");
    server.run(&["disable", "field-counter"]).ok();
    server.run(&["call", "field-counter", "summarise"]).fails(6, "extension.disabled");
    server.run(&["enable", "field-counter"]).ok();
    server
        .run(&["rollback", "field-counter"])
        .fails(6, "extension.nothing_to_roll_back");
    server
        .run(&["configure", "field-counter", "--set", "a=1"])
        .fails(7, "extension.config_invalid");

    let records = server
        .run(&["executions", "list", "--extension", "field-counter", "--json"])
        .ok()
        .json();
    assert!(records["items"].as_array().unwrap().len() >= 2, "{records}");
    let logs = server.run(&["logs", "field-counter"]).ok();
    assert!(logs.out.contains("summarised"), "{}", logs.out);

    server.run(&["uninstall", "field-counter", "--yes"]).ok();
    server.run(&["show", "field-counter"]).fails(3, "extension.not_found");
    assert!(server.run(&["audit"]).ok().out.contains("extension.uninstall"));
    assert!(server.run(&["audit", "verify"]).ok().out.contains("unbroken"));
}

#[test]
fn tasks() {
    let server = Server::start();
    server.run(&["install", package()]).ok();
    server
        .run(&[
            "task",
            "create",
            "count",
            "--program",
            "field-counter/summarise",
            "--input-schema",
            "{\"type\": \"object\"}",
        ])
        .ok();
    server
        .run(&["task", "create", "count", "--program", "field-counter/summarise"])
        .fails(6, "task.exists");
    server.run(&["task", "create", "other"]).fails(2, "client.usage");
    server
        .run(&[
            "task",
            "create",
            "other",
            "--program",
            "field-counter/summarise",
            "--input-schema",
            "{\"type\": 1}",
        ])
        .fails(7, "task.schema_invalid");
    assert!(server.run(&["task", "list"]).ok().out.contains("field-counter/summarise"));
    server.run(&["task", "update", "count", "--description", "Counts"]).ok();
    server
        .run(&["task", "update", "count", "--description", "Counts", "--revision", "1"])
        .fails(6, "request.precondition_failed");
    assert_eq!(
        server.run(&["task", "show", "count", "--json"]).ok().json()["description"],
        "Counts"
    );
    assert_eq!(server.run(&["task", "call", "count", "-i", "{\"a\": 1}"]).ok().json()["count"], 1);
    server.run(&["task", "call", "count", "-i", "{\"a\": }"]).fails(7, "client.input");
    server
        .run(&["task", "call", "count", "-i", "@missing.json"])
        .fails(7, "client.file");
    server.run(&["task", "delete", "count", "--yes"]).ok();
    server.run(&["task", "show", "count"]).fails(3, "task.not_found");
}

#[test]
fn keys_and_tenants() {
    let server = Server::start();
    let created = server.run(&["key", "create", "ci", "--role", "viewer", "--expires", "1h"]).ok();
    let viewer = created.out.trim().to_owned();
    assert!(
        viewer.starts_with("oriel_") && !viewer.contains('\n'),
        "the secret stands alone on standard output"
    );
    server.run_as(&viewer, &["list"], "").ok();
    server.run_as(&viewer, &["install", package()], "").fails(4, "access.forbidden");
    server.run_as("oriel_wrong", &["list"], "").fails(4, "access.unauthenticated");
    let keys = server.run(&["key", "list", "--json"]).ok().json();
    let id = keys["items"].as_array().unwrap().iter().find(|key| key["name"] == "ci").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    server.run(&["key", "revoke", &id, "--yes"]).ok();
    server.run_as(&viewer, &["list"], "").fails(4, "access.key_revoked");
    server.run(&["key", "create", "x", "--expires", "soon"]).fails(2, "client.usage");

    let acme = server.run(&["tenant", "create", "acme"]).ok().out.trim().to_owned();
    server.run(&["install", package()]).ok();
    // What another tenant has does not exist here.
    server.run_as(&acme, &["show", "field-counter"], "").fails(3, "extension.not_found");
    assert!(server.run(&["tenant", "list"]).ok().out.contains("acme"));
    server.run(&["tenant", "create", "acme"]).fails(6, "access.tenant_exists");
}

#[test]
fn doctor_and_profiles() {
    let server = Server::start();
    let doctor = server.run(&["doctor", "--json"]).ok().json();
    let server_check = doctor["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["check"] == "server")
        .unwrap()
        .clone();
    assert_eq!(server_check["state"], "ok");

    let home = Home::new();
    home.run(&["profile", "set", "local", "--server", &server.url, "--key", &server.key])
        .ok();
    home.run(&["list"]).ok();
    home.run(&["list", "--profile", "nope"]).fails(7, "client.settings");
    home.run(&["list", "--server", &format!("{}/", server.url.replace("127.0.0.1", "localhost"))])
        .fails(4, "access.unauthenticated");
    let file = home.path().join("config/oriel/config.toml");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(!home.run(&["profile", "list"]).ok().out.contains(&server.key), "keys are not shown");
    std::fs::write(&file, "[profiles.x]\nserver = 1\nkey = \"oriel_secret\"\n").unwrap();
    let failed = home.run(&["list"]).fails(7, "client.settings");
    assert!(
        failed.err.contains("config.toml:2:") && !failed.err.contains("oriel_secret"),
        "{}",
        failed.err
    );
}

/// One answer for every request, as something that is not our server would give it.
fn impostor(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    url
}

#[test]
fn what_is_not_a_server() {
    let home = Home::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.run(&["list", "--server", &nobody.to_string()]).fails(5, "client.unreachable");
    home.run(&["list", "--server", "ftp://x"]).fails(2, "client.usage");
    for (answer, words) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>",
            "a web page instead of JSON",
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-type: text/html\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>",
            "HTTP 404",
        ),
        (
            "HTTP/1.1 301 Moved\r\nlocation: https://elsewhere/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            "redirects to https://elsewhere/",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\nconnection: close\r\n\r\n[1,2",
            "in a form that",
        ),
    ] {
        let done = home.run(&["list", "--server", &impostor(answer)]).fails(5, "client.not_oriel");
        assert!(done.err.contains(words), "{}", done.err);
    }
}

#[test]
fn errors_as_json() {
    let home = Home::new();
    let done = home.run(&["list", "--server", "127.0.0.1:1", "--json"]);
    assert_eq!((done.status, done.out.as_str()), (5, ""));
    let error: serde_json::Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(
        (&error["error"]["code"], &error["error"]["exitCode"]),
        (&json!("client.unreachable"), &json!(5))
    );
}
