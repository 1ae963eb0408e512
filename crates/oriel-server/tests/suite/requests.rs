//! Requests that are wrong in every way that one can think of.

use std::io::{Read as _, Write as _};

use reqwest::Method;
use serde_json::{Value, json};

use super::host::Host;

#[tokio::test]
async fn bodies_that_are_wrong_are_problems_that_say_so() {
    let host = Host::start().await.with_echo().await;
    let deep = format!("{{\"taskId\":\"echo\",\"input\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", b"".to_vec(), "request.json"),
        ("cut short", b"{\"taskId\":\"echo\",\"inp".to_vec(), "request.json"),
        ("syntax", b"{taskId: 1}".to_vec(), "request.json"),
        ("trailing", b"{\"taskId\":\"echo\",\"input\":1} x".to_vec(), "request.json"),
        ("two documents", b"{\"taskId\":\"echo\",\"input\":1}{}".to_vec(), "request.json"),
        (
            "invalid UTF-8 in a string",
            b"{\"taskId\":\"\xff\",\"input\":1}".to_vec(),
            "request.json",
        ),
        (
            "invalid UTF-8 in the input",
            b"{\"taskId\":\"echo\",\"input\":\"\xc3\x28\"}".to_vec(),
            "request.json",
        ),
        ("deep", deep.into_bytes(), "request.json"),
        ("not an object", b"[1]".to_vec(), "request.invalid"),
        (
            "unknown field",
            b"{\"taskId\":\"echo\",\"input\":1,\"inptu\":2}".to_vec(),
            "request.invalid",
        ),
        (
            "twice the same field",
            b"{\"taskId\":\"echo\",\"input\":1,\"input\":2}".to_vec(),
            "request.invalid",
        ),
        ("missing field", b"{\"taskId\":\"echo\"}".to_vec(), "request.invalid"),
        ("wrong type", b"{\"taskId\":7,\"input\":1}".to_vec(), "request.invalid"),
        (
            "no time",
            b"{\"taskId\":\"echo\",\"input\":1,\"timeoutMs\":0}".to_vec(),
            "request.invalid",
        ),
        (
            "negative time",
            b"{\"taskId\":\"echo\",\"input\":1,\"timeoutMs\":-1}".to_vec(),
            "request.invalid",
        ),
        (
            "half a millisecond",
            b"{\"taskId\":\"echo\",\"input\":1,\"timeoutMs\":1.5}".to_vec(),
            "request.invalid",
        ),
        (
            "eternity",
            b"{\"taskId\":\"echo\",\"input\":1,\"timeoutMs\":99999999999}".to_vec(),
            "request.invalid",
        ),
        ("unknown task", b"{\"taskId\":\"nope\",\"input\":1}".to_vec(), "task.not_found"),
        (
            "task with a NUL",
            b"{\"taskId\":\"e\\u0000\",\"input\":1}".to_vec(),
            "task.not_found",
        ),
    ];
    for (what, body, code) in cases {
        let request = host
            .request(Method::POST, "/api/v1/tasks/execute")
            .header("content-type", "application/json");
        let reply = host.send(request.body(body)).await;
        let problem = reply.problem(code);
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{what}");
    }
}

#[tokio::test]
async fn the_media_type_counts() {
    let host = Host::start().await;
    for given in [
        None,
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/vnd.oriel.package"),
    ] {
        let mut request = host.request(Method::POST, "/api/v1/tasks/execute").body("{}");
        if let Some(given) = given {
            request = request.header("content-type", given);
        }
        host.send(request).await.problem("request.media_type");
    }
    let charset = host
        .request(Method::POST, "/api/v1/tasks/execute")
        .header("content-type", "Application/JSON; charset=utf-8");
    host.send(charset.body("{}")).await.problem("request.invalid");
    host.post("/api/v1/extensions", json!({})).await.problem("request.media_type");
}

#[tokio::test]
async fn bodies_that_are_too_long_are_refused_announced_or_not() {
    let host = Host::start_with(|config| {
        config.max_body = oriel_model::limits::ByteSize(1_000);
        config.max_batch_body = oriel_model::limits::ByteSize(1_000);
        config.max_package = oriel_model::limits::ByteSize(1_000);
    })
    .await;
    for (path, media) in [
        ("/api/v1/tasks", "application/json"),
        ("/api/v1/tasks/batch/execute", "application/json"),
        ("/api/v1/extensions", "application/vnd.oriel.package"),
    ] {
        let announced = host
            .request(Method::POST, path)
            .header("content-type", media)
            .body(vec![b' '; 1_001]);
        host.send(announced).await.problem("request.too_large");
        let pieces = futures::stream::iter((0..11).map(|_| Ok::<_, std::io::Error>(vec![b' '; 100])));
        let counted = host
            .request(Method::POST, path)
            .header("content-type", media)
            .body(reqwest::Body::wrap_stream(pieces));
        host.send(counted).await.problem("request.too_large");
    }
}

#[tokio::test]
async fn queries_paths_and_methods_are_checked() {
    let host = Host::start().await;
    for (path, code) in [
        ("/api/v1/tasks?limit=0", "request.invalid"),
        ("/api/v1/tasks?limit=1001", "request.invalid"),
        ("/api/v1/tasks?limit=-1", "request.invalid"),
        ("/api/v1/tasks?limit=x", "request.invalid"),
        ("/api/v1/tasks?limit=1&limit=2", "request.invalid"),
        ("/api/v1/tasks?lim=1", "request.invalid"),
        ("/api/v1/tasks?cursor=", "request.cursor"),
        ("/api/v1/tasks?cursor=%00", "request.invalid"),
        ("/api/v1/tasks/%00", "request.invalid"),
        ("/api/v1/tasks/%ff", "request.invalid"),
        ("/api/v1/tasks/a%20b", "task.not_found"),
        ("/api/v1/executions?status=odd", "request.invalid"),
        ("/api/v1/executions?from=yesterday", "request.invalid"),
        ("/api/v1/executions?batchId=7", "request.invalid"),
        ("/api/v1/executions?cursor=7", "request.cursor"),
        ("/api/v1/executions/exec_x", "execution.not_found"),
        ("/api/v1/batches/batch_x", "batch.not_found"),
        ("/api/v1/extensions/..%2F..%2Fetc", "extension.not_found"),
        ("/api/v1/nothing", "request.not_found"),
        ("/api/v1", "request.not_found"),
        ("/api/v1/tasks/", "request.not_found"),
    ] {
        host.get(path).await.problem(code);
    }
    for (method, path, allow) in [
        (Method::DELETE, "/api/v1/tasks", "GET, HEAD, POST"),
        (Method::GET, "/api/v1/tasks/stream/execute", "POST"),
        (Method::PUT, "/api/v1/health", "GET, HEAD"),
        (Method::OPTIONS, "/api/v1/me", "GET, HEAD"),
    ] {
        let reply = host.send(host.request(method.clone(), path)).await;
        reply.problem("request.method");
        let mut given: Vec<&str> = reply.header("allow").split(", ").collect();
        given.sort_unstable();
        assert_eq!(given.join(", "), allow, "{method} {path}");
    }
    let head = host.request(Method::HEAD, "/api/v1/me").send().await.unwrap();
    assert_eq!(head.status(), 200);
}

#[tokio::test]
async fn request_ids_are_taken_over_when_they_are_harmless() {
    let host = Host::start().await;
    let with = |id: &str| host.send(host.request(Method::GET, "/api/v1/me").header("x-request-id", id));
    assert_eq!(with("abc-1:2/3").await.header("x-request-id"), "abc-1:2/3");
    for odd in ["a b", "<script>", &"x".repeat(200)] {
        let given = with(odd).await;
        assert_eq!(given.header("x-request-id").len(), 26, "{odd}");
    }
}

/// Writes raw bytes to the server and reads what it answers until it closes or falls silent.
fn raw(host: &Host, bytes: &[u8]) -> String {
    let address = host.base.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_stall_or_speak_nonsense_are_ended() {
    let host = Host::start_with(|config| {
        config.header_timeout = "300ms".parse().unwrap();
        config.body_timeout = "300ms".parse().unwrap();
    })
    .await;
    let answer = tokio::task::block_in_place(|| raw(&host, b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: "));
    assert!(!answer.contains("200 OK"), "{answer}");
    let head = format!(
        "POST /api/v1/tasks/execute HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{{",
        host.key
    );
    let answer = tokio::task::block_in_place(|| raw(&host, head.as_bytes()));
    assert!(answer.contains("408") && answer.contains("request.timeout"), "{answer}");
    let answer = tokio::task::block_in_place(|| raw(&host, b"\x16\x03\x01 this is not HTTP\r\n\r\n"));
    assert!(answer.is_empty() || answer.contains("400"), "{answer}");
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    let answer = tokio::task::block_in_place(|| raw(&host, long.as_bytes()));
    assert!(answer.is_empty() || answer.contains("431"), "{answer}");
    assert_eq!(host.get("/api/v1/health").await.status, 200);
}

#[tokio::test]
async fn unauthenticated_bodies_are_not_read() {
    let server = Host::start().await;
    let host = server.with_key("oriel_wrong");
    let endless = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = host
        .request(Method::POST, "/api/v1/extensions")
        .header("content-type", "application/vnd.oriel.package")
        .body(reqwest::Body::wrap_stream(endless));
    host.send(request).await.problem("access.unauthenticated");
}

#[tokio::test]
async fn unknown_fields_are_refused_everywhere() {
    let host = Host::start().await.with_echo().await;
    for (method, path, body) in [
        (Method::POST, "/api/v1/keys", json!({"name": "x", "role": "viewer", "admin": true})),
        (Method::POST, "/api/v1/tenants", json!({"name": "x", "x": 1})),
        (
            Method::POST,
            "/api/v1/tasks",
            json!({"name": "t", "program": {"extension": "echo", "name": "echo", "x": 1}}),
        ),
        (Method::PATCH, "/api/v1/tasks/echo", json!({"revision": 7})),
        (
            Method::POST,
            "/api/v1/tasks/batch/execute",
            json!({"taskId": "echo", "items": [{"id": "1", "input": 1, "x": 1}]}),
        ),
        (
            Method::POST,
            "/api/v1/extensions/echo/consent",
            json!({"permissions": {"everything": true}}),
        ),
        (Method::PUT, "/api/v1/extensions/echo/config", json!({"config": {}, "x": 1})),
        (Method::PUT, "/api/v1/extensions/echo/limits", json!({"memroy": "1MiB"})),
        (
            Method::POST,
            "/api/v1/extensions/echo/programs/echo/call",
            json!({"input": 1, "taskId": "echo"}),
        ),
    ] {
        let reply = host.send(host.request(method, path).json(&body)).await;
        let problem = reply.problem("request.invalid");
        assert!(problem["detail"].as_str().unwrap().contains("unknown field"), "{path}: {problem}");
    }
    let roles: Value = host
        .post("/api/v1/keys", json!({"name": "x", "role": "king"}))
        .await
        .problem("request.invalid");
    assert!(roles["detail"].as_str().unwrap().contains("king"), "{roles}");
}
