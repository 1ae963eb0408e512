//! The GitHub issue handler, against a server that answers as GitHub does.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::api::{Api, Asked, Reply, until};
use crate::desk::Desk;

const TOKEN: &str = "ghp_the-token-itself";

/// A repository with its issues.
#[derive(Clone, Default)]
struct Repository {
    issues: Arc<Mutex<Vec<Value>>>,
}

impl Repository {
    /// What GitHub says: https://docs.github.com/en/rest/issues/issues.
    fn answer(&self, asked: &Asked) -> Reply {
        let says = |status, message: &str| {
            Reply::json(
                status,
                &json!({ "message": message, "documentation_url": "https://docs.github.com/rest" }),
            )
        };
        if asked.header("user-agent").is_empty() {
            return says(
                403,
                "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
            );
        }
        if asked.header("x-github-api-version") != "2022-11-28" || asked.header("accept") != "application/vnd.github+json" {
            return says(400, "Unsupported version or media type");
        }
        if asked.header("authorization") != format!("Bearer {TOKEN}") {
            return says(401, "Bad credentials");
        }
        if asked.method == "POST" && asked.header("content-length") != asked.body.len().to_string() {
            return says(411, "Length Required");
        }
        let mut issues = self.issues.lock().unwrap();
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/api/v3/repos/acme/shop/issues") => {
                let body = asked.json();
                let texts = |name: &str| {
                    body.get(name)
                        .is_none_or(|list| list.as_array().is_some_and(|list| list.iter().all(Value::is_string)))
                };
                if !body["title"].is_string()
                    || !texts("labels")
                    || !texts("assignees")
                    || body["body"].as_str().is_some_and(|text| text.len() > 65_536)
                {
                    return Reply::json(
                        422,
                        &json!({ "message": "Validation Failed", "errors": [{ "resource": "Issue", "field": "title", "code": "missing_field" }] }),
                    );
                }
                let number = issues.len() + 1;
                let issue = json!({ "number": number, "html_url": format!("https://github.com/acme/shop/issues/{number}"), "title": body["title"], "body": body["body"], "labels": body["labels"] });
                issues.push(issue.clone());
                Reply::json(201, &issue)
            }
            ("GET", path) if path.starts_with("/api/v3/repos/acme/shop/issues?") => {
                let newest_first: Vec<&Value> = issues.iter().rev().collect();
                Reply::json(200, &json!(newest_first))
            }
            ("POST", "/api/v3/repos/acme/shop/issues/1/comments") if asked.json()["body"].is_string() => {
                Reply::json(201, &json!({ "id": 1 }))
            }
            _ => says(404, "Not Found"),
        }
    }

    fn issues(&self) -> Vec<Value> {
        self.issues.lock().unwrap().clone()
    }
}

async fn desk(api: &Api, binding: Value) -> Desk {
    let desk = Desk::start();
    desk.install(
        "github-issue-handler",
        &[
            (
                "network = [\"https://api.github.com\"]",
                &format!("network = [\"{}\"]\nprivate_network = [\"127.0.0.0/8\"]", api.base()),
            ),
            (
                "github-token = [\"https://api.github.com\"]",
                &format!("github-token = [\"{}\"]", api.base()),
            ),
            ("http_timeout = \"8s\"", "http_timeout = \"2s\""),
        ],
    )
    .await;
    desk.put("/extensions/github-issue-handler/secrets/github-token", json!({ "value": TOKEN }))
        .await
        .ok();
    let config = json!({ "repository": "acme/shop", "labels": ["oriel"], "api_url": format!("{}/api/v3", api.base()) });
    desk.configure("github-issue-handler", config).await;
    desk.observe("order.lost", "github-issue-handler/open-issue", binding).await;
    desk
}

/// GitHub makes the issue, and the answer is lost: the next attempt finds it instead of making another.
#[tokio::test]
async fn an_answer_that_is_lost_makes_no_second_issue() {
    let repository = Repository::default();
    let github = repository.clone();
    let api = Api::start(move |asked, number| {
        let answer = github.answer(asked);
        if number == 0 { Reply::Lost } else { answer }
    })
    .await;
    let binding = json!({ "title": "Order {data/order} is lost", "same": "{data/order}", "on_repeat": "comment", "labels": ["lost"] });
    let desk = desk(&api, binding).await;
    desk.fire("order.lost", json!({ "order": "A-7", "why": "``` @acme/everyone" }))
        .await;
    let asked = api.asked(2).await;
    assert_eq!(
        (asked[1].method.as_str(), asked[1].path.split('?').next().unwrap()),
        ("GET", "/api/v3/repos/acme/shop/issues")
    );
    let issues = repository.issues();
    assert_eq!(issues.len(), 1, "{issues:?}");
    assert_eq!(
        (&issues[0]["title"], &issues[0]["labels"]),
        (&json!("Order A-7 is lost"), &json!(["oriel", "lost"]))
    );
    assert!(
        issues[0]["body"].as_str().unwrap().contains("\n````json\n"),
        "{}",
        issues[0]["body"]
    );
    // The same trouble with other words is a comment, and another trouble an issue of its own.
    desk.fire("order.lost", json!({ "order": "A-7", "why": "still" })).await;
    let asked = api.asked(3).await;
    assert_eq!(asked[2].path, "/api/v3/repos/acme/shop/issues/1/comments");
    desk.fire("order.lost", json!({ "order": "A-8" })).await;
    until(|| repository.issues().len() == 2).await;
    assert!(!desk.papers("github-issue-handler").await.contains(TOKEN));
}

#[tokio::test]
async fn refusals_are_given_up_and_limits_are_not() {
    let repository = Repository::default();
    let github = repository.clone();
    let api = Api::start(move |asked, number| match number {
        0 => Reply::json(403, &json!({ "message": "You have exceeded a secondary rate limit." })).with("retry-after", "1"),
        1 => Reply::json(401, &json!({ "message": "Bad credentials" })),
        2 => Reply::text(201, "<html>"),
        _ => github.answer(asked),
    })
    .await;
    let desk = desk(&api, json!({})).await;
    desk.fire("order.lost", json!({ "order": 1 })).await;
    // The limit passes; then the token does not do, and that is that.
    let why = desk.undelivered(1).await;
    assert!(why[0].contains("execution.denied") && why[0].contains("Bad credentials"), "{why:?}");
    assert_eq!(api.seen().len(), 2);
    // What is no answer of GitHub's is uncertain: the list is asked before anything is made.
    desk.fire("order.lost", json!({ "order": 2 })).await;
    let asked = api.asked(5).await;
    let methods: Vec<&str> = asked[2..].iter().map(|asked| asked.method.as_str()).collect();
    assert_eq!(methods, ["POST", "GET", "POST"]);
    until(|| repository.issues().len() == 1).await;
}
