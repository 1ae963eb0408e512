//! What clients send that no client should.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::json;

use super::process::{KEY, Process, answer, echo};
use super::support::Home;

/// Sends a head and the begin of a body, then nothing more, and reads the whole answer.
fn stall(server: &Process, path: &str, length: u64, begin: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.base.strip_prefix("http://").unwrap()).unwrap();
    let head = format!(
        "POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {KEY}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(begin).unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is how a server turns away the rest of a body.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_out_of_all_bounds_are_refused() {
    let home = Home::new();
    let server = Process::start(&home);
    server.install(echo("echo", "1.0.0", "abuse", ""), "echo", &["echo"]).await;

    // 100 MB announced: refused before any of them is sent.
    let hundred = 100 << 20;
    for path in ["/tasks/execute", "/tasks/batch/execute", "/tasks"] {
        let said = tokio::task::block_in_place(|| stall(&server, path, hundred, b""));
        assert!(said.contains(" 413 ") && said.contains("request.too_large"), "{path}: {said}");
    }
    // 100 MB that are not announced: refused when they become too many, not when they end.
    let piece = vec![b' '; 1 << 20];
    let pieces = futures::stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let request = server
        .request(Method::POST, "/tasks/execute")
        .header("content-type", "application/json");
    match answer(request.body(reqwest::Body::wrap_stream(pieces))).await {
        Ok(answer) => _ = answer.problem("request.too_large"),
        // The connection was closed on a client that would not stop.
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }

    for (what, nested) in [
        ("arrays", "[".repeat(10_000) + &"]".repeat(10_000)),
        ("objects", "{\"a\":".repeat(10_000) + "1" + &"}".repeat(10_000)),
        ("open", "[".repeat(10_000)),
    ] {
        for (path, around) in [
            ("/tasks/execute", ["{\"taskId\":\"echo\",\"input\":", "}"]),
            ("/tasks/batch/execute", ["{\"taskId\":\"echo\",\"items\":[{\"input\":", "}]}"]),
            ("/tasks", ["{\"name\":\"deep\",\"inputSchema\":", "}"]),
            ("/keys", ["", ""]),
        ] {
            let request = server.request(Method::POST, path).header("content-type", "application/json");
            let answer = answer(request.body(around.join(&nested))).await.unwrap();
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (400, &json!("request.json")),
                "{what} to {path}"
            );
        }
    }
    for bytes in [
        &b"{\"taskId\":\"echo\",\"input\":\"\xff\"}"[..],
        b"\xff\xfe{}",
        b"{\"taskId\":\"echo\",\"input\":\"\xed\xa0\x80\"}",
    ] {
        let request = server
            .request(Method::POST, "/tasks/execute")
            .header("content-type", "application/json");
        answer(request.body(bytes)).await.unwrap().problem("request.json");
    }
    assert_eq!(server.execute("echo", json!(1)).await.ok()["outputData"], 1);
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let home = Home::new();
    let server = Process::start_with(&home, &[("ORIEL_BODY_TIMEOUT", "300ms")]);
    for begin in [&b"{\"taskId\""[..], b""] {
        let said = stall(&server, "/tasks/execute", 50, begin);
        assert!(
            said.contains(" 408 ") && said.contains("request.timeout") && said.contains("300ms"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_end_by_time_and_by_revocation() {
    let home = Home::new();
    let server = Process::start(&home);
    let soon = oriel_model::Timestamp::from_millis(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis()
            .try_into()
            .map(|now: i64| now + 1_500)
            .unwrap(),
    );
    let made = |name: &str, expires: Option<oriel_model::Timestamp>| json!({"name": name, "role": "viewer", "expiresAt": expires});
    let short = server.post("/keys", made("short", Some(soon))).await.ok();
    let revoked = server.post("/keys", made("revoked", None)).await.ok();
    let me = |key: &serde_json::Value| answer(server.request_as(key["secret"].as_str().unwrap(), Method::GET, "/me"));
    // Both are used once, so that a server that remembers keys remembers these.
    me(&revoked).await.unwrap().ok();
    while me(&short).await.unwrap().status == 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(me(&short).await.unwrap().problem("access.key_expired")["status"], 401);
    let path = format!("/keys/{}", revoked["id"].as_str().unwrap());
    answer(server.request(Method::DELETE, &path)).await.unwrap().ok();
    assert_eq!(me(&revoked).await.unwrap().problem("access.key_revoked")["status"], 401);
    server.kill();
    let server = Process::start(&home);
    let me = |key: &serde_json::Value| answer(server.request_as(key["secret"].as_str().unwrap(), Method::GET, "/me"));
    me(&short).await.unwrap().problem("access.key_expired");
    me(&revoked).await.unwrap().problem("access.key_revoked");
    me(&json!({"secret": "oriel_unknown"}))
        .await
        .unwrap()
        .problem("access.unauthenticated");
}
