//! The circuit breaker, quarantine, budgets and usage, as clients meet them.

use std::time::Duration;

use oriel_model::limits::TimeSpan;
use oriel_server::config::Price;
use reqwest::Method;
use serde_json::{Value, json};

use super::host::{Host, Reply, package};

const HEALTH: &str = "/api/v1/extensions/hostile/health";
const BUDGETS: &str = "/api/v1/extensions/hostile/budgets";
const BATCH: &str = "/api/v1/tasks/batch/execute";

fn span(millis: u64) -> TimeSpan {
    TimeSpan(Duration::from_millis(millis))
}

async fn put(host: &Host, path: &str, body: Value) -> Reply {
    host.send(host.request(Method::PUT, path).json(&body)).await
}

#[tokio::test]
async fn what_crashes_again_and_again_is_refused_with_a_time_to_come_back() {
    let host = Host::start_with(|config| {
        config.health_backoff = span(60_000);
        config.health_backoff_max = span(60_000);
    });
    let host = host.await.with_hostile(&["trap", "echo"]).await;
    assert_eq!(host.get(HEALTH).await.ok()["state"], "starting");
    host.execute("echo", json!(1)).await.ok();
    for _ in 0..5 {
        host.execute("trap", json!(1)).await.problem("execution.trapped");
    }
    for _ in 0..20 {
        let refused = host.execute("echo", json!(1)).await;
        let problem = refused.problem("extension.tripped");
        assert_eq!((&problem["blame"], &problem["retryable"]), (&json!("guest"), &json!(true)));
        assert!(problem.get("executionId").is_none(), "it never became an execution");
        let seconds: u64 = refused.header("retry-after").parse().unwrap();
        assert!((40..=60).contains(&seconds), "{seconds}");
    }
    host.post("/api/v1/extensions/hostile/programs/echo/call", json!({"input": 1}))
        .await
        .problem("extension.tripped");

    let health = host.get(HEALTH).await.ok();
    assert_eq!((&health["state"], &health["tripsInARow"]), (&json!("tripped"), &json!(1)));
    assert!(health["retryAfterMs"].as_f64().unwrap() > 40_000.0);
    let moves: Vec<_> = health["history"].as_array().unwrap().iter().map(|change| &change["to"]).collect();
    assert_eq!(moves, ["tripped", "healthy", "starting"]);
    let shown = host.get("/api/v1/extensions/hostile").await.ok();
    assert_eq!(shown["health"]["state"], "tripped");
    assert!(
        shown["health"]["reason"]
            .as_str()
            .unwrap()
            .starts_with("it crashed 5 times in a row")
    );
    let recorded = host.get("/api/v1/executions?limit=100").await.ok();
    assert_eq!(recorded["items"].as_array().unwrap().len(), 6, "what was refused is not recorded");

    let metrics = host.get("/metrics").await.text;
    for series in [
        "oriel_extension_trips_total ",
        "oriel_extension_calls_refused_total ",
        "oriel_extensions{state=\"tripped\"} ",
    ] {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)).unwrap_or("0");
        assert!(line.parse::<f64>().unwrap() >= 1.0, "{series}{line}");
    }
    // Others are not affected, nor may they look.
    let other = host.other_tenant("other").await;
    for path in [HEALTH, BUDGETS] {
        other.get(path).await.problem("extension.not_found");
    }
    other
        .post("/api/v1/extensions/hostile/release", json!({}))
        .await
        .problem("extension.not_found");
}

#[tokio::test]
async fn quarantine_outlives_a_restart_and_ends_when_somebody_says_so() {
    let mut host = Host::start_with(|config| {
        config.health_backoff = span(1);
        config.health_quarantine_trips = 2;
    })
    .await
    .with_hostile(&["trap", "echo"])
    .await;
    let mut last = String::new();
    while last != "extension.quarantined" {
        let reply = host.execute("trap", json!(1)).await;
        last = reply.json()["code"].as_str().unwrap().to_owned();
        assert!(
            ["execution.trapped", "extension.tripped", "extension.quarantined"].contains(&last.as_str()),
            "{last}"
        );
    }
    while host.get(HEALTH).await.ok()["quarantine"].is_null() {
        tokio::task::yield_now().await;
    }
    host.stop().await;
    let host = Host::start_in(host.data.clone(), |_| {}).await;
    let refused = host.execute("echo", json!(1)).await;
    let problem = refused.problem("extension.quarantined");
    assert!(problem["detail"].as_str().unwrap().contains("trip 2 in a row"), "{problem}");
    assert_eq!((refused.status.as_u16(), &problem["retryable"]), (409, &json!(false)));
    let health = host.get(HEALTH).await.ok();
    assert_eq!(
        (&health["state"], &health["quarantine"]["by"]),
        (&json!("quarantined"), &json!("system"))
    );

    let viewer = host.with_key(&host.new_key("developer", &[]).await);
    viewer
        .post("/api/v1/extensions/hostile/release", json!({}))
        .await
        .problem("access.forbidden");
    let stale = host
        .request(Method::POST, "/api/v1/extensions/hostile/release")
        .header("if-match", "\"1\"");
    host.send(stale).await.problem("request.precondition_failed");
    let released = host.post("/api/v1/extensions/hostile/release", json!({})).await.ok();
    assert_eq!(released["health"]["state"], "starting");
    host.execute("echo", json!(1)).await.ok();
    let audit = host.get("/api/v1/audit").await.ok();
    let acts: Vec<_> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(acts[0], "extension.release");
    assert!(acts.contains(&&json!("extension.quarantine")), "{acts:?}");
}

/// A batch of inputs for `huge`, which answers so many bytes.
async fn batch(host: &Host, workers: u32, inputs: impl Iterator<Item = Value>) -> (u64, Vec<String>) {
    let items: Vec<Value> = inputs
        .enumerate()
        .map(|(n, input)| json!({"id": n.to_string(), "input": input}))
        .collect();
    let body = json!({"taskId": "huge", "items": items, "maxConcurrency": workers});
    let reply = host.post(BATCH, body).await.ok();
    let mut codes: Vec<String> = reply["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|result| Some(result["errorCode"].as_str()?.to_owned()))
        .collect();
    codes.sort_unstable();
    (reply["successCount"].as_u64().unwrap(), codes)
}

const TOO_MUCH: u32 = 100_000;

/// Makes the task `huge`, whose program may answer 64 KiB.
async fn with_huge(host: Host) -> Host {
    let manifest = "name = \"hostile\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\n\
        license = \"Apache-2.0\"\nhost_api = \"^0.1\"\nlifecycle = true\n[[programs]]\nname = \"huge\"\n\
        [permissions]\nkey_value = true\nnetwork = [\"example.com\"]\n[limits]\noutput = \"64KiB\"\n";
    host.upload("/api/v1/extensions?grant=true", package("hostile", manifest))
        .await
        .ok();
    let task = json!({"name": "huge", "program": {"extension": "hostile", "name": "huge"}});
    host.post("/api/v1/tasks", task).await.ok();
    host
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_in_which_everything_crashes_ends_early() {
    let host = Host::start_with(|config| config.health_backoff = span(600_000)).await;
    let host = with_huge(host).await;
    let (succeeded, codes) = batch(&host, 4, (0..10_000).map(|_| json!(TOO_MUCH))).await;
    assert_eq!((succeeded, codes.len()), (0, 10_000));
    let crashed = codes.iter().filter(|code| *code == "execution.output_too_large").count();
    assert!((5..=8).contains(&crashed), "{crashed} were tried: five, and those under way");
    assert_eq!(codes.iter().filter(|code| *code == "extension.tripped").count(), 10_000 - crashed);
    let recorded = host.get("/api/v1/executions?limit=100").await.ok();
    assert_eq!(recorded["items"].as_array().unwrap().len(), crashed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_waits_for_an_extension_that_some_bad_inputs_have_tripped() {
    let host = Host::start_with(|config| config.health_backoff = span(20)).await;
    let host = with_huge(host).await;
    let inputs = (0..2_000).map(|n| json!(if n < 6 { TOO_MUCH } else { 3 }));
    let (succeeded, codes) = batch(&host, 1, inputs).await;
    assert_eq!((succeeded, codes), (1_994, vec!["execution.output_too_large".to_owned(); 6]));
    assert!(host.get(HEALTH).await.ok()["tripsWithinAnHour"].as_u64().unwrap() >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_in_which_the_program_refuses_a_third_of_the_inputs_trips_nothing() {
    let host = with_huge(Host::start().await).await;
    let inputs = (0..3_000).map(|n| if n % 3 == 0 { json!("no number") } else { json!(3) });
    let (succeeded, codes) = batch(&host, 4, inputs).await;
    assert_eq!((succeeded, codes), (2_000, vec!["execution.rejected".to_owned(); 1_000]));
    assert_eq!(host.get(HEALTH).await.ok()["state"], "healthy");
}

#[tokio::test]
async fn budgets_are_set_shown_and_kept() {
    let host = Host::start().await.with_hostile(&["echo"]).await;
    assert_eq!(host.get(BUDGETS).await.ok(), json!({}));
    let budgets = json!({
        "calls": {"limit": 2, "window": "1h", "action": "throttle"},
        "errorRate": {"limit": 0.5, "window": "5m", "action": "warn"},
    });
    let tag = host.get("/api/v1/extensions/hostile").await.header("etag").to_owned();
    put(&host, BUDGETS, budgets.clone()).await.ok();
    assert_eq!(host.get(BUDGETS).await.ok(), budgets);
    let stale = host.request(Method::PUT, BUDGETS).header("if-match", tag).json(&json!({}));
    host.send(stale).await.problem("request.precondition_failed");
    for _ in 0..2 {
        host.execute("echo", json!(1)).await.ok();
    }
    let refused = host.execute("echo", json!(1)).await;
    let problem = refused.problem("extension.budget_exceeded");
    assert_eq!(refused.status, 429);
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .starts_with("over the budget `calls`: 2 of 2 within 1h")
    );
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 3_000);
    let health = host.get(HEALTH).await.ok();
    assert_eq!(health["state"], "degraded");
    let calls = health["budgets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|budget| budget["axis"] == "calls")
        .unwrap();
    assert_eq!((&calls["used"], &calls["over"]), (&json!(2.0), &json!(true)));

    for (wrong, code) in [
        (json!({"calls": {"limit": 0, "action": "warn"}}), "extension.budget_invalid"),
        (
            json!({"cpu": {"limit": "1s", "window": "1ms", "action": "warn"}}),
            "extension.budget_invalid",
        ),
        (json!({"cpu": {"limit": "1s", "action": "scold"}}), "request.invalid"),
        (json!({"tea": {"limit": "1s", "action": "warn"}}), "request.invalid"),
    ] {
        put(&host, BUDGETS, wrong.clone()).await.problem(code);
    }
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    assert_eq!(viewer.get(BUDGETS).await.ok(), budgets);
    put(&viewer, BUDGETS, json!({})).await.problem("access.forbidden");
    put(&host, BUDGETS, json!({})).await.ok();
    host.execute("echo", json!(1)).await.ok();
}

#[tokio::test]
async fn usage_is_shown_with_its_price() {
    let host = Host::start_with(|config| {
        config.prices_million_calls = Price(2_000_000.0);
        config.prices_currency = Some("EUR".to_owned());
    })
    .await
    .with_echo()
    .await
    .with_hostile(&["fail"])
    .await;
    for _ in 0..3 {
        host.execute("echo", json!(1)).await.ok();
    }
    host.execute("fail", json!("internal")).await.problem("execution.failed");
    let usage = host.get("/api/v1/usage").await.ok();
    let line = |item: &Value| {
        (
            item["extension"].clone(),
            item["calls"].clone(),
            item["failures"].clone(),
            item["cost"].clone(),
        )
    };
    assert_eq!(usage["currency"], "EUR");
    assert_eq!(
        usage["items"].as_array().unwrap().iter().map(line).collect::<Vec<_>>(),
        [
            (json!("echo"), json!(3), json!(0), json!(6.0)),
            (json!("hostile"), json!(1), json!(1), json!(2.0))
        ]
    );
    assert_eq!((&usage["total"]["calls"], &usage["total"]["cost"]), (&json!(4), &json!(8.0)));
    let parts = host.get("/api/v1/usage?groupBy=contribution,hour").await.ok();
    let first = &parts["items"][0];
    assert_eq!((&first["kind"], &first["contribution"]), (&json!("program"), &json!("echo")));
    assert!(first["at"].as_str().unwrap().ends_with(":00:00.000Z"));
    let none = host
        .get("/api/v1/usage?from=2001-01-01T00:00:00Z&to=2001-02-01T00:00:00Z")
        .await
        .ok();
    assert_eq!(none["items"], json!([]));
    for wrong in [
        "groupBy=colour",
        "groupBy=hour,day",
        "from=2026-01-01T00:00:00Z&to=2025-01-01T00:00:00Z",
        "from=1999-01-01T00:00:00Z",
        "from=today",
    ] {
        host.get(&format!("/api/v1/usage?{wrong}")).await.problem("request.invalid");
    }
    let other = host.other_tenant("other").await;
    assert_eq!(other.get("/api/v1/usage").await.ok()["items"], json!([]));
}
