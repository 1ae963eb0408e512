//! The Slack handler, against a server that answers as Slack does.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, Asked, Reply};
use crate::desk::Desk;

const TOKEN: &str = "xoxb-the-token-itself";

/// What Slack says to a call of `chat.postMessage`: https://docs.slack.dev/reference/methods/chat.postMessage.
fn slack(asked: &Asked) -> Reply {
    if asked.method != "POST" || asked.path != "/api/chat.postMessage" {
        return Reply::json(200, &json!({ "ok": false, "error": "unknown_method" }));
    }
    let refused = |error: &str| Reply::json(200, &json!({ "ok": false, "error": error }));
    if asked.header("authorization") != format!("Bearer {TOKEN}") {
        return refused("invalid_auth");
    }
    // Slack takes a body whose length is told.
    if asked.header("content-length") != asked.body.len().to_string() {
        return Reply::text(411, "Length Required");
    }
    if asked.header("content-type") != "application/json; charset=utf-8" {
        return refused("missing_charset");
    }
    let body = asked.json();
    match body["channel"].as_str() {
        Some("C0DEPLOYS") => {}
        _ => return refused("channel_not_found"),
    }
    if !body["text"].is_string() {
        return refused("no_text");
    }
    if let Some(problem) = blocks(&body["blocks"]) {
        return Reply::json(
            200,
            &json!({ "ok": false, "error": "invalid_blocks", "response_metadata": { "messages": [problem] } }),
        );
    }
    Reply::json(200, &json!({ "ok": true, "channel": "C0DEPLOYS", "ts": "1503435956.000247" }))
}

/// What is wrong with the blocks: https://docs.slack.dev/reference/block-kit/blocks.
fn blocks(blocks: &Value) -> Option<String> {
    let text = |text: &Value, kinds: &[&str], most: usize| {
        let length = text["text"].as_str().map_or(0, |text| text.chars().count());
        kinds.contains(&text["type"].as_str().unwrap_or_default()) && (1..=most).contains(&length)
    };
    let all = blocks.as_array().filter(|blocks| (1..=50).contains(&blocks.len()));
    let Some(all) = all else { return Some("no blocks".to_owned()) };
    let bad = all.iter().find(|block| {
        let fields = |name: &str| block[name].as_array().cloned().unwrap_or_default();
        !match block["type"].as_str().unwrap_or_default() {
            "header" => text(&block["text"], &["plain_text"], 150),
            "section" if block.get("fields").is_some() => {
                (1..=10).contains(&fields("fields").len()) && fields("fields").iter().all(|field| text(field, &["mrkdwn"], 2_000))
            }
            "section" => text(&block["text"], &["mrkdwn"], 3_000),
            "context" => {
                (1..=10).contains(&fields("elements").len()) && fields("elements").iter().all(|part| text(part, &["mrkdwn"], 2_000))
            }
            _ => false,
        }
    });
    bad.map(Value::to_string)
}

async fn desk(api: &Api) -> Desk {
    let desk = Desk::start();
    let (network, host) = (
        format!("network = [\"{}\"]\nprivate_network = [\"127.0.0.0/8\"]", api.base()),
        format!("[\"{}\"]", api.base()),
    );
    desk.install(
        "slack-handler",
        &[
            ("network = [\"https://slack.com\", \"https://hooks.slack.com\"]", &network),
            ("slack-bot-token = [\"https://slack.com\"]", &format!("slack-bot-token = {host}")),
            ("http_timeout = \"8s\"", "http_timeout = \"1s\""),
        ],
    )
    .await;
    desk
}

#[tokio::test]
async fn a_bot_posts_and_comes_again_when_slack_is_busy() {
    let api = Api::start(|asked, number| match number {
        0 => Reply::json(429, &json!({ "ok": false, "error": "ratelimited" })).with("retry-after", "1"),
        _ => slack(asked),
    })
    .await;
    let desk = desk(&api).await;
    desk.put("/extensions/slack-handler/secrets/slack-bot-token", json!({ "value": TOKEN }))
        .await
        .ok();
    desk.configure("slack-handler", json!({ "api_url": format!("{}/api", api.base()) }))
        .await;
    let binding = json!({ "channel": "C0DEPLOYS", "title": "{data/name} is out", "fields": { "By": "{data/by}" } });
    desk.observe("release.published", "slack-handler/post", binding).await;
    desk.fire(
        "release.published",
        json!({ "name": "2.0 & more", "by": "<!channel> <https://evil.example|me>" }),
    )
    .await;
    let asked = api.asked(2).await;
    let body = asked[1].json();
    assert_eq!(asked[0].json(), body, "the same message comes again");
    assert_eq!(body["text"], "2.0 &amp; more is out");
    assert_eq!(
        body["blocks"][1]["fields"][0]["text"],
        "*By*\n&lt;!channel&gt; &lt;https://evil.example|me&gt;"
    );
    // Another channel is not there: nothing that comes again by itself.
    desk.observe(
        "release.withdrawn",
        "slack-handler/post",
        json!({ "channel": "C0NOWHERE", "text": "{data/long}" }),
    )
    .await;
    desk.fire("release.withdrawn", json!({ "long": "&".repeat(10_000) })).await;
    let why = desk.undelivered(1).await;
    assert!(
        why[0].contains("execution.rejected") && why[0].contains("channel_not_found"),
        "{why:?}"
    );
    assert_eq!(api.seen().len(), 3);
    let papers = desk.papers("slack-handler").await;
    assert!(papers.contains("posted") && !papers.contains(TOKEN), "{papers}");
}

#[tokio::test]
async fn a_webhook_posts_through_trouble_and_its_address_is_not_told() {
    let api = Api::start(|asked, number| {
        let right =
            asked.method == "POST" && asked.path == "/services/T0/B0/hush-hush" && asked.header("content-type") == "application/json";
        match number {
            0 => Reply::Late(Duration::from_secs(3)),
            _ if !right => Reply::text(404, "no_service"),
            _ if asked.json()["text"].is_string() && blocks(&asked.json()["blocks"]).is_none() => Reply::text(200, "ok"),
            _ => Reply::text(400, "invalid_blocks"),
        }
    })
    .await;
    let desk = desk(&api).await;
    desk.configure(
        "slack-handler",
        json!({ "webhook_url": format!("{}/services/T0/B0/hush-hush", api.base()) }),
    )
    .await;
    desk.observe("release.published", "slack-handler/post", json!({ "via": "webhook" }))
        .await;
    let long = json!({ "text": "x<y".repeat(5_000), "code": "```", "emoji": "🦀".repeat(3_000) });
    desk.fire("release.published", long).await;
    let asked = api.asked(2).await;
    assert_eq!(asked[0].json(), asked[1].json());
    // One that was taken back is given up at once.
    desk.configure(
        "slack-handler",
        json!({ "webhook_url": format!("{}/services/T0/B0/gone", api.base()) }),
    )
    .await;
    desk.fire("release.published", json!({})).await;
    let why = desk.undelivered(1).await;
    assert!(why[0].contains("404 no_service"), "{why:?}");
    let papers = desk.papers("slack-handler").await;
    assert!(!papers.contains("hush-hush") && !papers.contains("B0/gone"), "{papers}");
}
