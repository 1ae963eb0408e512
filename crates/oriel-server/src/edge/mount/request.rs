//! What of a request's head an extension gets to see.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::cookies;
use super::place::Place;

/// Fields between two neighbours on the way, which mean nothing further on.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields in which proxies say who asks, and `Proxy`, which programs in the manner of CGI take for a proxy to be used. Nobody in front
/// of this server is believed on behalf of an extension.
const HEARSAY: [&str; 7] = [
    "oriel-user",
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "proxy",
];

/// Removes the fields that end here, those that `Connection` names included.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        // A client that names these wants to make the host forget what it goes by.
        if name != header::CONTENT_LENGTH && name != header::HOST {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove("http2-settings");
}

/// Whether a field claims to come from the host, however its name is spelt: some programs take `_` and `-` for the same.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    name.starts_with("x-oriel-") || name.starts_with("x-forwarded-") || HEARSAY.contains(&&*name)
}

/// What the host says.
pub(super) struct Says<'a> {
    pub tenant: &'a str,
    /// Who calls, where somebody was asked.
    pub principal: Option<String>,
    pub request_id: &'a HeaderValue,
    pub traceparent: Option<&'a str>,
}

/// The head as the extension sees it.
pub(super) fn clean(headers: &mut HeaderMap, place: &Place, says: &Says<'_>) {
    remove_hop_by_hop(headers);
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
    for name in [header::AUTHORIZATION, header::EXPECT] {
        headers.remove(name);
    }
    cookies::received(headers, place);
    let mut say = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    say("x-oriel-tenant", says.tenant);
    say("x-oriel-base", place.base.as_deref().unwrap_or_default());
    if let Some(principal) = &says.principal {
        say("x-oriel-principal", principal);
    }
    match says.traceparent {
        Some(traceparent) => say("traceparent", traceparent),
        None => {
            headers.remove("traceparent");
            headers.remove("tracestate");
        }
    }
    headers.insert("x-request-id", says.request_id.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_pass_for_the_hosts_word() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("accept", "text/html"),
            ("authorization", "Bearer oriel_secret"),
            ("connection", "close, X-Secret, content-length, x-request-id"),
            ("content-length", "5"),
            ("cookie", "oriel-session=s; x.acme.notes.a=1; x.acme.other.b=2; a=3"),
            ("expect", "100-continue"),
            ("forwarded", "for=1.2.3.4"),
            ("if-none-match", "\"1\""),
            ("keep-alive", "5"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers"),
            ("trailer", "x-oriel-principal"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x_forwarded_host", "evil"),
            ("x-oriel-anything", "1"),
            ("x-oriel-principal", "user_1"),
            ("x_oriel_principal", "user_1"),
            ("x-oriel_tenant", "other"),
            ("x-request-id", "client's"),
            ("x-secret", "hop"),
            ("x-own", "kept"),
        ] {
            headers.append(name, value.parse().unwrap());
        }
        let place = Place {
            tenant: "acme".to_owned(),
            extension: "notes".to_owned(),
            path: "/".to_owned(),
            base: Some("/x/acme/notes".to_owned()),
            authority: "h".to_owned(),
        };
        let says = Says {
            tenant: "acme",
            principal: Some("key_7".to_owned()),
            request_id: &HeaderValue::from_static("req"),
            traceparent: None,
        };
        clean(&mut headers, &place, &says);
        let mut left: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "accept: text/html",
                "content-length: 5",
                "cookie: a=1",
                "if-none-match: \"1\"",
                "x-oriel-base: /x/acme/notes",
                "x-oriel-principal: key_7",
                "x-oriel-tenant: acme",
                "x-own: kept",
                "x-request-id: req",
            ]
        );
    }
}
