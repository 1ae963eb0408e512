//! Anomalies, baselines, health policies and incident reports, over HTTP.

use std::time::Duration;

use oriel_model::limits::TimeSpan;
use oriel_store_fs::FsBlobs;
use oriel_store_sql::SqlOptions;
use reqwest::Method;
use serde_json::{Value, json};

use super::host::Host;

const POLICY: &str = "/api/v1/extensions/hostile/health-policy";

/// What a node learned that has seen an extension idle for long.
const IDLE: &str =
    r#"{"form":1,"windows":5000,"callRate":{"all":[[0,5000]],"hours":{}},"outboundBytes":{"all":[[0,5000]],"hours":{}},"averages":{}}"#;

/// A server whose node has watched the extension `echo` for long, and looks every second.
async fn watching() -> Host {
    let mut host = Host::start_with(|config| config.node_id = Some("watcher".to_owned()))
        .await
        .with_echo()
        .await;
    host.stop().await;
    let database = format!("sqlite:{}", host.data.path().join("oriel.db").display());
    let sql = oriel_store_sql::open(&database, SqlOptions::default()).await.unwrap();
    let blobs = FsBlobs::open(host.data.path().join("packages")).await.unwrap();
    let stores = sql.stores(std::sync::Arc::new(blobs));
    let tenant = stores.tenants.by_name("default").await.unwrap().unwrap();
    stores.baselines.put(tenant.id, "echo", "watcher", IDLE.to_owned()).await.unwrap();
    sql.close().await;
    Host::start_in(host.data.clone(), |config| {
        config.node_id = Some("watcher".to_owned());
        config.anomalies_window = TimeSpan(Duration::from_secs(1));
        config.anomalies_learn = TimeSpan(Duration::from_secs(20));
    })
    .await
}

/// Calls until something unusual was seen.
async fn until_odd(host: &Host) -> Value {
    for _ in 0..600 {
        for _ in 0..20 {
            host.execute("echo", json!(1)).await.ok();
        }
        let listed = host.get("/api/v1/anomalies?extension=echo&state=open").await.ok();
        let found = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["metric"] == "callRate")
            .cloned();
        if let Some(found) = found {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing unusual was seen")
}

#[tokio::test]
async fn an_anomaly_is_seen_told_reported_and_dismissed() {
    let host = watching().await;
    let baseline = host.get("/api/v1/extensions/echo/baseline").await.ok();
    assert_eq!((&baseline["node"], &baseline["windows"]), (&json!("watcher"), &json!(5000)));
    assert_eq!(baseline["series"][0]["usual"]["median"], 0.0);
    let found = until_odd(&host).await;
    let id = found["id"].as_str().unwrap();
    let path = format!("/api/v1/anomalies/{id}");
    let shown = host.get(&path).await;
    assert_eq!(shown.ok()["expected"]["median"], 0.0);
    let audit = host.get("/api/v1/audit?limit=100").await.ok();
    let raised = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["subject"] == id)
        .unwrap()
        .clone();
    assert_eq!((&raised["action"], &raised["actor"]), (&json!("anomaly.raised"), &json!("system")));

    // Who may not, and who is of another tenant.
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    viewer.get(&path).await.ok();
    viewer.post(&format!("{path}/dismiss"), json!({})).await.problem("access.forbidden");
    viewer
        .post("/api/v1/incidents", json!({ "anomaly": id }))
        .await
        .problem("access.forbidden");
    let other = host.other_tenant("other").await;
    other.get(&path).await.problem("anomaly.not_found");
    other.post(&format!("{path}/dismiss"), json!({})).await.problem("anomaly.not_found");
    other
        .post("/api/v1/incidents", json!({ "anomaly": id }))
        .await
        .problem("anomaly.not_found");
    assert_eq!(other.get("/api/v1/anomalies").await.ok()["items"], json!([]));
    other.get("/api/v1/extensions/echo/baseline").await.problem("extension.not_found");

    let report = host.post("/api/v1/incidents", json!({ "anomaly": id })).await.ok();
    assert_eq!((&report["extension"], &report["anomaly"]["id"]), (&json!("echo"), &json!(id)));
    assert!(report["calls"].as_u64().unwrap() >= 20, "{report}");
    assert!(report["executions"][0].get("input").is_none(), "what went in is nobody's business");
    assert!(report["grant"].is_object() && report["health"] == "healthy", "{report}");
    let changes: Vec<_> = report["changes"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert!(changes.contains(&&json!("extension.install")), "{changes:?}");
    let page = host
        .request(Method::POST, "/api/v1/incidents?format=markdown")
        .json(&json!({ "anomaly": id }));
    let page = host.send(page).await;
    assert!(page.header("content-type").starts_with("text/markdown"));
    for part in ["# Incident: echo (1.0.0)", "## Calls", "## Changes", "## Grant", id] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }

    let note = json!({ "note": "known" });
    let stale = host
        .request(Method::POST, &format!("{path}/acknowledge"))
        .header("if-match", "\"999\"");
    host.send(stale.json(&note)).await.problem("request.precondition_failed");
    let known = host.post(&format!("{path}/acknowledge"), note).await;
    assert_eq!(
        (&known.ok()["state"], &known.ok()["settled"]["note"]),
        (&json!("acknowledged"), &json!("known"))
    );
    host.post(&format!("{path}/dismiss"), json!({ "note": "x".repeat(2_001) }))
        .await
        .problem("request.invalid");
    host.post(&format!("{path}/dismiss"), json!({ "nope": 1 }))
        .await
        .problem("request.invalid");
    assert_eq!(host.post(&format!("{path}/dismiss"), json!({})).await.ok()["state"], "dismissed");
    host.post(&format!("{path}/dismiss"), json!({})).await.problem("anomaly.settled");
}

#[tokio::test]
async fn reports_need_a_place_and_a_time() {
    let host = Host::start().await.with_echo().await;
    host.execute("echo", json!(1)).await.ok();
    for (body, code) in [
        (json!({}), "incident.invalid"),
        (json!({ "extension": "echo" }), "incident.invalid"),
        (
            json!({ "extension": "echo", "anomaly": "anom_01jd3yq8m3v5n4x2c7b9k0r6ts" }),
            "incident.invalid",
        ),
        (json!({ "anomaly": "nope" }), "anomaly.not_found"),
        (json!({ "anomaly": "anom_01jd3yq8m3v5n4x2c7b9k0r6ts" }), "anomaly.not_found"),
        (
            json!({ "extension": "No Name", "from": "2026-01-01T00:00:00Z" }),
            "extension.not_found",
        ),
        (
            json!({ "extension": "echo", "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z" }),
            "incident.invalid",
        ),
        (
            json!({ "extension": "echo", "from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z" }),
            "incident.invalid",
        ),
        (json!({ "extension": "echo", "from": "yesterday" }), "request.invalid"),
        (json!({ "extension": "echo", "since": "2026-01-01T00:00:00Z" }), "request.invalid"),
    ] {
        host.post("/api/v1/incidents", body.clone()).await.problem(code);
    }
    let from = oriel_model::time::Clock::now(&oriel_model::time::SystemClock).minus(Duration::from_secs(600));
    let report = host
        .post("/api/v1/incidents", json!({ "extension": "echo", "from": from }))
        .await
        .ok();
    assert_eq!((&report["calls"], &report["failures"]), (&json!(1), &json!(0)));
    // What is no longer installed still has its history.
    host.delete("/api/v1/extensions/echo").await;
    let report = host
        .post("/api/v1/incidents", json!({ "extension": "echo", "from": from }))
        .await
        .ok();
    assert!(report.get("grant").is_none(), "{report}");
    let changes: Vec<_> = report["changes"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert!(changes.contains(&&json!("extension.uninstall")), "{changes:?}");
    for query in ["state=nope", "extension=No%20Name", "limit=0", "nope=1"] {
        host.get(&format!("/api/v1/anomalies?{query}")).await.problem("request.invalid");
    }
    host.get("/api/v1/anomalies?cursor=nope").await.problem("request.cursor");
}

#[tokio::test]
async fn a_health_policy_is_set_kept_and_guarded() {
    let mut host = Host::start().await.with_hostile(&["trap", "echo"]).await;
    let shown = host.get(POLICY).await;
    assert_eq!(
        (&shown.ok()["policy"], &shown.ok()["effective"]["crashes"]),
        (&json!({}), &json!(5))
    );
    let tag = shown.header("etag").to_owned();
    let put = async |host: &Host, tag: Option<&str>, body: Value| {
        let mut request = host.request(Method::PUT, POLICY).json(&body);
        if let Some(tag) = tag {
            request = request.header("if-match", tag);
        }
        host.send(request).await
    };
    for (body, code) in [
        (json!({ "errorRate": 101 }), "extension.health_policy_invalid"),
        (json!({ "probes": 0 }), "extension.health_policy_invalid"),
        (json!({ "backoff": "2s", "backoffMax": "1s" }), "extension.health_policy_invalid"),
        (json!({ "backoff": 5 }), "request.invalid"),
        (json!({ "crash": 5 }), "request.invalid"),
        (json!({ "onAnomaly": "explode" }), "request.invalid"),
    ] {
        put(&host, None, body).await.problem(code);
    }
    put(&host, Some("\"999\""), json!({})).await.problem("request.precondition_failed");
    put(&host, Some(&tag), json!({ "crashes": 2, "backoff": "60s" })).await.ok();
    put(&host, Some(&tag), json!({ "crashes": 9 }))
        .await
        .problem("request.precondition_failed");
    for _ in 0..2 {
        host.execute("trap", json!(1)).await.problem("execution.trapped");
    }
    let refused = host.execute("echo", json!(1)).await;
    refused.problem("extension.tripped");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 40);

    // It outlives a restart; the file's policy holds where the installation is silent.
    host.stop().await;
    let host = Host::start_in(host.data.clone(), |config| {
        let named = serde_json::from_value(json!({ "crashes": 7, "probes": 1 })).unwrap();
        config.health_policies = std::collections::BTreeMap::from([("hostile".parse().unwrap(), named)]);
    })
    .await;
    let shown = host.get(POLICY).await.ok();
    assert_eq!(shown["policy"], json!({ "crashes": 2, "backoff": "1m" }));
    assert_eq!(
        (&shown["effective"]["crashes"], &shown["effective"]["probes"]),
        (&json!(2), &json!(1))
    );
    let viewer = host.with_key(&host.new_key("viewer", &[]).await);
    put(&viewer, None, json!({})).await.problem("access.forbidden");
    host.other_tenant("other").await.get(POLICY).await.problem("extension.not_found");
}
