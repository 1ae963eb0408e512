//! Reaching what the grant does not name: loopback in disguise, redirects, and requests within requests.
//!
//! `h20`, a name that changes its address after the check, stands in the suite of `oriel-sandbox` (`http.rs`): on a whole server it would
//! take a name server of the machine's own.

use serde_json::{Value, json};

use crate::outside::Outside;
use crate::packages::sender;
use crate::world::World;

/// The operator lets grants reach loopback, where the servers of these tests are.
const LOOPBACK: [(&str, &str); 1] = [("ORIEL_PRIVATE_NETWORKS", "127.0.0.0/8")];

/// What a request of the extension `sender` came to, hop by hop.
async fn send(world: &World, request: Value) -> String {
    world.evil.told("sender", "send", request).await["hops"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn h17_loopback_by_every_spelling_of_it() {
    let world = World::start().await;
    let inside = Outside::start().await;
    let port = inside.port();
    // Each is on the allow-list as it is spelt, and none of the addresses behind them is granted.
    let spelt = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "127.255.255.254",
        "localhost",
        "localhost.",
        "LOCALHOST",
    ];
    let six = [
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1",
        "fd00::1",
    ];
    let other = [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
    ];
    let hosts: Vec<String> = spelt
        .iter()
        .chain(&other)
        .map(|host| (*host).to_owned())
        .chain(six.iter().map(|host| format!("[{host}]")))
        .collect();
    // What the manifest does not take in the first place cannot be asked for either.
    let granted: Vec<String> = hosts
        .iter()
        .map(|host| format!("{host}:{port}"))
        .filter(|pattern| pattern.parse::<oriel_model::permissions::HostPattern>().is_ok())
        .collect();
    assert!(granted.len() > 20, "{granted:?}");
    world.evil.install(sender("sender", &format!("network = {granted:?}"))).await;
    for host in &hosts {
        let told = send(&world, json!({ "url": format!("http://{host}:{port}/") })).await;
        let refused = [
            "DestinationIpProhibited",
            "HttpRequestDenied",
            "HttpRequestUriInvalid",
            "DnsError",
            "DestinationNotFound",
        ];
        assert!(refused.iter().any(|code| told.contains(code)), "{host}: {told}");
        assert!(!told.contains("\"status\""), "{host}: {told}");
    }
    assert_eq!(inside.seen(), Vec::<String>::new(), "somebody got through");
    for what in ["private_network 127.0.0.1", "private_network ::1", "169.254.169.254"] {
        world.evil.audited("permission.refused", what).await;
    }
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_a_host_that_only_looks_like_one_that_is_granted() {
    let world = World::start_with(&LOOPBACK).await;
    let (granted, inside) = (Outside::start().await, Outside::start().await);
    let (host, port) = (granted.host(), inside.port());
    let permissions =
        format!("network = [\"{host}\", \"api.allowed.example\", \"*.allowed.example\"]\nprivate_network = [\"127.0.0.0/8\"]");
    world.evil.install(sender("sender", &permissions)).await;
    assert!(send(&world, json!({ "url": granted.url("/") })).await.contains("hello"));
    for url in [
        // Another port, the same address by another name.
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{}/", granted.port()),
        format!("http://127.1:{}/", granted.port()),
        format!("http://[::ffff:127.0.0.1]:{}/", granted.port()),
        // A user, a path, a query or a fragment that looks like the granted host.
        format!("http://{host}@127.0.0.1:{port}/"),
        format!("http://{host}:x@127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/@{host}/"),
        format!("http://127.0.0.1:{port}#@{host}/"),
        format!("http://127.0.0.1:{port}?@{host}/"),
        format!("http://127.0.0.1:{port}\\@{host}/"),
        format!("http://{host}%2f@127.0.0.1:{port}/"),
        // A domain that ends or begins like it.
        "http://api.allowed.example.evil.example/".to_owned(),
        "http://evilallowed.example/".to_owned(),
        "http://allowed.example/".to_owned(),
        "http://.allowed.example/".to_owned(),
        "http://api.allowed.example..evil.example/".to_owned(),
        // Letters and dots that look like others.
        "http://аpi.allowed.example/".to_owned(),
        "http://api。evil。example/".to_owned(),
        "http://127。0。0。1/".to_owned(),
        "http://①②⑦.0.0.1/".to_owned(),
        "http://%31%32%37.0.0.1/".to_owned(),
    ] {
        let told = send(&world, json!({ "url": url })).await;
        assert!(!told.contains("\"status\""), "{url}: {told}");
        let refused = ["HttpRequestDenied", "HttpRequestUriInvalid", "InternalError"];
        assert!(refused.iter().any(|code| told.contains(code)), "{url}: {told}");
    }
    assert_eq!(inside.seen(), Vec::<String>::new(), "somebody got through");
    assert_eq!(granted.seen().len(), 1, "one request was granted: {:#?}", granted.seen());
    world.evil.audited("permission.refused", &format!("network 127.0.0.1:{port}")).await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h19_a_granted_host_that_redirects_inside() {
    let world = World::start_with(&LOOPBACK).await;
    let (granted, inside) = (Outside::start().await, Outside::start().await);
    let permissions = format!("network = [\"{}\"]\nprivate_network = [\"127.0.0.1/32\"]", granted.host());
    world.evil.install(sender("sender", &permissions)).await;
    for to in [
        inside.url("/"),
        format!("http://localhost:{}/", inside.port()),
        format!("http://[::1]:{}/", inside.port()),
        format!("http://2130706433:{}/", inside.port()),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://10.0.0.1/".to_owned(),
        format!("{}/api/v1/me", world.base),
        "file:///etc/passwd".to_owned(),
        "gopher://127.0.0.1:25/".to_owned(),
    ] {
        let told = send(&world, json!({ "url": granted.url(&format!("/to/{to}")), "follow": true })).await;
        // The first hop is granted and says where to go; the second is refused like any other request.
        assert!(
            told.contains("302") && told.contains("error") && !told.contains("200"),
            "{to}: {told}"
        );
    }
    assert_eq!(inside.seen(), Vec::<String>::new(), "somebody got through");
    world
        .evil
        .audited("permission.refused", &format!("network 127.0.0.1:{}", inside.port()))
        .await;
    world.evil.audited("permission.refused", "network 169.254.169.254:80").await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h21_a_request_within_a_request_to_a_granted_host() {
    let world = World::start_with(&LOOPBACK).await;
    let granted = Outside::start().await;
    let permissions = format!("network = [\"{}\"]\nprivate_network = [\"127.0.0.1/32\"]", granted.host());
    world.evil.install(sender("sender", &permissions)).await;
    let split = "GET /admin HTTP/1.1\r\nHost: inside\r\n\r\n";
    for headers in [
        json!({ "x-a": format!("b\r\n\r\n{split}") }),
        json!({ "x-a": "b\r\nHost: inside" }),
        json!({ "x-a": "b\nTransfer-Encoding: chunked" }),
        json!({ "x-a\r\nhost": "inside" }),
        json!({ "x a": "b" }),
        json!({ "": "b" }),
        // The host's own business.
        json!({ "host": "inside.example" }),
        json!({ "Host": "inside.example" }),
        json!({ "transfer-encoding": "chunked" }),
        json!({ "connection": "upgrade" }),
        json!({ "upgrade": "h2c" }),
        json!({ "proxy-authorization": "Basic eDp5" }),
        json!({ "keep-alive": "timeout=9" }),
    ] {
        send(&world, json!({ "url": granted.url("/"), "headers": headers })).await;
    }
    for path in [
        format!("/ HTTP/1.1\r\nHost: inside\r\n\r\n{split}"),
        "/\r\nX-Injected: 1".to_owned(),
        "/ HTTP/1.0".to_owned(),
        "http://inside.example/".to_owned(),
    ] {
        send(&world, json!({ "url": granted.url(&format!("/{path}")) })).await;
    }
    // Two lengths, and a body that is a request of its own.
    send(
        &world,
        json!({ "url": granted.url("/"), "headers": { "content-length": "0" }, "body": split }),
    )
    .await;
    for text in granted.seen().iter().filter(|text| !text.is_empty()) {
        let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let lower = head.to_ascii_lowercase();
        assert_eq!(lower.matches(" http/1.1").count(), 1, "{text}");
        assert_eq!(lower.matches("\r\nhost:").count(), 1, "{text}");
        assert!(lower.contains(&format!("\r\nhost: {}", granted.host())), "{text}");
        assert!(
            !lower.contains("inside") || head.lines().next().unwrap().contains("inside"),
            "{text}"
        );
        for header in ["\r\nupgrade:", "\r\nproxy-authorization:", "\r\nx-injected:", "\r\nkeep-alive:"] {
            assert!(!lower.contains(header), "{text}");
        }
        // What follows the head is its body: as long as it says.
        if rest.contains("GET /admin") {
            assert!(
                lower.contains("transfer-encoding: chunked") || lower.contains("content-length: 4"),
                "{text}"
            );
        }
    }
    world.evil.told("sender", "send", json!({ "url": granted.url("/") })).await;
    world.stands().await;
}
