//! `oriel upgrade` to a release that asks for more: it waits, is granted or left, and the present one answers meanwhile.

use serde_json::json;

use super::process::echo;
use super::support::{Server, Watched};

/// A server with release 1, which asks for nothing, and packages of later ones, which ask for more.
fn server() -> Server {
    let server = Server::start();
    for (version, more) in [
        ("1.0.0", ""),
        ("2.0.0", "[permissions]\nkey_value = true\n"),
        ("3.0.0", "[permissions]\nkey_value = true\nnetwork = [\"api.example.com\"]\n"),
    ] {
        let path = server.home.path().join(format!("{version}.oriel"));
        std::fs::write(path, echo("grows", version, version, more)).unwrap();
    }
    server.run(&["install", "1.0.0.oriel"]).ok();
    server
}

/// The release that answers calls, the one that waits, and what it wants.
#[track_caller]
fn releases(server: &Server) -> serde_json::Value {
    let answer = server.run(&["call", "grows", "upper", "-i", "\"a\""]).ok();
    assert_eq!(answer.json(), "A");
    let shown = server.run(&["show", "grows", "--json"]).ok().json();
    json!([shown["version"], shown["pending"]["version"], shown["wants"]])
}

#[test]
fn a_wider_release_waits_and_is_granted_later() {
    let server = server();
    let upgraded = server.run(&["upgrade", "2.0.0.oriel", "--pending"]).ok();
    assert!(upgraded.out.contains("grows 1.0.0 is enabled"), "{}", upgraded.out);
    assert!(
        upgraded.err.contains("2.0.0 waits for consent; 1.0.0 keeps running"),
        "{}",
        upgraded.err
    );
    assert_eq!(releases(&server), json!(["1.0.0", "2.0.0", ["key_value"]]));
    let shown = server.run(&["show", "grows"]).ok().out;
    for words in ["Waits for consent", "release 2.0.0 asks for more: key_value", "--grant"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    // A later one takes its place in the queue; granting works for either.
    server.run(&["upgrade", "3.0.0.oriel", "--pending"]).ok();
    assert_eq!(
        releases(&server),
        json!(["1.0.0", "3.0.0", ["key_value", "network api.example.com"]])
    );
    server.run(&["upgrade", "3.0.0.oriel", "--grant"]).ok();
    assert_eq!(releases(&server), json!(["3.0.0", null, []]));
    assert!(!server.run(&["show", "grows"]).ok().out.contains("Waits for consent"));
    server.run(&["rollback", "grows"]).ok();
    assert_eq!(releases(&server)[0], "1.0.0");
}

#[test]
fn without_consent_nothing_changes() {
    let server = server();
    let failed = server.run(&["upgrade", "2.0.0.oriel"]).fails(6, "extension.consent_required");
    assert!(failed.err.contains("key_value") && failed.err.contains("--grant"), "{}", failed.err);
    let mut asks = Watched::on_terminal(&server.command(&["upgrade", "2.0.0.oriel"]));
    let said = asks.until("[y/N] ");
    assert!(said.contains("grows 2.0.0 (now 1.0.0) asks to use:"), "{said}");
    asks.types("n\r");
    asks.ended().fails(1, "client.declined");
    assert_eq!(releases(&server), json!(["1.0.0", null, []]));
    assert_eq!(server.run(&["upgrade", "2.0.0.oriel", "--pending", "--grant"]).status, 2);
}

#[test]
fn only_what_is_new_is_asked_for() {
    let server = server();
    server.run(&["upgrade", "2.0.0.oriel", "--grant"]).ok();
    let mut asks = Watched::on_terminal(&server.command(&["upgrade", "3.0.0.oriel"]));
    let said = asks.until("[y/N] ");
    assert!(said.contains("network api.example.com") && !said.contains("key_value"), "{said}");
    asks.types("y\r");
    asks.ended().ok();
    assert_eq!(releases(&server), json!(["3.0.0", null, []]));
    // Back to less needs nobody.
    let narrow = server.run(&["upgrade", "1.0.0.oriel", "--pending"]).ok();
    assert!(!narrow.err.contains("waits"), "{}", narrow.err);
    assert_eq!(releases(&server), json!(["1.0.0", null, []]));
}

/// As the API leaves it when nobody grants anything at the install.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_that_waits_is_granted_too() {
    let server = server();
    server.run(&["uninstall", "grows", "--yes"]).ok();
    let package = std::fs::read(server.home.path().join("2.0.0.oriel")).unwrap();
    let install = reqwest::Client::new()
        .post(format!("{}/api/v1/extensions", server.url))
        .bearer_auth(&server.key);
    let install = install.header("content-type", "application/vnd.oriel.package").body(package);
    assert_eq!(install.send().await.unwrap().status(), 201);
    server
        .run(&["call", "grows", "upper", "-i", "\"a\""])
        .fails(6, "extension.consent_required");
    assert!(server.run(&["show", "grows"]).ok().out.contains("key_value  not granted"));
    let granted = server.run(&["upgrade", "2.0.0.oriel", "--grant"]).ok();
    assert!(granted.out.contains("grows 2.0.0 is enabled"), "{}", granted.out);
    assert_eq!(releases(&server), json!(["2.0.0", null, []]));
}
