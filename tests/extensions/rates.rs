//! The exchange-rate converter, against a server of rates.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::desk::{Answer, Desk};

async fn convert(desk: &Desk, input: Value) -> Answer {
    desk.post("/extensions/exchange-rates/programs/convert/call", json!({ "input": input }))
        .await
}

#[tokio::test]
async fn rates_are_asked_for_once_and_serve_while_the_source_is_down() {
    let api = Api::start(|asked, number| {
        let right = asked.method == "GET" && asked.header("accept") == "application/json" && !asked.header("user-agent").is_empty();
        let day = asked.path.strip_prefix("/v1/").unwrap_or_default();
        match (right, day, number) {
            (true, "latest", 0) => Reply::json(
                200,
                &json!({ "amount": 1.0, "base": "EUR", "date": "2026-03-02", "rates": { "USD": 1.0821, "JPY": 161.55 } }),
            ),
            (true, "2026-03-01", _) => Reply::json(200, &json!({ "base": "EUR", "date": "2026-02-27", "rates": { "USD": 1.08 } })),
            (true, "2026-02-01", _) => Reply::Late(Duration::from_secs(3)),
            (true, "2026-02-02", _) => Reply::text(200, "<html>welcome</html>"),
            (true, "1999-01-01", _) => Reply::json(404, &json!({ "message": "not found" })),
            _ => Reply::text(500, "no"),
        }
    })
    .await;
    let desk = Desk::start();
    desk.install(
        "exchange-rates",
        &[
            (
                "network = [\"https://api.frankfurter.dev\"]",
                &format!("network = [\"{}\"]\nprivate_network = [\"127.0.0.0/8\"]", api.base()),
            ),
            ("http_timeout = \"5s\"", "http_timeout = \"1s\""),
        ],
    )
    .await;
    desk.configure("exchange-rates", json!({ "url": format!("{}/v1/{{date}}", api.base()) }))
        .await;
    let input = json!({ "amount": "1000000000000000.01", "from": "EUR", "to": "USD" });
    let output = convert(&desk, input.clone()).await.ok();
    assert_eq!(output["outputData"]["result"], "1082100000000000.01", "{output}");
    assert_eq!(output["outputData"]["stale"], false);
    for _ in 0..3 {
        convert(&desk, input.clone()).await.ok();
    }
    assert_eq!(api.seen().len(), 1);
    // A day without a rate of its own has that of the day before, and keeps it.
    let day = json!({ "amount": 1, "from": "USD", "to": "EUR", "date": "2026-03-01" });
    let output = convert(&desk, day.clone()).await.ok();
    assert_eq!(
        (&output["outputData"]["result"], &output["outputData"]["date"]),
        (&json!("0.93"), &json!("2026-02-27"))
    );
    convert(&desk, day).await.ok();
    assert_eq!(api.seen().len(), 2);
    let on = |date: &str| json!({ "amount": 1, "from": "EUR", "to": "USD", "date": date });
    convert(&desk, on("1999-01-01")).await.problem("execution.rejected");
    convert(&desk, on("2026-02-02")).await.problem("execution.unavailable");
    assert_eq!(api.seen().len(), 4);
    // A source that has just failed is left alone for a while, whatever is asked.
    convert(&desk, on("2026-02-01")).await.problem("execution.unavailable");
    assert_eq!(api.seen().len(), 4);
    convert(&desk, json!({ "amount": "1", "from": "EUR", "to": "XXX" }))
        .await
        .problem("execution.rejected");
    convert(&desk, json!({ "amount": "one", "from": "EUR", "to": "USD" }))
        .await
        .problem("execution.input_invalid");
}

#[tokio::test]
async fn a_source_that_says_nothing_in_time_is_down() {
    let api = Api::start(|_, _| Reply::Late(Duration::from_secs(3))).await;
    let desk = Desk::start();
    desk.install(
        "exchange-rates",
        &[
            (
                "network = [\"https://api.frankfurter.dev\"]",
                &format!("network = [\"{}\"]\nprivate_network = [\"127.0.0.0/8\"]", api.base()),
            ),
            ("http_timeout = \"5s\"", "http_timeout = \"500ms\""),
        ],
    )
    .await;
    desk.configure("exchange-rates", json!({ "url": format!("{}/{{date}}", api.base()) }))
        .await;
    convert(&desk, json!({ "amount": "1", "from": "EUR", "to": "USD" }))
        .await
        .problem("execution.unavailable");
    assert_eq!(api.seen().len(), 1);
}
