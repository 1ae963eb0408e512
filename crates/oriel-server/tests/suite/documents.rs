//! What the server says of itself.

use reqwest::Method;
use serde_json::Value;

use super::host::{Host, document};

#[tokio::test]
async fn the_document_is_openapi_3_1_and_complete() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            assert!(
                ids.insert(operation["operationId"].as_str().unwrap()),
                "{name} has the id of another"
            );
            assert!(
                operation["summary"].is_string() && operation["tags"][0].is_string() && operation["security"].is_array(),
                "{name}"
            );
            let declared: Vec<&str> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let wanted: Vec<&str> = path
                .split('/')
                .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
                .collect();
            assert_eq!(declared, wanted, "{name}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].is_string(), "{name} {status}");
            }
        }
    }
    let mut references = Vec::new();
    find_references(document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn find_references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.push(reference);
            }
            map.values().for_each(|value| find_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| find_references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn health_metrics_and_pages_need_no_key() {
    let server = Host::start().await;
    let host = server.with_key("");
    let health = host.get("/api/v1/health").await.ok();
    assert_eq!(
        (&health["status"], &health["live"], &health["ready"]),
        (&"ok".into(), &true.into(), &true.into())
    );
    let metrics = host.get("/metrics").await;
    assert!(
        metrics.text.contains("oriel_http_requests_total{operation=\"getHealth\""),
        "{}",
        metrics.text
    );
    assert!(metrics.text.contains("oriel_build_info"), "{}", metrics.text);
    assert!(metrics.text.contains("oriel_instances{state=\"busy\"} 0"), "{}", metrics.text);
    let served: Value = host.get("/api/openapi.json").await.ok();
    assert_eq!(&served, document());
    let page = host.get("/api/docs/").await;
    assert!(page.text.contains("swagger-ui"), "{}", page.text);
    assert!(
        host.get("/api/docs/swagger-initializer.js")
            .await
            .text
            .contains("/api/openapi.json")
    );
    assert_eq!(host.get("/api/docs/nothing.js").await.status, 404);
    let problem = host.get("/api/v1/me").await.problem("access.unauthenticated");
    let explained = host.get(problem["type"].as_str().unwrap()).await;
    assert!(
        explained.text.contains("access.unauthenticated") && explained.text.contains("Cure"),
        "{}",
        explained.text
    );
    assert_eq!(host.get("/docs/errors/no.such").await.status, 404);
    assert!(host.get("/docs/errors").await.text.contains("/docs/errors/task.not_found"));
}

#[tokio::test]
async fn metrics_can_be_kept_private() {
    let host = Host::start_with(|config| config.public_metrics = false).await;
    host.with_key("").get("/metrics").await.problem("access.unauthenticated");
    assert_eq!(host.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn a_document_that_the_client_has_is_not_sent_again() {
    let host = Host::start().await;
    let tag = host.get("/api/openapi.json").await.header("etag").to_owned();
    let again = host
        .request(Method::GET, "/api/openapi.json")
        .header("if-none-match", tag)
        .send()
        .await
        .unwrap();
    assert_eq!(again.status(), 304);
}

#[tokio::test]
async fn browsers_are_let_in_from_configured_origins_only() {
    let host =
        Host::start_with(|config| config.cors_origins = oriel_server::config::Origins(vec!["https://app.example.com".to_owned()])).await;
    for (origin, allowed) in [("https://app.example.com", true), ("https://evil.example.com", false)] {
        let reply = host
            .request(Method::GET, "/api/v1/me")
            .header("origin", origin)
            .send()
            .await
            .unwrap();
        assert_eq!(reply.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
        let asked = host
            .request(Method::OPTIONS, "/api/v1/tasks")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let reply = asked.send().await.unwrap();
        assert_eq!(reply.status(), 204);
        assert_eq!(reply.headers().contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
}
