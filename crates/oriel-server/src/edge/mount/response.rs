//! What of an extension's response reaches the client.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::cookies;
use super::place::Place;
use super::request::remove_hop_by_hop;

/// Fields that speak for a whole origin, which on a shared host is not the extension's: they log people out, send the browser
/// elsewhere, or let a script of the extension stand between others and the server.
const OF_THE_ORIGIN: [&str; 13] = [
    "alt-svc",
    "clear-site-data",
    "expect-ct",
    "nel",
    "origin-agent-cluster",
    "origin-trial",
    "public-key-pins",
    "report-to",
    "reporting-endpoints",
    "service-worker-allowed",
    "set-login",
    "strict-transport-security",
    "www-authenticate",
];

/// The head as the client sees it.
pub(super) fn clean(headers: &mut HeaderMap, place: &Place) {
    remove_hop_by_hop(headers);
    let claims: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-oriel-"))
        .cloned()
        .collect();
    for name in claims {
        headers.remove(name);
    }
    cookies::set(headers, place);
    let Some(base) = &place.base else { return };
    for name in OF_THE_ORIGIN {
        headers.remove(name);
    }
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        let below = headers.get(&name).and_then(|value| below(value.to_str().ok()?, base));
        if let Some(value) = below.and_then(|text| HeaderValue::from_str(&text).ok()) {
            headers.insert(name, value);
        }
    }
    fence(headers);
}

/// Keeps what a browser makes of a response on a shared host from acting as a page of that host.
pub(super) fn fence(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.get_all(header::CONTENT_SECURITY_POLICY).iter().any(is_fenced) {
        headers.append(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
}

/// Whether a policy already takes the page's origin away. Several policies hold together, so one is enough.
fn is_fenced(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    text.split(',').any(|policy| {
        // Of a directive that comes twice the first one counts.
        let directives = policy.split(';').map(|directive| directive.trim().to_ascii_lowercase());
        let mut sandboxes = directives.filter(|directive| directive.split_ascii_whitespace().next() == Some("sandbox"));
        sandboxes
            .next()
            .is_some_and(|sandbox| !sandbox.split_ascii_whitespace().any(|word| word == "allow-same-origin"))
    })
}

/// An address on this very host, moved below the extension's: what it knows of its address is the path below.
fn below(location: &str, base: &str) -> Option<String> {
    // Browsers read `/\` as `//`, which names another host: that is the extension's right, and none of its own paths.
    let own = location.starts_with('/') && !location.starts_with("//") && !location.starts_with("/\\");
    let moved = location
        .strip_prefix(base)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']));
    (own && !moved).then(|| format!("{base}{location}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(fields: &[(&str, &str)], base: Option<&str>) -> Vec<String> {
        let place = Place {
            tenant: "acme".to_owned(),
            extension: "notes".to_owned(),
            path: "/".to_owned(),
            base: base.map(str::to_owned),
            authority: "h".to_owned(),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        clean(&mut headers, &place);
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        left
    }

    const GIVEN: [(&str, &str); 12] = [
        ("alt-svc", "h2=\"evil.example:443\""),
        ("clear-site-data", "\"*\""),
        ("connection", "x-inner"),
        ("etag", "\"1\""),
        ("location", "/login"),
        ("service-worker-allowed", "/"),
        ("set-cookie", "a=1; Domain=example.com"),
        ("strict-transport-security", "max-age=0"),
        ("trailer", "x"),
        ("x-content-type-options", "none"),
        ("x-inner", "1"),
        ("x-oriel-tenant", "other"),
    ];

    #[test]
    fn on_a_shared_host_a_response_speaks_for_its_extension_only() {
        assert_eq!(
            cleaned(&GIVEN, Some("/x/acme/notes")),
            [
                "content-security-policy: sandbox",
                "etag: \"1\"",
                "location: /x/acme/notes/login",
                "set-cookie: x.acme.notes.a=1; Path=/x/acme/notes; SameSite=Lax",
                "x-content-type-options: nosniff",
            ]
        );
        assert_eq!(
            cleaned(&GIVEN, None),
            [
                "alt-svc: h2=\"evil.example:443\"",
                "clear-site-data: \"*\"",
                "etag: \"1\"",
                "location: /login",
                "service-worker-allowed: /",
                "set-cookie: a=1; Path=/; SameSite=Lax",
                "strict-transport-security: max-age=0",
                "x-content-type-options: none",
            ]
        );
    }

    #[test]
    fn a_page_keeps_its_policy_only_if_it_gives_its_origin_up() {
        for (policy, fenced) in [
            ("default-src 'self'", false),
            ("sandbox", true),
            ("default-src 'self'; sandbox allow-scripts", true),
            ("SANDBOX allow-scripts", true),
            ("sandbox allow-scripts allow-same-origin", false),
            ("sandbox ALLOW-SAME-ORIGIN; sandbox", false),
            ("sandbox; sandbox allow-same-origin", true),
            ("default-src *, sandbox", true),
            ("x-sandbox", false),
            ("sandboxed", false),
        ] {
            assert_eq!(is_fenced(&policy.parse().unwrap()), fenced, "{policy}");
        }
    }

    #[test]
    fn addresses_on_this_host_move_below_the_extensions() {
        for (given, sent) in [
            ("/", Some("/x/a/b/")),
            ("/login?next=/", Some("/x/a/b/login?next=/")),
            ("/x/a/bc", Some("/x/a/b/x/a/bc")),
            ("/x/a/b/c", None),
            ("/x/a/b?c", None),
            ("//evil.example", None),
            ("/\\evil.example", None),
            ("https://example.com/", None),
            ("next", None),
            ("?q", None),
        ] {
            assert_eq!(below(given, "/x/a/b").as_deref(), sent, "{given}");
        }
    }
}
