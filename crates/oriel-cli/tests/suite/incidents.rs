//! Health policies, anomalies and incident reports from the command line.

use super::support::{Server, package};

#[test]
fn a_breaker_is_set_by_words_and_set_back() {
    let server = Server::start();
    server.run(&["install", package()]).ok();
    let shown = server.run(&["breaker", "show", "field-counter"]).ok();
    assert!(
        shown.out.contains("error-rate") && shown.out.contains("the server's") && !shown.out.contains("its own"),
        "{}",
        shown.out
    );
    let set = [
        "breaker",
        "set",
        "field-counter",
        "crashes=2",
        "backoff=30s",
        "on-anomaly=quarantine",
        "release-role=owner",
    ];
    server.run(&set).ok();
    let shown = server.run(&["breaker", "show", "field-counter", "--json"]).ok().json();
    let own = serde_json::json!({ "crashes": 2, "backoff": "30s", "onAnomaly": "quarantine", "releaseRole": "owner" });
    assert_eq!((&shown["policy"], &shown["effective"]["errorRate"]), (&own, &serde_json::json!(50)));
    // What is not named stays.
    server.run(&["breaker", "set", "field-counter", "crashes=default", "probes=1"]).ok();
    let shown = server.run(&["breaker", "show", "field-counter", "--json"]).ok().json();
    assert_eq!(
        (shown["policy"].get("crashes"), &shown["policy"]["probes"]),
        (None, &serde_json::json!(1))
    );
    assert_eq!(shown["policy"]["backoff"], "30s");

    server
        .run(&["breaker", "set", "field-counter", "error-rate=101"])
        .fails(7, "extension.health_policy_invalid");
    server
        .run(&["breaker", "set", "nobody", "crashes=1"])
        .fails(3, "extension.not_found");
    let misspelt = server.run(&["breaker", "set", "field-counter", "crash=1"]);
    assert!(misspelt.err.contains("there is no field `crash`"), "{}", misspelt.err);
}

#[test]
fn what_is_usual_is_shown_and_reports_are_written() {
    let server = Server::start();
    server.run(&["install", package()]).ok();
    server.run(&["call", "field-counter", "summarise", "--input", "{\"b\": 1}"]).ok();
    let none = server.run(&["anomaly", "list"]).ok();
    assert!(
        format!("{}{}", none.out, none.err).contains("nothing unusual was seen"),
        "{}",
        none.out
    );
    assert_eq!(
        server.run(&["anomaly", "list", "--json"]).ok().json(),
        serde_json::json!({ "items": [] })
    );
    for command in ["show", "acknowledge", "dismiss"] {
        server
            .run(&["anomaly", command, "anom_01jd3yq8m3v5n4x2c7b9k0r6ts"])
            .fails(3, "anomaly.not_found");
    }
    let baseline = server.run(&["anomaly", "baseline", "field-counter"]).ok();
    assert!(
        baseline.out.contains("callRate") && baseline.out.contains("outboundBytes"),
        "{}",
        baseline.out
    );
    server.run(&["anomaly", "baseline", "nobody"]).fails(3, "extension.not_found");

    let from = ["--from", "2020-01-01T00:00:00Z"];
    server
        .run(&["incident", "report", "--extension", "field-counter", from[0], from[1]])
        .fails(7, "incident.invalid");
    let near = oriel_model::time::Clock::now(&oriel_model::time::SystemClock).minus(std::time::Duration::from_secs(600));
    let near = near.to_string();
    let report = server
        .run(&["incident", "report", "--extension", "field-counter", "--from", &near])
        .ok();
    for part in [
        "# Incident: field-counter",
        "1 calls, 0 of them failed",
        "## Changes",
        "extension.install",
    ] {
        assert!(report.out.contains(part), "{part}: {}", report.out);
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("incident.md");
    let file = file.to_str().unwrap();
    server
        .run(&["incident", "report", "--extension", "field-counter", "--from", &near, "-o", file])
        .ok();
    assert!(std::fs::read_to_string(file).unwrap().starts_with("# Incident: field-counter"));
    let report = server
        .run(&["incident", "report", "--extension", "field-counter", "--from", &near, "--json"])
        .ok();
    assert_eq!(report.json()["calls"], 1);
    let missing = server.run(&["incident", "report", "--extension", "field-counter"]);
    assert!(missing.err.contains("--from"), "{}", missing.err);
}
