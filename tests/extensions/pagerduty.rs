//! The PagerDuty handler, against a server that answers as the Events API v2 does.

use serde_json::{Value, json};

use crate::api::{Api, Asked, Reply};
use crate::desk::Desk;

const ROUTING_KEY: &str = "0123456789abcdef0123456789abcdef";

/// What the Events API says: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/.
fn pagerduty(asked: &Asked) -> Reply {
    let body = asked.json();
    let mut errors = Vec::new();
    let mut check = |good: bool, words: &str| {
        if !good {
            errors.push(words.to_owned());
        }
    };
    check(asked.method == "POST" && asked.path == "/v2/enqueue", "no such endpoint");
    check(asked.header("content-type") == "application/json", "not JSON");
    check(
        body["routing_key"].as_str().is_some_and(|key| key.len() == 32),
        "'routing_key' is missing or has another length",
    );
    let action = body["event_action"].as_str().unwrap_or_default();
    check(["trigger", "acknowledge", "resolve"].contains(&action), "'event_action' is invalid");
    let key = body["dedup_key"].as_str();
    check(
        key.is_none_or(|key| (1..=255).contains(&key.chars().count())),
        "'dedup_key' is too long",
    );
    if action == "trigger" {
        let text = |name: &str, most: usize| {
            body["payload"][name]
                .as_str()
                .is_some_and(|text| (1..=most).contains(&text.chars().count()))
        };
        check(text("summary", 1_024), "'payload.summary' is missing or too long");
        check(text("source", 1_024), "'payload.source' is missing or too long");
        let severity = body["payload"]["severity"].as_str().unwrap_or_default();
        check(
            ["critical", "error", "warning", "info"].contains(&severity),
            "'payload.severity' is invalid",
        );
        check(
            body["payload"].get("custom_details").is_none_or(Value::is_object),
            "'payload.custom_details' is not an object",
        );
    } else {
        check(key.is_some(), "'dedup_key' is missing");
    }
    if errors.is_empty() {
        let key = key.unwrap_or("made-up");
        return Reply::json(202, &json!({ "status": "success", "message": "Event processed", "dedup_key": key }));
    }
    Reply::json(
        400,
        &json!({ "status": "invalid event", "message": "Event object is invalid", "errors": errors }),
    )
}

#[tokio::test]
async fn an_alert_is_triggered_and_resolved() {
    let api = Api::start(|asked, number| match number {
        0 => Reply::json(500, &json!({})),
        _ => pagerduty(asked),
    })
    .await;
    let desk = Desk::start();
    desk.install(
        "pagerduty-handler",
        &[(
            "network = [\"https://events.pagerduty.com\", \"https://events.eu.pagerduty.com\"]",
            &format!("network = [\"{}\"]\nprivate_network = [\"127.0.0.0/8\"]", api.base()),
        )],
    )
    .await;
    desk.configure(
        "pagerduty-handler",
        json!({ "routing_key": ROUTING_KEY, "url": format!("{}/v2/enqueue", api.base()) }),
    )
    .await;
    let binding = json!({
        "summary": "{data/host}: {data/text}",
        "dedup_key": "host/{data/host}",
        "action": { "at": "/state", "is": { "up": "resolve", "seen": "acknowledge" }, "else": "trigger" },
        "severity": { "at": "/level", "else": "warning" },
        "component": "{data/host}",
    });
    desk.observe("host.state", "pagerduty-handler/alert", binding).await;
    // A server error comes again.
    desk.fire(
        "host.state",
        json!({ "host": "a", "state": "down", "level": "fatal", "text": "ü".repeat(5_000) }),
    )
    .await;
    let asked = api.asked(2).await;
    assert_eq!(asked[0].json(), asked[1].json());
    let event = asked[1].json();
    assert_eq!(
        (
            &event["event_action"],
            &event["dedup_key"],
            &event["payload"]["severity"],
            &event["payload"]["component"]
        ),
        (&json!("trigger"), &json!("host/a"), &json!("critical"), &json!("a"))
    );
    desk.fire("host.state", json!({ "host": "a", "state": "up" })).await;
    let asked = api.asked(3).await;
    assert_eq!(
        asked[2].json(),
        json!({ "routing_key": ROUTING_KEY, "event_action": "resolve", "dedup_key": "host/a" })
    );
    // What has nothing to be told apart by is given up, and a key that is too long is not.
    desk.fire("host.state", json!({ "state": "up" })).await;
    let why = desk.undelivered(1).await;
    assert!(why[0].contains("nothing that makes a `dedup_key`"), "{why:?}");
    desk.fire("host.state", json!({ "host": "x".repeat(400), "state": "seen" })).await;
    let asked = api.asked(4).await;
    assert_eq!(asked[3].json()["event_action"], "acknowledge");
    assert!(!desk.papers("pagerduty-handler").await.contains(ROUTING_KEY));
}
