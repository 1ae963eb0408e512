//! Secrets of extensions and their measurements, over HTTP.

use reqwest::Method;
use serde_json::json;

use super::host::{Host, package};

const VALUE: &str = "ghp_the-secret-itself";

/// A package of the guest `caller` that asks for a secret.
fn sender() -> Vec<u8> {
    let programs: String = ["placeholder", "count", "record", "send"]
        .iter()
        .map(|name| format!("\n[[programs]]\nname = \"{name}\"\n"))
        .collect();
    let permissions =
        "\n[permissions]\nnetwork = [\"api.example.com\"]\ncall = [\"geo/*\"]\n[permissions.secrets]\ntoken = [\"api.example.com\"]\n";
    package(
        "caller",
        &format!(
            "name = \"sender\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\nhost_api = \"^0.1\"\n{programs}{permissions}"
        ),
    )
}

async fn start() -> Host {
    let host = Host::start().await;
    let waiting = host.upload("/api/v1/extensions", sender()).await.ok();
    assert_eq!(
        waiting["wants"],
        json!(["network api.example.com", "call geo/*", "secrets token for api.example.com"])
    );
    let consent = host.request(Method::POST, "/api/v1/extensions/sender/consent");
    let granted = host.send(consent).await.ok();
    assert_eq!(granted["grant"]["secrets"], json!({ "token": ["api.example.com"] }));
    host
}

async fn put(host: &Host, path: &str, body: serde_json::Value) -> super::host::Reply {
    host.send(host.request(Method::PUT, path).json(&body)).await
}

async fn call(host: &Host, program: &str, input: serde_json::Value) -> super::host::Reply {
    let path = format!("/api/v1/extensions/sender/programs/{program}/call");
    host.post(&path, json!({ "input": input })).await
}

#[tokio::test]
async fn a_secret_is_set_listed_and_removed_and_never_shown() {
    const SECRETS: &str = "/api/v1/extensions/sender/secrets";
    const TOKEN: &str = "/api/v1/extensions/sender/secrets/token";
    let host = start().await;
    let hosts = json!(["api.example.com"]);
    assert_eq!(
        host.get(SECRETS).await.ok()["items"],
        json!([{ "name": "token", "set": false, "wanted": hosts, "granted": hosts }])
    );
    call(&host, "placeholder", json!("token")).await.problem("execution.unavailable");
    let set = put(&host, TOKEN, json!({ "value": VALUE })).await.ok();
    assert_eq!((&set["name"], &set["set"]), (&json!("token"), &json!(true)));
    assert!(set["setAt"].is_string(), "{set}");
    let placeholder = call(&host, "placeholder", json!("token")).await.ok();
    assert!(
        placeholder["outputData"].as_str().unwrap().starts_with("oriel-secret-"),
        "{placeholder}"
    );
    for path in [
        SECRETS,
        "/api/v1/extensions/sender",
        "/api/v1/extensions",
        "/api/v1/extensions/sender/config",
        "/api/v1/audit",
        "/api/v1/executions",
    ] {
        let text = host.get(path).await.text;
        assert!(!text.contains(VALUE) && !text.contains("sealed:v1"), "{path}: {text}");
    }
    assert_eq!(host.delete(TOKEN).await.status, 204);
    host.delete(TOKEN).await.problem("extension.secret_not_found");
    call(&host, "placeholder", json!("token")).await.problem("execution.unavailable");
}

#[tokio::test]
async fn what_cannot_be_set_is_refused() {
    const TOKEN: &str = "/api/v1/extensions/sender/secrets/token";
    let host = start().await;
    for (path, body, code) in [
        (
            "/api/v1/extensions/sender/secrets/other",
            json!({ "value": VALUE }),
            "extension.secret_not_found",
        ),
        (
            "/api/v1/extensions/sender/secrets/No%20Name",
            json!({ "value": VALUE }),
            "extension.secret_not_found",
        ),
        (
            "/api/v1/extensions/nobody/secrets/token",
            json!({ "value": VALUE }),
            "extension.not_found",
        ),
        (TOKEN, json!({ "value": "" }), "extension.secret_invalid"),
        (TOKEN, json!({ "value": "two\r\nlines" }), "extension.secret_invalid"),
        (TOKEN, json!({ "value": "x".repeat(5_000) }), "extension.secret_invalid"),
        (TOKEN, json!({}), "request.invalid"),
        (TOKEN, json!({ "value": 7 }), "request.invalid"),
        (TOKEN, json!({ "value": VALUE, "more": 1 }), "request.invalid"),
    ] {
        let problem = put(&host, path, body.clone()).await.problem(code);
        assert!(!problem.to_string().contains(VALUE), "{problem}");
    }
    let developer = host.with_key(&host.new_key("developer", &[]).await);
    put(&developer, TOKEN, json!({ "value": VALUE })).await.problem("access.forbidden");
    developer.delete(TOKEN).await.problem("access.forbidden");
    assert_eq!(
        developer.get("/api/v1/extensions/sender/secrets").await.ok()["items"][0]["set"],
        false
    );
    let stranger = host.other_tenant("stranger").await;
    put(&stranger, TOKEN, json!({ "value": VALUE }))
        .await
        .problem("extension.not_found");
    stranger
        .get("/api/v1/extensions/sender/secrets")
        .await
        .problem("extension.not_found");
    let late = host
        .request(Method::PUT, TOKEN)
        .header("if-match", "\"99\"")
        .json(&json!({ "value": VALUE }));
    host.send(late).await.problem("request.precondition_failed");
}

#[tokio::test]
async fn measurements_are_shown_to_those_whom_they_concern() {
    let host = start().await;
    let count = json!({ "name": "orders", "value": 2.5, "labels": { "kind": "new\n\"x\"" } });
    call(&host, "count", count).await.ok();
    call(&host, "record", json!({ "name": "seconds", "value": 0.2 })).await.ok();
    call(&host, "count", json!({ "name": "Not Good", "value": 1 })).await.ok();
    let tenant = "tenant=\"default\",extension=\"sender\"";
    let series = [
        format!("oriel_guest_counter_total{{{tenant},metric=\"orders\",kind=\"new\\n\\\"x\\\"\"}} 2.5"),
        format!("oriel_guest_histogram_bucket{{{tenant},metric=\"seconds\",le=\"0.1\"}} 0"),
        format!("oriel_guest_histogram_bucket{{{tenant},metric=\"seconds\",le=\"0.25\"}} 1"),
        format!("oriel_guest_histogram_count{{{tenant},metric=\"seconds\"}} 1"),
        format!("oriel_guest_measurements_dropped_total{{{tenant}}} 1"),
    ];
    let text = host.get("/metrics").await.text;
    for series in &series {
        assert!(text.lines().any(|line| line == series), "{series}\n{text}");
    }
    // Another tenant's key, a key that may not read extensions, and nobody see none of it.
    let stranger = host.other_tenant("stranger").await;
    let narrow = host.with_key(&host.new_key("developer", &["tasks:execute"]).await);
    let own = host.with_key(&host.new_key("viewer", &[]).await);
    let anonymous = host.send(host.anonymous(Method::GET, "/metrics")).await;
    for text in [
        stranger.get("/metrics").await.text,
        narrow.get("/metrics").await.text,
        anonymous.text,
    ] {
        assert!(text.contains("oriel_ready") && !text.contains("sender"), "{text}");
    }
    assert!(own.get("/metrics").await.text.contains(&series[0]));
    let wrong = host.with_key("oriel_nonsense").get("/metrics").await;
    wrong.problem("access.unauthenticated");
    assert_eq!(host.delete("/api/v1/extensions/sender").await.status, 204);
    assert!(!host.get("/metrics").await.text.contains("sender"));
}
