//! Cookies of extensions, kept apart from everybody else's on the same host.
//!
//! A path alone does not do it: a cookie of the console has the path `/` and is sent to every extension, and a name that an
//! extension sets could be one that somebody else reads. So on a shared host the cookies of an extension carry its name, which
//! is put before on the way out and taken off on the way in, and nothing else gets in.

use http::header::{self, HeaderMap, HeaderValue};

use super::place::Place;

fn prefix(place: &Place) -> String {
    format!("x.{}.{}.", place.tenant, place.extension)
}

/// Leaves of the request's cookies those that the extension has set, by the names that it gave them.
pub(super) fn received(headers: &mut HeaderMap, place: &Place) {
    if place.base.is_none() {
        return;
    }
    let prefix = prefix(place);
    let own: Vec<String> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(&prefix))
        .map(str::to_owned)
        .collect();
    headers.remove(header::COOKIE);
    if !own.is_empty()
        && let Ok(value) = HeaderValue::from_str(&own.join("; "))
    {
        headers.insert(header::COOKIE, value);
    }
}

/// Binds the cookies that a response sets to the extension; what cannot be bound is left out.
pub(super) fn set(headers: &mut HeaderMap, place: &Place) {
    let given: Vec<String> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok().and_then(|text| bound(text, place)))
        .collect();
    headers.remove(header::SET_COOKIE);
    for cookie in given {
        if let Ok(value) = HeaderValue::from_str(&cookie) {
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// The cookie as it is sent.
fn bound(text: &str, place: &Place) -> Option<String> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    // Browsers read a cookie without a name as one whose name is in its value.
    let token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) || value.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let prefixed = |prefix: &str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let mut kept = Vec::new();
    let (mut path, mut same_site) = (None, false);
    for attribute in parts {
        let (key, given) = attribute.split_once('=').unwrap_or((attribute, ""));
        let (key, given) = (key.trim().to_ascii_lowercase(), given.trim());
        match &*key {
            "expires" | "max-age" => kept.push(format!("{}={given}", if key == "expires" { "Expires" } else { "Max-Age" })),
            "secure" => kept.push("Secure".to_owned()),
            "httponly" => kept.push("HttpOnly".to_owned()),
            "partitioned" => kept.push("Partitioned".to_owned()),
            "samesite" => {
                let known = ["Strict", "Lax", "None"]
                    .into_iter()
                    .find(|known| known.eq_ignore_ascii_case(given));
                if let Some(known) = known.filter(|_| !same_site) {
                    same_site = true;
                    kept.push(format!("SameSite={known}"));
                }
            }
            "path" => path = Some(given),
            // `Domain` would give it to other hosts; what nobody knows is not passed on.
            _ => {}
        }
    }
    if !same_site {
        kept.push("SameSite=Lax".to_owned());
    }
    let mut cookie = match &place.base {
        Some(base) => {
            if prefixed("__host-") || prefixed("__secure-") || prefixed("__http-") || prefixed("__hosthttp-") {
                return None;
            }
            format!("{}{name}={value}; Path={base}", prefix(place))
        }
        None => {
            let path = path.filter(|path| path.starts_with('/')).unwrap_or("/");
            format!("{name}={value}; Path={path}")
        }
    };
    for attribute in kept {
        cookie.push_str("; ");
        cookie.push_str(&attribute);
    }
    Some(cookie)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(base: Option<&str>) -> Place {
        Place {
            tenant: "acme".to_owned(),
            extension: "notes".to_owned(),
            path: "/".to_owned(),
            base: base.map(str::to_owned),
            authority: "h".to_owned(),
        }
    }

    #[test]
    fn on_a_shared_host_cookies_stay_with_their_extension() {
        let shared = place(Some("/x/acme/notes"));
        for (given, sent) in [
            ("a=1", "x.acme.notes.a=1; Path=/x/acme/notes; SameSite=Lax"),
            (
                "a=1; Path=/; Domain=example.com",
                "x.acme.notes.a=1; Path=/x/acme/notes; SameSite=Lax",
            ),
            (
                "a=1;path=/x/acme/other;PATH=/;domain=.com",
                "x.acme.notes.a=1; Path=/x/acme/notes; SameSite=Lax",
            ),
            (
                "a=1; HttpOnly; Secure; SameSite=none; Max-Age=5; Priority=High",
                "x.acme.notes.a=1; Path=/x/acme/notes; HttpOnly; Secure; SameSite=None; Max-Age=5",
            ),
            (
                "oriel-session=mine",
                "x.acme.notes.oriel-session=mine; Path=/x/acme/notes; SameSite=Lax",
            ),
            (
                "x.acme.other.b=1",
                "x.acme.notes.x.acme.other.b=1; Path=/x/acme/notes; SameSite=Lax",
            ),
            ("a=b=c", "x.acme.notes.a=b=c; Path=/x/acme/notes; SameSite=Lax"),
            ("a=", "x.acme.notes.a=; Path=/x/acme/notes; SameSite=Lax"),
            ("a=1; SameSite=Odd", "x.acme.notes.a=1; Path=/x/acme/notes; SameSite=Lax"),
        ] {
            assert_eq!(bound(given, &shared).as_deref(), Some(sent), "{given}");
        }
        for refused in [
            "__Host-a=1; Secure; Path=/",
            "__host-a=1",
            "__SECURE-a=1",
            "=__Host-a=1",
            "=a",
            "a",
            "a b=1",
            "",
        ] {
            assert!(bound(refused, &shared).is_none(), "{refused}");
        }
    }

    #[test]
    fn on_a_host_of_its_own_only_the_domain_is_taken_away() {
        let own = place(None);
        assert_eq!(
            bound("__Host-a=1; Path=/; Secure; Domain=x", &own).unwrap(),
            "__Host-a=1; Path=/; Secure; SameSite=Lax"
        );
        assert_eq!(bound("a=1; Path=/sub", &own).unwrap(), "a=1; Path=/sub; SameSite=Lax");
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "a=1; b=2".parse().unwrap());
        received(&mut headers, &own);
        assert_eq!(headers["cookie"], "a=1; b=2");
    }

    #[test]
    fn nothing_but_its_own_cookies_reaches_an_extension() {
        let mut headers = HeaderMap::new();
        headers.append(
            "cookie",
            "oriel-session=secret; x.acme.notes.a=1; x.acme.notes2.b=2".parse().unwrap(),
        );
        headers.append("cookie", "x.other.notes.c=3;x.acme.notes.d=4; x.acme.notes=5".parse().unwrap());
        received(&mut headers, &place(Some("/x/acme/notes")));
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; d=4"]);
        headers.insert("cookie", "oriel-session=secret".parse().unwrap());
        received(&mut headers, &place(Some("/x/acme/notes")));
        assert!(!headers.contains_key("cookie"));
    }
}
