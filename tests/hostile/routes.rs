//! Extensions that answer HTTP beside the API: leaving their address, passing for the host, stealing cookies, running in its origin.

use reqwest::Method;
use serde_json::json;

use crate::packages::web;
use crate::wire::{answers, raw};
use crate::world::{Actor, Answer, World, answer};

const PUBLIC: &str =
    "[[routes]]\nname = \"all\"\npath = \"/\"\naccess = \"public\"\n[[routes]]\nname = \"mine\"\npath = \"/told/mine\"\naccess = \"key\"\n";
const PRIVATE: &str = "[[routes]]\nname = \"all\"\npath = \"/\"\naccess = \"key\"\n";

async fn look(actor: &Actor, path: &str) -> Answer {
    answer(actor.unnamed(Method::GET, path)).await
}

/// An address whose query is the header fields that the extension answers with.
fn says(extension: &str, fields: &[(&str, &str)]) -> String {
    let hex = |value: &str| value.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let query: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", hex(value))).collect();
    format!("{extension}/set?{}", query.join("&"))
}

#[tokio::test(flavor = "multi_thread")]
async fn h43_paths_that_leave_the_extension_or_reach_its_private_part() {
    let world = World::start().await;
    world.acme.install(web("web", PUBLIC)).await;
    world.evil.install(web("web", PUBLIC)).await;
    for path in [
        "/x/acme/web/../../../api/v1/keys",
        "/x/acme/web/told/../told/mine",
        "/x/acme/web/told/%2e%2e/mine",
        "/x/acme/web/told/%2E%2E%2Fmine",
        "/x/acme/web/told/..;/mine",
        "/x/acme/web/told/.;x/mine",
        "/x/acme/web//told/mine",
        "/x/acme/web/told//mine",
        "/x/acme/web/told/./mine",
        "/x/acme/web/told%2fmine",
        "/x/acme/web/told%5cmine",
        "/x/acme/web/told\\mine",
        "/x/acme/web/told/%6dine",
        "/x/acme/web/%74old/mine",
        "/x/acme/web/told/mine/",
        "/x/acme/web/told/mine%00",
        "/x/acme/web/told/mine%20",
        "/x/acme/web/told/mine;x",
        "/x/acme/web/TOLD/MINE",
        "/x/acme/web/../../evil/web/told",
        "/x/evil/../acme/web/told/mine",
        "/x/%61cme/web/told/mine",
        "/X/acme/web/told/mine",
        "//x/acme/web/told/mine",
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let told = tokio::task::block_in_place(|| raw(&world, request.as_bytes()));
        let refused = told.starts_with("HTTP/1.1 400 ") || told.starts_with("HTTP/1.1 401 ") || told.starts_with("HTTP/1.1 404 ");
        // What the extension gets is another path than its private one, and it is told which.
        let elsewhere = told.starts_with("HTTP/1.1 200 ") && !told.contains("path: /told/mine\r\n") && !told.contains("path: /told/mine\n");
        assert!(refused || elsewhere, "{path}: {told}");
        assert!(!told.contains("\"items\""), "{path}: {told}");
    }
    look(&world.acme, "/x/acme/web/told/mine").await.refused("access.unauthenticated");
    assert_eq!(look(&world.acme, "/x/acme/web/told/yours").await.status, 200);
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h44_routes_of_another_tenant_and_whether_there_are_any() {
    let world = World::start().await;
    world.acme.install(web("web", PRIVATE)).await;
    world.evil.install(web("web", PRIVATE)).await;
    // Without a key, what is private, what is not there, and whose tenant is not there answer alike.
    let paths = ["/x/acme/web/told", "/x/acme/nothing/told", "/x/nobody/web/told", "/x/evil/web/told"];
    let mut seen = Vec::new();
    for path in paths {
        let mut problem = look(&world.evil, path).await.refused("access.unauthenticated");
        problem["requestId"] = json!(null);
        seen.push(problem);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
    for path in &paths[..3] {
        answer(world.evil.at(Method::GET, path)).await.refused("route.not_found");
    }
    let told = answer(world.acme.at(Method::GET, "/x/acme/web/told")).await;
    assert!(told.status == 200 && told.text.contains("x-oriel-tenant: acme"), "{told:?}");
    // A key of the tenant that may not execute does not get in either.
    let viewer = world.acme.new_key("viewer", &[]).await;
    answer(viewer.at(Method::GET, "/x/acme/web/told")).await.refused("access.forbidden");
    world.acme.audited("access.refused", "callRoute").await;
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h45_a_visitor_who_passes_for_the_host() {
    let world = World::start().await;
    world.acme.install(web("web", PUBLIC)).await;
    let request = world
        .acme
        .at(Method::GET, "/x/acme/web/told")
        .header("x-oriel-principal", "key_forged")
        .header("x_oriel_principal", "key_forged")
        .header("X-Oriel-Tenant", "forged")
        .header("x-oriel-base", "/forged")
        .header("x-forwarded-for", "forged")
        .header("x-forwarded-host", "forged")
        .header("x-forwarded-proto", "forged")
        .header("forwarded", "for=forged")
        .header("x-real-ip", "forged")
        .header("proxy-authorization", "forged")
        .header("proxy", "http://forged")
        .header("connection", "x-request-id, x-oriel-tenant, x-hop")
        .header("x-hop", "forged")
        .header(
            "cookie",
            "oriel-session=stolen; __Host-oriel-session=stolen; x.acme.other.a=stolen; x.evil.web.a=stolen; x.acme.web.a=own",
        );
    let told = answer(request).await;
    assert_eq!(told.status, 200, "{told:?}");
    for word in ["forged", "stolen", &world.acme.key, "authorization"] {
        assert!(!told.text.to_lowercase().contains(&word.to_lowercase()), "{word}: {}", told.text);
    }
    assert!(
        told.text.contains("x-oriel-tenant: acme") && told.text.contains("cookie: a=own"),
        "{}",
        told.text
    );
    // In a trailer, in a second head, in a body that is one.
    for request in [
        "POST /x/acme/web/told HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Oriel-Principal\r\nConnection: close\r\n\r\n\
         1\r\na\r\n0\r\nX-Oriel-Principal: forged\r\n\r\n",
        "GET /x/acme/web/told HTTP/1.1\r\nHost: h\r\nX-A: 1\nX-Oriel-Principal: forged\r\nConnection: close\r\n\r\n",
        "POST /x/acme/web/read HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /x/acme/web/told HTTP/1.1\r\nHost: h\r\nX-Oriel-Principal: forged\r\n\r\n",
        "GET /x/acme/web/told HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        "GET http://other/x/acme/web/told HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ] {
        let told = tokio::task::block_in_place(|| raw(&world, request.as_bytes()));
        assert!(!told.contains("forged"), "{request}: {told}");
        assert!(answers(&told) <= 1, "{request}: {told}");
    }
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h46_cookies_of_the_console_and_of_other_extensions() {
    let world = World::start().await;
    world.acme.install(web("web", PUBLIC)).await;
    world.evil.install(web("web", PUBLIC)).await;
    let told = look(
        &world.evil,
        &says(
            "/x/evil/web",
            &[
                ("set-cookie", "oriel-session=fixed; Path=/"),
                ("set-cookie", "__Host-oriel-session=fixed; Path=/; Secure"),
                ("set-cookie", "=oriel-session=fixed; Path=/"),
                ("set-cookie", "\toriel-session=fixed; Path=/"),
                ("set-cookie", "x.acme.web.sid=fixed; Path=/x/acme/web"),
                ("set-cookie", "sid=1; Domain=127.0.0.1; Path=/"),
                ("set-cookie", "a=1; Path=/x/acme/web"),
                ("set-cookie", "b=1; Path=/x/evil/web/../../acme/web"),
            ],
        ),
    )
    .await;
    assert_eq!(told.status, 200, "{told:?}");
    let set: Vec<&str> = told
        .headers
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert!(!set.is_empty());
    for cookie in set {
        assert!(cookie.starts_with("x.evil.web."), "{cookie}");
        let path = cookie.split("; ").find_map(|part| part.strip_prefix("Path=")).unwrap();
        assert!(path == "/x/evil/web" || path.starts_with("/x/evil/web/"), "{cookie}");
        assert!(!path.contains("..") && !cookie.to_lowercase().contains("domain="), "{cookie}");
    }
    // What a browser then sends along reaches the one whose it is, under its own name, and the API does not know it.
    let jar = "x.evil.web.oriel-session=fixed; x.evil.web.sid=1";
    let told = answer(world.evil.unnamed(Method::GET, "/api/v1/me").header("cookie", jar)).await;
    told.refused("access.unauthenticated");
    let told = answer(world.evil.unnamed(Method::GET, "/x/acme/web/told").header("cookie", jar)).await;
    assert!(!told.text.contains("cookie"), "{}", told.text);
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h47_a_page_that_acts_in_the_origin_of_its_host() {
    let world = World::start().await;
    world.evil.install(web("web", PUBLIC)).await;
    let told = look(
        &world.evil,
        &says(
            "/x/evil/web",
            &[
                ("content-type", "text/html"),
                ("content-security-policy", "default-src *; sandbox allow-scripts allow-same-origin"),
                ("x-content-type-options", "sniff"),
                ("service-worker-allowed", "/"),
                ("clear-site-data", "\"*\""),
                ("strict-transport-security", "max-age=0"),
                ("alt-svc", "h2=\"evil.example:443\""),
                ("access-control-allow-credentials", "true"),
                ("x-oriel-tenant", "acme"),
                ("refresh", "0; url=https://evil.example/"),
                ("location", "/api/v1/auth/logout"),
                ("link", "</api/v1/keys>; rel=preload"),
                ("x-request-id", "forged"),
            ],
        ),
    )
    .await;
    let policies: Vec<&str> = told
        .headers
        .get_all("content-security-policy")
        .iter()
        .map(|value| value.to_str().unwrap())
        .collect();
    assert_eq!(policies.last(), Some(&"sandbox"), "{told:?}");
    assert_eq!(told.header("x-content-type-options"), "nosniff");
    for gone in [
        "service-worker-allowed",
        "clear-site-data",
        "strict-transport-security",
        "alt-svc",
        "x-oriel-tenant",
    ] {
        assert_eq!(told.header(gone), "", "{gone}");
    }
    assert_eq!(told.header("location"), "/x/evil/web/api/v1/auth/logout");
    assert!(!told.header("x-request-id").contains("forged"), "{told:?}");
    // Errors of the host in its place are fenced in as well.
    for path in ["/x/evil/web/trap", "/x/evil/web/a%2fb", "/x/evil/nothing/"] {
        let told = look(&world.evil, path).await;
        assert_eq!(told.header("content-security-policy"), "sandbox", "{path}: {told:?}");
        assert!(!told.text.contains("secret"), "{path}: {told:?}");
    }
    // No page of another site calls the API with what a browser holds: nothing is allowed to it, cookies least of all.
    for origin in ["https://evil.example", "null", &world.base] {
        let request = world.evil.unnamed(Method::OPTIONS, "/api/v1/keys");
        let told = answer(request.header("origin", origin).header("access-control-request-method", "POST")).await;
        assert_eq!(told.header("access-control-allow-origin"), "", "{told:?}");
        assert_eq!(told.header("access-control-allow-credentials"), "", "{told:?}");
    }
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h48_one_response_that_another_reader_would_take_for_two() {
    let world = World::start().await;
    world.evil.install(web("web", PUBLIC)).await;
    for fields in [
        [("x-a", "b\r\nSet-Cookie: oriel-session=fixed")],
        [("x-a", "b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")],
        [("x-a", "b\nSet-Cookie: oriel-session=fixed")],
        [("content-length", "0")],
        [("content-length", "100000")],
        [("transfer-encoding", "chunked")],
        [("connection", "keep-alive, x-content-type-options")],
        [("upgrade", "websocket")],
    ] {
        let path = says("/x/evil/web", &fields);
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\nGET /api/v1/health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let told = tokio::task::block_in_place(|| raw(&world, request.as_bytes()));
        assert!(!told.contains("oriel-session=fixed"), "{fields:?}: {told}");
        let heads: Vec<&str> = told.split("HTTP/1.1 ").skip(1).collect();
        // At most the extension's and the API's, in this order; a connection that is out of step is closed.
        assert!(heads.len() <= 2, "{fields:?}: {told}");
        if let [_, second] = heads[..] {
            assert!(second.starts_with("200 ") && second.contains("\"ready\""), "{fields:?}: {told}");
        }
        assert!(!told.to_lowercase().contains("\r\nupgrade:"), "{fields:?}: {told}");
    }
    for path in [
        "short",
        "long",
        "promised",
        "forgotten",
        "twice",
        "headers/5000",
        "bulky/4000000",
        "status/101",
    ] {
        let told = world.evil.unnamed(Method::GET, &format!("/x/evil/web/{path}")).send().await;
        if let Ok(response) = told {
            let status = response.status().as_u16();
            assert_ne!(status, 101, "{path}");
            let whole = response.text().await;
            assert!(path != "short" || status != 200 || whole.is_err(), "a short response looks whole");
        }
    }
    world.stands().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h49_a_host_for_routes_that_is_asked_for_the_api() {
    let world = World::start_with(&[
        ("ORIEL_ROUTES_ORIGIN", "https://*.ext.example.com"),
        ("ORIEL_PUBLIC_URL", "https://oriel.example.com"),
    ])
    .await;
    world.acme.install(web("web", PUBLIC)).await;
    world.evil.install(web("web", PUBLIC)).await;
    let ask = |line: &str, host: &str| {
        let request = format!(
            "GET {line} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
            world.evil.key
        );
        tokio::task::block_in_place(|| raw(&world, request.as_bytes()))
    };
    assert!(ask("/told", "web--acme.ext.example.com").contains("x-oriel-tenant: acme"));
    for (line, host) in [
        ("/api/v1/me", "web--acme.ext.example.com"),
        ("/api/v1/me", "WEB--acme.ext.example.com."),
        ("/api/v1/me", "web--acme.ext.example.com:443"),
        ("http://oriel.example.com/api/v1/me", "web--acme.ext.example.com"),
        ("http://web--acme.ext.example.com/api/v1/me", "oriel.example.com"),
        ("/metrics", "web--acme.ext.example.com"),
    ] {
        let told = ask(line, host);
        assert!(
            !told.contains("\"keyId\"") && !told.contains("oriel_http"),
            "{line} at {host}: {told}"
        );
    }
    for (line, host) in [
        ("/x/acme/web/told", "oriel.example.com"),
        ("/told", "oriel.example.com"),
        ("/told", "web.ext.example.com"),
        ("/told", "web--acme.ext.example.com.evil.example"),
        ("/told", "web--acme--evil.ext.example.com"),
        ("/told", "evil.web--acme.ext.example.com"),
        ("/told", "web--acme.ext.example.com@evil.example"),
    ] {
        let told = ask(line, host);
        assert!(!told.contains("x-oriel-tenant"), "{line} at {host}: {told}");
    }
    world.stands().await;
}
