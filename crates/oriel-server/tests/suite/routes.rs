//! Routes of extensions over HTTP: what the extension sees, what the client gets, and what neither may.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::host::{Host, Reply, package};

/// A package of the guest `web` under this name, with a route for everybody, one for keys, and these lines besides.
fn web(name: &str, more: &str) -> Vec<u8> {
    package(
        "web",
        &format!(
            "name = \"{name}\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
             host_api = \"^0.1\"\n\n[[routes]]\nname = \"all\"\npath = \"/\"\naccess = \"public\"\ndescription = \"Everything.\"\n\n\
             [[routes]]\nname = \"mine\"\npath = \"/told/mine\"\n\n{more}"
        ),
    )
}

/// One with routes for keys only.
fn private(name: &str) -> Vec<u8> {
    package(
        "web",
        &format!(
            "name = \"{name}\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
             host_api = \"^0.1\"\n\n[[routes]]\nname = \"all\"\npath = \"/\"\n"
        ),
    )
}

const LIMITS: &str = "[limits]\ntimeout = \"500ms\"\nmemory = \"32MiB\"\ninput = \"4KiB\"\noutput = \"64KiB\"\n";

impl Host {
    async fn with_web(self) -> Self {
        self.upload("/api/v1/extensions?grant=true", web("web", "")).await.ok();
        self
    }

    /// What a request for a route is answered, whatever that is.
    async fn visit(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        Reply {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// The same without a key.
    async fn look(&self, path: &str) -> Reply {
        self.visit(self.anonymous(Method::GET, path)).await
    }
}

/// The lines of what the guest was told.
fn lines(reply: &Reply) -> Vec<&str> {
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text.lines().collect()
}

/// Sends these bytes and reads until the server closes.
fn raw(host: &Host, text: &str) -> String {
    let address = host.base.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_route_answers_whoever_may_ask() {
    let host = Host::start().await.with_web().await;
    let reply = host.look("/x/default/web/nowhere?q=1").await;
    assert_eq!((reply.status.as_u16(), &*reply.text), (404, "there is nothing at /nowhere"));
    let reply = host
        .visit(host.anonymous(Method::PUT, "/x/default/web/read").body("twelve bytes"))
        .await;
    assert_eq!((reply.status.as_u16(), &*reply.text), (200, "12"));
    let reply = host.look("/x/default/web/status/201").await;
    assert_eq!(reply.status, 201);
    // A method that nobody has heard of is the extension's business.
    let odd = Method::from_bytes(b"PROPFIND").unwrap();
    let told = host.visit(host.anonymous(odd, "/x/default/web/told")).await;
    assert!(lines(&told)[0].contains("PROPFIND"), "{}", told.text);

    // Longer paths win, on whole segments.
    host.look("/x/default/web/told/mine").await.problem("access.unauthenticated");
    host.look("/x/default/web/told/mine/below").await.problem("access.unauthenticated");
    host.look("/x/default/web/told/m%69ne").await.problem("access.unauthenticated");
    assert_eq!(host.look("/x/default/web/told/mines").await.status, 200);
    let told = host.visit(host.request(Method::GET, "/x/default/web/told/mine?a=b%20c")).await;
    let lines = lines(&told);
    assert_eq!(lines[1], "path: /told/mine?a=b%20c");
    assert!(lines.iter().any(|line| line.starts_with("x-oriel-principal: key_")), "{lines:?}");
    assert_eq!(told.header("cache-control"), "no-store");

    let listed = host.get("/api/v1/extensions/web/routes").await.ok();
    assert_eq!(
        listed["items"],
        json!([
            {"name": "all", "description": "Everything.", "path": "/", "access": "public", "address": "/x/default/web/"},
            {"name": "mine", "description": "", "path": "/told/mine", "access": "key", "address": "/x/default/web/told/mine"},
        ])
    );
    host.get("/api/v1/extensions/nope/routes").await.problem("extension.not_found");
    // No executions, but the calls are counted.
    assert_eq!(host.get("/api/v1/executions").await.ok()["items"], json!([]));
    let metrics = host.visit(host.anonymous(Method::GET, "/metrics")).await.text;
    assert!(
        metrics.contains("oriel_http_requests_total{operation=\"callRoute\",method=\"any\",status=\"200\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn keys_of_others_find_nothing() {
    let host = Host::start().await;
    host.upload("/api/v1/extensions?grant=true", private("web")).await.ok();
    let other = host.other_tenant("other").await;
    // What is not public and what is not there look the same to who has no key.
    for path in ["/x/default/web/", "/x/default/nope/", "/x/nobody/web/", "/x/other/web/"] {
        let there = host.look(path).await.problem("access.unauthenticated");
        assert_eq!(
            there["detail"],
            "there is no public route here; pass a key of the tenant as `Authorization: Bearer oriel_…`"
        );
        // And to who has one of another tenant.
        other.visit(other.request(Method::GET, path)).await.problem("route.not_found");
    }
    let wrong = host.anonymous(Method::GET, "/x/default/web/told").bearer_auth("oriel_wrong");
    host.visit(wrong).await.problem("access.unauthenticated");
    let viewer = host.new_key("viewer", &[]).await;
    let viewer = host.with_key(&viewer);
    viewer
        .visit(viewer.request(Method::GET, "/x/default/web/told"))
        .await
        .problem("access.forbidden");
    let narrow = host.new_key("developer", &["tasks:read"]).await;
    let narrow = host.with_key(&narrow);
    narrow
        .visit(narrow.request(Method::GET, "/x/default/web/told"))
        .await
        .problem("access.forbidden");
    let developer = host.new_key("developer", &["tasks:execute"]).await;
    let developer = host.with_key(&developer);
    assert_eq!(
        developer.visit(developer.request(Method::GET, "/x/default/web/told")).await.status,
        200
    );
    // The extension of the same name elsewhere is another one.
    other.upload("/api/v1/extensions?grant=true", private("web")).await.ok();
    let told = other.visit(other.request(Method::GET, "/x/other/web/told")).await;
    assert!(lines(&told).contains(&"x-oriel-tenant: other"), "{}", told.text);
    other
        .visit(other.request(Method::GET, "/x/default/web/told"))
        .await
        .problem("route.not_found");
}

#[tokio::test]
async fn the_extension_sees_a_clean_request() {
    let host = Host::start().await.with_web().await;
    let request = host
        .request(Method::POST, "/x/default/web/told/x?q=%2f..%2f")
        .header("accept", "text/html")
        .header("if-none-match", "\"1\"")
        .header(
            "cookie",
            "oriel-session=secret; __Host-oriel-session=secret; x.default.web.a=1; x.default.other.b=2",
        )
        .header("x-forwarded-for", "1.2.3.4")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=1.2.3.4")
        .header("x-oriel-principal", "key_forged")
        .header("x-oriel-tenant", "forged")
        .header("x_oriel_principal", "key_forged")
        .header("proxy-authorization", "Basic c2VjcmV0")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("te", "trailers")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .header("x-request-id", "mine-7")
        .body("hello");
    let reply = host.visit(request).await;
    let authority = host.base.strip_prefix("http://").unwrap();
    assert_eq!(
        lines(&reply),
        [
            "method: Method::Post",
            "path: /told/x?q=%2f..%2f",
            &format!("authority: {authority}"),
            "scheme: http",
            "accept: text/html",
            "content-length: 5",
            "cookie: a=1",
            "if-none-match: \"1\"",
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "x-oriel-base: /x/default/web",
            "x-oriel-tenant: default",
            "x-request-id: mine-7",
        ]
    );
    assert_eq!(reply.header("x-request-id"), "mine-7");
    assert!(!reply.text.contains("secret") && !reply.text.contains("forged") && !reply.text.contains("oriel_"));
}

#[tokio::test]
async fn the_client_gets_a_response_that_speaks_for_the_extension_only() {
    let host = Host::start().await.with_web().await;
    let set = [
        ("set-cookie", "sid=1; Path=/; Domain=127.0.0.1; HttpOnly"),
        ("set-cookie", "oriel-session=stolen; Path=/"),
        ("set-cookie", "__Host-oriel-session=stolen; Path=/; Secure"),
        ("set-cookie", "=__Host-oriel-session=stolen"),
        ("clear-site-data", "\"*\""),
        ("alt-svc", "h2=\"evil.example:443\""),
        ("service-worker-allowed", "/"),
        ("strict-transport-security", "max-age=9"),
        ("x-oriel-tenant", "other"),
        ("x-content-type-options", "off"),
        (
            "content-security-policy",
            "default-src 'none'; sandbox allow-scripts allow-same-origin",
        ),
        ("location", "/login"),
        ("etag", "\"7\""),
        ("cache-control", "max-age=60"),
        ("access-control-allow-origin", "*"),
    ];
    let query: Vec<String> = set
        .iter()
        .map(|(name, value)| format!("{name}={}", value.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>()))
        .collect();
    let reply = host.look(&format!("/x/default/web/set?{}", query.join("&"))).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let all = |name: &str| {
        reply
            .headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        all("set-cookie"),
        [
            "x.default.web.sid=1; Path=/x/default/web; HttpOnly; SameSite=Lax",
            "x.default.web.oriel-session=stolen; Path=/x/default/web; SameSite=Lax",
        ]
    );
    assert_eq!(all("content-security-policy").last(), Some(&"sandbox"));
    assert_eq!(all("x-content-type-options"), ["nosniff"]);
    assert_eq!(all("location"), ["/x/default/web/login"]);
    assert_eq!((all("etag"), all("cache-control")), (vec!["\"7\""], vec!["max-age=60"]));
    assert_eq!(all("access-control-allow-origin"), ["*"]);
    for gone in [
        "clear-site-data",
        "alt-svc",
        "service-worker-allowed",
        "strict-transport-security",
        "x-oriel-tenant",
    ] {
        assert_eq!(all(gone), Vec::<&str>::new(), "{gone}");
    }
    // Errors of the host are fenced in as well.
    let missing = host.look("/x/default/web/a%2fb").await;
    missing.problem("route.path_invalid");
    assert_eq!(missing.header("content-security-policy"), "sandbox");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_could_be_read_in_two_ways_are_refused() {
    let host = Host::start().await.with_web().await;
    for path in [
        "/x/default/web/../../../api/v1/keys",
        "/x/default/web/told/../told/mine",
        "/x/default/web/told/%2e%2e/mine",
        "/x/default/web/told/.%2e;/mine",
        "/x/default/web//told/mine",
        "/x/default/web/told%2fmine",
        "/x/default/web/told%5cmine",
        "/x/default/web/told/mine%00",
        "/x/default/web/told/%zz",
        "/x/./default/web/told",
        "/x//default/web/told",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let answer = raw(&host, &request);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{path}: {answer}");
        assert!(answer.contains("route.path_invalid"), "{path}: {answer}");
    }
    // What is not for routes is not touched by any of this.
    assert!(raw(&host, "GET //x/default/web/told HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").contains("request.not_found"));
    assert!(raw(&host, "GET /X/default/web/told HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").contains("request.not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_two_are_refused() {
    let host = Host::start().await.with_web().await;
    for (what, head) in [
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
        (
            "a length and chunks",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "chunks and a length",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        ),
        ("a coding that is none", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ("two hosts", "Host: other\r\nContent-Length: 0\r\n\r\n"),
        ("a signed length", "Content-Length: +5\r\n\r\nhello"),
    ] {
        let request = format!("POST /x/default/web/read HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{head}");
        let answer = raw(&host, &request);
        // What is no HTTP at all ends the connection, and the answer to it may be lost with that. Chunks count where there is a
        // length beside them (RFC 9112, 6.3), and the length goes no further.
        let chunks_count = what.contains("length") && what.contains("chunks") && answer.starts_with("HTTP/1.1 200 ");
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 ") || chunks_count,
            "{what}: {answer}"
        );
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{what}: {answer}");
    }
    let split = "GET /x/default/web/told HTTP/1.1\r\nHost: h\r\nX-A: 1\nX-Oriel-Principal: key_forged\r\nConnection: close\r\n\r\n";
    assert!(!raw(&host, split).contains("key_forged"));
    let trailing = "POST /x/default/web/told HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Oriel-Principal\r\n\
                    Connection: close\r\n\r\n1\r\na\r\n0\r\nX-Oriel-Principal: key_forged\r\n\r\n";
    let answer = raw(&host, trailing);
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("forged"), "{answer}");
    let asked = host
        .anonymous(Method::GET, "/x/default/web/told")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13");
    host.visit(asked).await.problem("route.upgrade_refused");
    host.visit(host.anonymous(Method::TRACE, "/x/default/web/told"))
        .await
        .problem("request.method");
    // Others that ask for an upgrade go on without one.
    let asked = host
        .anonymous(Method::GET, "/x/default/web/told")
        .header("connection", "upgrade")
        .header("upgrade", "h2c");
    assert_eq!(host.visit(asked).await.status, 200);
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let host = Host::start().await.with_web().await;
    let (lines, body) = mpsc::channel::<Result<Bytes, std::io::Error>>(1);
    lines.send(Ok("one".into())).await.unwrap();
    let request = host
        .anonymous(Method::POST, "/x/default/web/echo")
        .body(Body::wrap_stream(ReceiverStream::new(body)));
    let mut reply = request.send().await.unwrap();
    assert_eq!(reply.chunk().await.unwrap().unwrap(), "one");
    lines.send(Ok("two".into())).await.unwrap();
    assert_eq!(reply.chunk().await.unwrap().unwrap(), "two");
    drop(lines);
    assert!(reply.chunk().await.unwrap().is_none());

    let events = host.look("/x/default/web/events/3").await;
    assert_eq!(events.header("content-type"), "text/event-stream");
    assert_eq!(events.text.matches("data: tick\n\n").count(), 3);

    let large = vec![b'x'; 4 << 20];
    let reply = host.visit(host.anonymous(Method::POST, "/x/default/web/read").body(large)).await;
    assert_eq!(reply.text, (4 << 20).to_string());
    let reply = host.look("/x/default/web/large/3000000").await;
    assert_eq!((reply.text.len(), reply.header("content-length")), (3_000_000, "3000000"));
    let head = host.visit(host.anonymous(Method::HEAD, "/x/default/web/large/3000000")).await;
    assert_eq!(
        (head.status.as_u16(), head.header("content-length"), &*head.text),
        (200, "3000000", "")
    );
    let options = host
        .visit(
            host.anonymous(Method::OPTIONS, "/x/default/web/told")
                .header("origin", "https://a.example"),
        )
        .await;
    assert!(lines_of(&options).contains("origin: https://a.example"), "{}", options.text);
    for (status, body) in [(204, ""), (304, "")] {
        let reply = host.look(&format!("/x/default/web/status/{status}")).await;
        assert_eq!((reply.status.as_u16(), &*reply.text), (status, body));
    }
}

fn lines_of(reply: &Reply) -> &str {
    &reply.text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_waits_for_leave_to_send() {
    let host = Host::start().await;
    host.upload("/api/v1/extensions?grant=true", web("web", LIMITS)).await.ok();
    let expecting = |path: &str, length: usize| {
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    // Leave comes when the extension begins to read.
    let answer = raw(&host, &format!("{}hello", expecting("/x/default/web/read", 5)));
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "), "{answer}");
    // What is too long is refused without it.
    let answer = raw(&host, &expecting("/x/default/web/read", 5_000));
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.contains("request.too_large"),
        "{answer}"
    );
}

#[tokio::test]
async fn extensions_that_misbehave_are_told_from_those_that_do_not() {
    let host = Host::start_with(|config| {
        config.health_crashes = 0;
        config.health_error_rate = 100;
    })
    .await;
    host.upload("/api/v1/extensions?grant=true", web("web", LIMITS)).await.ok();
    for (path, code) in [
        ("silent", "route.bad_response"),
        ("refuse", "route.bad_response"),
        ("trap", "route.bad_response"),
        ("never", "route.timeout"),
        ("memory", "route.bad_response"),
        ("status/101", "route.bad_response"),
        ("bulky/40000", "route.bad_response"),
        ("bulky/100000", "route.bad_response"),
        ("headers/200", "route.bad_response"),
    ] {
        let reply = host.look(&format!("/x/default/web/{path}")).await;
        let problem = reply.problem(code);
        assert_eq!(problem["detail"], problem["title"], "the public is told no more: {path}");
        assert!(!reply.text.contains("secret"), "{path}: {}", reply.text);
    }
    // Where the head was given before, the connection ends; the head may not have left by then.
    for path in ["trap-late", "unfinished", "forgotten", "short", "promised", "stall", "forever"] {
        match host.anonymous(Method::GET, &format!("/x/default/web/{path}")).send().await {
            Err(error) => assert!(!error.is_status() && !error.is_timeout(), "{path}: {error:?}"),
            Ok(response) => {
                assert_eq!(response.status(), 200, "{path}");
                assert!(response.bytes().await.is_err(), "{path}: it must not look whole");
            }
        }
    }
    assert_eq!(host.look("/x/default/web/trap-after").await.text, "complete");
    // It goes on serving, and its author can read what happened.
    assert_eq!(host.look("/x/default/web/told").await.status, 200);
    let logs = loop {
        let logs = host.get("/api/v1/extensions/web/logs?limit=100").await.ok();
        if logs["items"].as_array().unwrap().iter().any(is_trap) {
            break logs;
        }
    };
    assert!(logs["items"].as_array().unwrap().len() >= 9, "{logs}");

    // Whoever has a key of the tenant is told.
    host.upload("/api/v1/extensions?grant=true", private("mine")).await.ok();
    let problem = host
        .visit(host.request(Method::GET, "/x/default/mine/trap"))
        .await
        .problem("route.bad_response");
    assert!(problem["detail"].as_str().unwrap().ends_with("(execution.trapped)"), "{problem}");
}

fn is_trap(line: &Value) -> bool {
    line["message"]
        .as_str()
        .unwrap()
        .starts_with("the route `all` failed: the program crashed")
}

#[tokio::test]
async fn a_client_that_goes_away_gives_the_instance_back() {
    let host = Host::start().await;
    host.upload(
        "/api/v1/extensions?grant=true",
        web("web", "[limits]\ninstances = 1\ntimeout = \"60s\"\n"),
    )
    .await
    .ok();
    for path in ["stall", "forever"] {
        let mut reply = host.anonymous(Method::GET, &format!("/x/default/web/{path}")).send().await.unwrap();
        assert!(reply.chunk().await.unwrap().is_some());
        drop(reply);
        // The only instance is free again long before its time is up.
        assert_eq!(host.look("/x/default/web/told").await.status, 200);
    }
}

#[tokio::test]
async fn routes_that_do_not_answer_at_present_say_so() {
    let host = Host::start().await.with_web().await;
    host.post("/api/v1/extensions/web/disable", json!({})).await.ok();
    let problem = host.look("/x/default/web/told").await.problem("route.unavailable");
    assert_eq!(problem["detail"], "The route does not answer at present");
    host.look("/x/default/web/told/mine").await.problem("access.unauthenticated");
    let problem = host
        .visit(host.request(Method::GET, "/x/default/web/told/mine"))
        .await
        .problem("route.unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("disabled"), "{problem}");
    host.post("/api/v1/extensions/web/enable", json!({})).await.ok();
    assert_eq!(host.look("/x/default/web/told").await.status, 200);
    host.delete("/api/v1/extensions/web").await;
    host.look("/x/default/web/told").await.problem("access.unauthenticated");
    host.visit(host.request(Method::GET, "/x/default/web/told"))
        .await
        .problem("route.not_found");
}

#[tokio::test]
async fn the_public_counts_against_the_tenants_limits() {
    let host = Host::start_with(|config| {
        config.quota_requests_per_second = Some(1);
        config.quota_burst = Some(5);
    })
    .await
    .with_web()
    .await;
    let mut refused = 0;
    for _ in 0..10 {
        let reply = host.look("/x/default/web/told").await;
        if reply.status == 429 {
            reply.problem("access.rate_limited");
            assert!(!reply.header("retry-after").is_empty());
            refused += 1;
        }
    }
    assert!(refused >= 4, "{refused}");
}

#[tokio::test]
async fn routes_with_a_host_of_their_own_are_nowhere_else() {
    let host = Host::start_with(|config| config.routes_origin = oriel_server::RoutesOrigin::parse("https://ext.example.com"))
        .await
        .with_web()
        .await;
    let at = |name: &str, path: &str| host.anonymous(Method::GET, path).header("host", name);
    host.look("/x/default/web/told").await.problem("request.not_found");
    let told = host.visit(at("ext.example.com", "/x/default/web/told")).await;
    assert!(lines(&told).contains(&"scheme: https"), "{}", told.text);
    // They still share it: pages stay in their sandboxes.
    assert_eq!(told.header("content-security-policy"), "sandbox");
    for path in ["/api/v1/health", "/", "/metrics", "/api/docs/"] {
        host.visit(at("ext.example.com", path)).await.problem("route.not_found");
    }
    let listed = host.get("/api/v1/extensions/web/routes").await.ok();
    assert_eq!(listed["items"][0]["address"], "https://ext.example.com/x/default/web/");
}

#[tokio::test]
async fn extensions_with_a_host_each_are_left_as_they_are() {
    let host = Host::start_with(|config| config.routes_origin = oriel_server::RoutesOrigin::parse("http://*.ext.example.com:8080"))
        .await
        .with_web()
        .await;
    let at = |name: &str, path: &str| host.anonymous(Method::GET, path).header("host", name);
    let told = host
        .visit(at("web--default.ext.example.com", "/told").header("cookie", "a=1; x.default.web.b=2"))
        .await;
    let lines = lines(&told);
    assert!(
        lines.contains(&"path: /told") && lines.contains(&"cookie: a=1; x.default.web.b=2"),
        "{lines:?}"
    );
    assert_eq!(told.header("content-security-policy"), "");
    let set = host
        .visit(at(
            "web--default.ext.example.com",
            "/set?set-cookie=a%3d1%3b%20Domain%3dexample.com",
        ))
        .await;
    assert_eq!(set.header("set-cookie"), "a=1; Path=/; SameSite=Lax");
    host.visit(at("web--nobody.ext.example.com", "/told"))
        .await
        .problem("access.unauthenticated");
    host.visit(at("web.ext.example.com", "/told")).await.problem("route.not_found");
    host.look("/x/default/web/told").await.problem("request.not_found");
    let listed = host.get("/api/v1/extensions/web/routes").await.ok();
    assert_eq!(listed["items"][1]["address"], "http://web--default.ext.example.com:8080/told/mine");
}

#[tokio::test]
async fn a_component_of_another_tool_is_mounted_as_it_is() {
    let host = Host::start().await;
    let manifest = "name = \"tutorial\"\nversion = \"1.0.0\"\ndescription = \"For tests.\"\npublisher = \"tests\"\nlicense = \"Apache-2.0\"\n\
                    host_api = \"^0.1\"\n\n[[routes]]\nname = \"all\"\npath = \"/\"\naccess = \"public\"\n";
    host.upload("/api/v1/extensions?grant=true", package("tutorial", manifest))
        .await
        .ok();
    for path in ["/x/default/tutorial", "/x/default/tutorial/"] {
        assert_eq!(host.look(path).await.text, "Hello, wasi:http/proxy world!\n");
    }
    assert_eq!(host.look("/x/default/tutorial/wait").await.text, "slept for 5 milliseconds\n");
    assert_eq!(host.look("/x/default/tutorial/missing").await.status, 404);
}

/// What an independent client makes of it.
#[tokio::test(flavor = "multi_thread")]
async fn curl_agrees() {
    let host = Host::start().await.with_web().await;
    let curl = |arguments: &[&str]| {
        let output = std::process::Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20"])
            .args(arguments)
            .output();
        output
            .ok()
            .map(|output| (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let address = |path: &str| format!("{}/x/default/web/{path}", host.base);
    let Some(answer) = curl(&["--data", "there and back", &address("echo")]) else {
        eprintln!("there is no curl here");
        return;
    };
    assert_eq!(answer, (Some(0), "there and back".to_owned()));
    let (_, chunked) = curl(&["--header", "Transfer-Encoding: chunked", "--data", "in pieces", &address("read")]).unwrap();
    assert_eq!(chunked, "9");
    let (code, head) = curl(&["--head", &address("large/100000")]).unwrap();
    assert!(
        code == Some(0) && head.to_ascii_lowercase().contains("content-length: 100000"),
        "{head}"
    );
    let (_, events) = curl(&["--no-buffer", &address("events/2")]).unwrap();
    assert_eq!(events, "id: 1\ndata: tick\n\nid: 2\ndata: tick\n\n");
    let upload = "x".repeat(2_000_000);
    let file = host.data.path().join("upload");
    std::fs::write(&file, &upload).unwrap();
    let from = format!("@{}", file.display());
    // Beyond a megabyte it asks for leave first.
    let (_, read) = curl(&["--header", "Expect: 100-continue", "--data-binary", &from, &address("read")]).unwrap();
    assert_eq!(read, "2000000");
    // 18: the transfer ended before it was complete; 52: before it began; 56: the connection was cut.
    let (code, _) = curl(&[&address("trap-late")]).unwrap();
    assert!(matches!(code, Some(18 | 52 | 56)), "{code:?}");
    let (code, answer) = curl(&["--path-as-is", &address("told/../../../../api/v1/keys")]).unwrap();
    assert!(code == Some(0) && answer.contains("route.path_invalid"), "{answer}");
    let jar = host.data.path().join("jar");
    let jar = jar.to_str().unwrap();
    curl(&["--cookie-jar", jar, &address("set?set-cookie=sid%3d42%3bPath%3d/")]).unwrap();
    let (_, told) = curl(&["--cookie", jar, &address("told")]).unwrap();
    assert!(told.contains("cookie: sid=42"), "{told}");
    let (_, told) = curl(&["--cookie", jar, "--include", &format!("{}/api/v1/health", host.base)]).unwrap();
    assert!(told.contains("200 OK"), "{told}");
}

#[tokio::test]
async fn browsers_may_ask_about_routes_that_need_a_key() {
    let host =
        Host::start_with(|config| config.cors_origins = oriel_server::config::Origins(vec!["https://shop.example".to_owned()])).await;
    host.upload("/api/v1/extensions?grant=true", web("web", "")).await.ok();
    let ask = |path: &str, origin: &str| {
        let asked = host.anonymous(Method::OPTIONS, path);
        asked
            .header("origin", origin.to_owned())
            .header("access-control-request-method", "PATCH")
            .header("access-control-request-headers", "authorization, content-type")
    };
    // A route that needs a key, one that is not there, a tenant that is not there: the same answer, and no extension runs.
    for path in ["/x/default/web/told/mine", "/x/default/nope/", "/x/nobody/web/"] {
        let reply = host.visit(ask(path, "https://shop.example")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.header("access-control-allow-origin")),
            (204, "https://shop.example"),
            "{path}"
        );
        assert_eq!(reply.header("access-control-allow-methods"), "PATCH");
        assert_eq!(reply.header("access-control-allow-headers"), "authorization, content-type");
        let stranger = host.visit(ask(path, "https://evil.example")).await;
        assert_eq!(stranger.status, 204, "{path}");
        assert!(stranger.headers.get("access-control-allow-origin").is_none(), "{path}");
    }
    // What follows is read by the page, if it brings a key; the question itself needs all its parts.
    let call = host
        .request(Method::GET, "/x/default/web/told/mine")
        .header("origin", "https://shop.example");
    let reply = host.visit(call).await;
    assert_eq!(
        (reply.status.as_u16(), reply.header("access-control-allow-origin")),
        (200, "https://shop.example")
    );
    let call = host
        .request(Method::GET, "/x/default/web/told/mine")
        .header("origin", "https://evil.example");
    assert!(host.visit(call).await.headers.get("access-control-allow-origin").is_none());
    let bare = host.anonymous(Method::OPTIONS, "/x/default/web/told/mine");
    host.visit(bare).await.problem("access.unauthenticated");
    // A public route answers itself.
    let told = host.visit(ask("/x/default/web/told", "https://shop.example")).await;
    assert!(lines(&told)[0].contains("Options"), "{}", told.text);
}

#[tokio::test]
async fn policies_see_the_method_and_path_of_a_request_for_a_route() {
    let host = Host::start().await.with_web().await;
    let developer = host.with_key(&host.new_key("developer", &[]).await);
    let call = |method: Method| developer.request(method, "/x/default/web/told/mine/below");
    assert_eq!(host.visit(call(Method::POST)).await.status, 200);
    let text = "forbid (principal, action == Oriel::Action::\"callRoute\", resource == Oriel::Extension::\"web\")\n\
        when { context has path && context has method && context.path like \"/told/mine/*\" && context.method == \"POST\" };";
    let put = host.request(Method::PUT, "/api/v1/access/policies/no-posts");
    host.send(put.json(&json!({ "text": text }))).await.ok();
    let refused = host.visit(call(Method::POST)).await.problem("access.forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("no-posts"), "{refused}");
    assert_eq!(host.visit(call(Method::GET)).await.status, 200);
    let check = |method: &str| {
        let context = json!({ "method": method, "path": "/told/mine/below" });
        json!({ "action": "callRoute", "resource": { "type": "Extension", "id": "web" }, "context": context })
    };
    for (method, decision) in [("POST", "deny"), ("GET", "allow")] {
        let answer = host.post("/api/v1/access/check", check(method)).await.ok();
        assert_eq!(answer["decision"], decision, "{answer}");
    }
    let half = json!({ "action": "callRoute", "context": { "path": "/" } });
    host.post("/api/v1/access/check", half).await.problem("request.invalid");
    // Spelt another way it is the same path.
    let odd = developer.request(Method::POST, "/x/default/web/told/m%69ne/below");
    host.visit(odd).await.problem("access.forbidden");
    assert_eq!(
        host.visit(developer.request(Method::POST, "/x/default/web/told/mine")).await.status,
        200
    );
    // What is public needs nobody's permission.
    assert_eq!(host.visit(host.anonymous(Method::POST, "/x/default/web/told")).await.status, 200);
}

#[tokio::test]
async fn a_tenants_document_has_its_routes() {
    const DOCUMENT: &str = "/api/v1/tenants/current/openapi.json";
    let host = Host::start().await.with_web().await;
    let document = host.get(DOCUMENT).await.ok();
    assert!(document["paths"]["/api/v1/tasks"].is_object(), "what everybody has is there too");
    let (open, mine) = (
        &document["paths"]["/x/default/web/"],
        &document["paths"]["/x/default/web/told/mine"],
    );
    assert_eq!(
        (&open["post"]["security"], &mine["patch"]["security"]),
        (&json!([]), &json!([{ "key": [] }]))
    );
    assert_eq!(
        (&mine["get"]["x-scope"], &mine["get"]["operationId"]),
        (&json!("tasks:execute"), &json!("route_web_mine_get"))
    );
    assert!(open["description"].as_str().unwrap().starts_with("Everything."));
    // Nobody sees another tenant's, and what is switched off answers nothing.
    let theirs = host.other_tenant("other").await.get(DOCUMENT).await.ok();
    assert!(!theirs["paths"].as_object().unwrap().keys().any(|path| path.starts_with("/x/")));
    host.post("/api/v1/extensions/web/disable", json!({})).await.ok();
    let document = host.get(DOCUMENT).await.ok();
    assert!(!document["paths"].as_object().unwrap().keys().any(|path| path.starts_with("/x/")));
    host.visit(host.anonymous(Method::GET, DOCUMENT))
        .await
        .problem("access.unauthenticated");
}
