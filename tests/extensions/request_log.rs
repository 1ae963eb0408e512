//! The request log, over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::desk::{Desk, send, too_long};

async fn desk() -> Desk {
    let desk = Desk::start();
    desk.install("request-log", &[]).await;
    desk
}

async fn items(desk: &Desk) -> Vec<Value> {
    let shown = send(desk.request(Method::GET, "/x/default/request-log/log?format=json")).await.ok();
    shown["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn whatever_comes_is_shown() {
    let desk = desk().await;
    desk.configure(
        "request-log",
        json!({ "headers": ["Content-Type", "X-Event", "Authorization"], "body_bytes": 10 }),
    )
    .await;
    let hook = desk.anonymous(Method::POST, "/x/default/request-log/in/github/push?a=1&b=%3C");
    let hook = hook
        .header("content-type", "application/json")
        .header("x-event", "push")
        .header("x-other", "no");
    let taken = send(hook.bearer_auth("hush").body(r#"{"ä": "<script>"}"#)).await;
    assert_eq!((taken.status, taken.text.as_str()), (204, ""));
    let bytes = desk.anonymous(Method::PUT, "/x/default/request-log/in").body(vec![0xff, 0, 1]);
    assert_eq!(send(bytes).await.status, 204);
    let found = items(&desk).await;
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["number"], &found[0]["method"], &found[0]["body"], &found[0]["bodyBytes"]),
        (&json!(2), &json!("PUT"), &json!({ "hex": "ff0001" }), &json!(3))
    );
    // A token that came is not there to be kept, even where somebody asks for it: it ends at the host.
    assert_eq!(
        found[1]["headers"],
        json!([["content-type", "application/json"], ["x-event", "push"]])
    );
    assert_eq!(
        (&found[1]["path"], &found[1]["body"]),
        (&json!("/in/github/push?a=1&b=%3C"), &json!({ "text": "{\"ä\": \"<s" }))
    );
    // Who has no key may send, and not see.
    assert_eq!(send(desk.anonymous(Method::GET, "/x/default/request-log/log")).await.status, 401);
    let forgotten = send(desk.request(Method::DELETE, "/x/default/request-log/log")).await;
    assert_eq!(forgotten.status, 204);
    assert_eq!(items(&desk).await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_page_shows_markup_as_text() {
    let desk = desk().await;
    let path = "/x/default/request-log/in?q=%3Cimg%20src=x%20onerror=alert(1)%3E&raw='";
    let evil = desk.anonymous(Method::POST, path).header("user-agent", "<script>alert(2)</script>");
    send(evil.body("</pre><script>alert(3)</script>\u{1b}[31m\u{202e}&\"")).await;
    let page = send(
        desk.request(Method::GET, "/x/default/request-log/log")
            .header("accept", "text/html,application/json;q=0.5"),
    )
    .await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(
        !page.text.contains("<script") && !page.text.contains("<img") && !page.text.contains('\u{1b}'),
        "{}",
        page.text
    );
    assert!(
        !page.text.contains('\u{202e}') && page.text.contains("&lt;/pre&gt;&lt;script&gt;alert(3)"),
        "{}",
        page.text
    );
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{page:?}");
}

#[tokio::test]
async fn whoever_sends_cannot_fill_the_store() {
    let desk = desk().await;
    desk.configure("request-log", json!({ "most": 5, "status": 503 })).await;
    let one = |number: usize| desk.anonymous(Method::POST, "/x/default/request-log/in").body(format!("{number}"));
    let answers = futures::future::join_all((0..40).map(|number| send(one(number)))).await;
    assert!(answers.iter().all(|answer| answer.status == 503), "{answers:?}");
    let numbers: Vec<u64> = items(&desk).await.iter().map(|item| item["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 5, "{numbers:?}");
    // Too much is refused by the host, and the extension goes on.
    let large = desk.anonymous(Method::POST, "/x/default/request-log/in").body("x".repeat(2 << 20));
    too_long(large).await;
    for config in [json!({ "status": 302 }), json!({ "most": 100_000 })] {
        desk.try_to_configure("request-log", config)
            .await
            .problem("extension.config_invalid");
    }
    let nothing = send(desk.request(Method::GET, "/x/default/request-log/log/more")).await;
    assert_eq!(nothing.status, 404);
    assert_eq!(send(desk.request(Method::POST, "/x/default/request-log/log")).await.status, 405);
}
