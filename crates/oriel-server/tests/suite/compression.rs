//! Compressed replies for who wants them, and compressed requests for nobody.

use std::io::Read as _;

use flate2::Compression;
use flate2::read::{GzDecoder, GzEncoder};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::host::{Host, echo};

/// Sends a request; answers how the reply was encoded, what it varies by, and its body without that encoding.
async fn fetch(request: RequestBuilder) -> (String, String, Vec<u8>) {
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
    let header = |name| response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (encoding, vary) = (header("content-encoding"), header("vary"));
    let length = response.content_length();
    let mut body = response.bytes().await.unwrap().to_vec();
    assert!(
        length.is_none_or(|length| length == body.len() as u64),
        "the length is that of what is sent"
    );
    if encoding == "gzip" {
        let mut inflated = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut inflated).unwrap();
        body = inflated;
    }
    (encoding, vary, body)
}

#[tokio::test]
async fn large_replies_are_compressed_for_who_asks() {
    let host = Host::start().await.with_echo().await;
    let long: Vec<String> = (0..2_000).map(|number| format!("entry {number}")).collect();
    let executed = host.execute("echo", json!(long)).await.ok();
    let record = format!("/api/v1/executions/{}", executed["id"].as_str().unwrap());
    for (path, compressed) in [
        ("/api/openapi.json", true),
        (&*record, true),
        ("/metrics", true),
        // Too short to be worth it.
        ("/api/v1/me", false),
        ("/api/v1/health", false),
    ] {
        let (encoding, _, plain) = fetch(host.request(Method::GET, path)).await;
        assert_eq!(encoding, "", "{path}: nobody asked");
        for (accept, wanted) in [
            ("gzip", true),
            ("GZIP", true),
            ("br, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("br", false),
            ("identity", false),
            ("", false),
        ] {
            let (encoding, vary, body) = fetch(host.request(Method::GET, path).header("accept-encoding", accept)).await;
            let expected = if compressed && wanted { "gzip" } else { "" };
            assert_eq!(encoding, expected, "{path} for `{accept}`");
            if encoding == "gzip" {
                assert!(
                    vary.to_lowercase().contains("accept-encoding"),
                    "{path}: caches must know, but `{vary}`"
                );
            }
            // Metrics move on from one request to the next.
            if path != "/metrics" {
                assert_eq!(body, plain, "{path} for `{accept}`");
            }
        }
    }
}

#[tokio::test]
async fn calls_and_events_are_never_compressed() {
    let host = Host::start().await.with_echo().await;
    let long = "long ".repeat(10_000);
    let gzip = |method, path: &str| host.request(method, path).header("accept-encoding", "gzip");
    let items: Vec<Value> = (0..100).map(|at| json!({"id": at.to_string(), "input": long})).collect();
    let batch = json!({"taskId": "echo", "items": items});
    let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
    for request in [
        gzip(Method::POST, "/api/v1/tasks/execute").json(&json!({"taskId": "echo", "input": long})),
        gzip(Method::POST, "/api/v1/extensions/echo/programs/echo/call").json(&json!({"input": long})),
        gzip(Method::POST, "/api/v1/tasks/batch/execute").json(&batch),
        gzip(Method::POST, "/api/v1/tasks/batch/execute")
            .header("accept", "application/x-ndjson")
            .json(&batch),
        gzip(Method::POST, "/api/v1/tasks/stream/execute?taskId=echo")
            .header("content-type", "application/x-ndjson")
            .body(lines),
    ] {
        let (encoding, _, body) = fetch(request).await;
        assert_eq!(encoding, "");
        assert!(body.len() > long.len());
    }
    // Events that wait in a compressor would be no events.
    let made = host.execute("echo", json!(1)).await.ok();
    assert_eq!(made["outputData"], 1);
    let batch = host
        .post("/api/v1/tasks/batch/execute", json!({"taskId": "echo", "items": items}))
        .await
        .ok();
    let events = format!("/api/v1/batches/{}/events", batch["batchId"].as_str().unwrap());
    let (encoding, _, body) = fetch(gzip(Method::GET, &events)).await;
    assert_eq!(encoding, "");
    assert!(body.starts_with(b"event: progress"), "{}", String::from_utf8_lossy(&body));
}

/// `length` zeros, compressed: a thousandth of that.
fn zeros(length: u64) -> Vec<u8> {
    let mut packed = Vec::new();
    GzEncoder::new(std::io::repeat(0).take(length), Compression::best())
        .read_to_end(&mut packed)
        .unwrap();
    packed
}

#[tokio::test]
async fn a_compressed_body_is_refused_unread() {
    let host = Host::start().await.with_echo().await;
    let bomb = zeros(256 << 20);
    assert!(bomb.len() < 1 << 20, "it passes every limit of length");
    for (method, path, media) in [
        (Method::POST, "/api/v1/tasks/execute", "application/json"),
        (Method::POST, "/api/v1/tasks/batch/execute", "application/json"),
        (Method::POST, "/api/v1/tasks/stream/execute?taskId=echo", "application/x-ndjson"),
        (Method::POST, "/api/v1/tasks", "application/json"),
        (Method::POST, "/api/v1/extensions", "application/vnd.oriel.package"),
        (Method::POST, "/api/v1/packages/inspect", "application/vnd.oriel.package"),
        (Method::PUT, "/api/v1/extensions/echo/config", "application/json"),
    ] {
        for encoding in [
            "gzip",
            "deflate",
            "br",
            "zstd",
            "GZip",
            "gzip, identity",
            "identity, gzip",
            "nonsense",
        ] {
            let request = host
                .request(method.clone(), path)
                .header("content-type", media)
                .header("content-encoding", encoding);
            // Nothing of it ever comes, so whoever waited for it would not answer.
            let endless = reqwest::Body::wrap_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
            let problem = host.send(request.body(endless)).await.problem("request.media_type");
            assert_eq!(problem["status"], 415);
            assert!(problem["detail"].as_str().unwrap().contains(encoding), "{path}: {problem}");
        }
        let request = host.request(method.clone(), path).header("content-type", media);
        let reply = host.send(request.header("content-encoding", "gzip").body(bomb.clone())).await;
        reply.problem("request.media_type");
    }
    // What does not say that it is compressed is what it seems to be: no JSON and no package.
    for (path, media, code) in [
        ("/api/v1/tasks/execute", "application/json", "request.json"),
        ("/api/v1/extensions", "application/vnd.oriel.package", "package.invalid"),
    ] {
        let request = host.request(Method::POST, path).header("content-type", media);
        host.send(request.body(bomb.clone())).await.problem(code);
    }
    let plain = host
        .request(Method::POST, "/api/v1/tasks/execute")
        .header("content-encoding", "identity");
    let reply = host.send(plain.json(&json!({"taskId": "echo", "input": 1}))).await;
    assert_eq!(reply.ok()["outputData"], 1);
}

#[tokio::test]
async fn a_compressed_package_is_no_package() {
    let host = Host::start().await;
    let mut packed = Vec::new();
    GzEncoder::new(&echo("1.0.0")[..], Compression::default())
        .read_to_end(&mut packed)
        .unwrap();
    host.upload("/api/v1/extensions", packed).await.problem("package.invalid");
}
