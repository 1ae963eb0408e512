//! Whose address it is: the API's, or that of an extension of a tenant.

use axum::body::Body;
use http::{Request, header};
use oriel_model::ErrorCode;
use oriel_model::route;

use crate::config::RoutesOrigin;
use crate::problem::Problem;

/// The first segment of the addresses of routes where they share a host.
const PREFIX: &str = "/x";

/// An address of an extension. Whether there is one is another question.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::edge) struct Place {
    pub tenant: String,
    pub extension: String,
    /// The path below the extension's address, in its one form; it begins with `/`.
    pub path: String,
    /// The path of the extension's address; nothing when its host is its own.
    pub base: Option<String>,
    /// The host that the client named.
    pub authority: String,
}

/// The place that a request is for; nothing when it is not for a route.
pub(in crate::edge) fn find(request: &Request<Body>, origin: Option<&RoutesOrigin>) -> Option<Result<Place, Problem>> {
    let path = request.uri().path();
    let below = path == PREFIX || path.starts_with("/x/");
    match origin {
        None => below.then(|| shared(request)),
        Some(origin) => {
            // Whoever names two hosts might mean either. One of them is enough to be kept away from the API.
            let mut named = hosts(request);
            if !named.any(|host| is_of(origin, &host)) {
                return None;
            }
            if hosts(request).any(|host| !is_of(origin, &host)) {
                return Some(Err(two_hosts()));
            }
            if origin.each {
                return Some(own(request, origin));
            }
            Some(if below { shared(request) } else { Err(not_found()) })
        }
    }
}

pub(super) fn not_found() -> Problem {
    Problem::bare(ErrorCode::RouteNotFound)
}

fn two_hosts() -> Problem {
    Problem::new(ErrorCode::RoutePath, "the request names two hosts")
}

/// Every host that the request names, in lower case and without its port.
fn hosts(request: &Request<Body>) -> impl Iterator<Item = String> {
    let fields = request.headers().get_all(header::HOST).iter();
    let fields = fields.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let target = request.uri().authority().map(ToString::to_string);
    target.into_iter().chain(fields).map(|name| host(&name).to_ascii_lowercase())
}

fn host(authority: &str) -> &str {
    let end = authority.rfind(']').map_or(0, |end| end + 1);
    authority[end..].find(':').map_or(authority, |colon| &authority[..end + colon])
}

fn is_of(origin: &RoutesOrigin, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    if origin.each {
        host.strip_suffix(&origin.host).is_some_and(|label| label.ends_with('.'))
    } else {
        host == origin.host
    }
}

/// The one authority of a request.
fn authority(request: &Request<Body>) -> Result<String, Problem> {
    let mut fields = request.headers().get_all(header::HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return Err(two_hosts());
    }
    let field = field
        .map(|value| value.to_str().map_err(|_| Problem::invalid("`Host` is not a host")))
        .transpose()?;
    let target = request.uri().authority().map(http::uri::Authority::as_str);
    let named = match (target, field) {
        (Some(target), Some(field)) if !target.eq_ignore_ascii_case(field) => return Err(two_hosts()),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => "localhost",
    };
    let parsed: Result<http::uri::Authority, _> = named.parse();
    match parsed {
        Ok(authority) if !authority.as_str().contains('@') => Ok(named.to_owned()),
        _ => Err(Problem::invalid("`Host` is not a host")),
    }
}

fn normal(request: &Request<Body>) -> Result<String, Problem> {
    route::normalise(request.uri().path()).map_err(|error| Problem::new(ErrorCode::RoutePath, error.to_string()))
}

/// `/x/{tenant}/{extension}/…` on a host that others share.
fn shared(request: &Request<Body>) -> Result<Place, Problem> {
    let authority = authority(request)?;
    let path = normal(request)?;
    let mut parts = path.splitn(5, '/').skip(2);
    let (Some(tenant), Some(extension)) = (parts.next(), parts.next().filter(|name| !name.is_empty())) else {
        return Err(not_found());
    };
    Ok(Place {
        base: Some(format!("{PREFIX}/{tenant}/{extension}")),
        path: format!("/{}", parts.next().unwrap_or_default()),
        tenant: tenant.to_owned(),
        extension: extension.to_owned(),
        authority,
    })
}

/// `{extension}--{tenant}.…`: neither name has two hyphens in a row.
fn own(request: &Request<Body>, origin: &RoutesOrigin) -> Result<Place, Problem> {
    let authority = authority(request)?;
    let path = normal(request)?;
    let name = host(&authority).to_ascii_lowercase();
    let name = name.strip_suffix('.').unwrap_or(&name);
    let label = name.strip_suffix(&origin.host).and_then(|label| label.strip_suffix('.'));
    let (extension, tenant) = label.and_then(|label| label.split_once("--")).ok_or_else(not_found)?;
    Ok(Place {
        tenant: tenant.to_owned(),
        extension: extension.to_owned(),
        path,
        base: None,
        authority,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(origin: Option<&str>, target: &str, host: &[&str]) -> String {
        let origin = origin.map(|text| RoutesOrigin::parse(text).unwrap());
        let mut request = Request::builder().uri(target);
        for host in host {
            request = request.header("host", *host);
        }
        match find(&request.body(Body::empty()).unwrap(), origin.as_ref()) {
            None => "api".to_owned(),
            Some(Err(problem)) => problem.code.to_string(),
            Some(Ok(place)) => format!(
                "{} {} {} at {}",
                place.tenant,
                place.extension,
                place.path,
                place.base.unwrap_or_default()
            ),
        }
    }

    #[test]
    fn on_one_host_the_prefix_decides() {
        for (target, wanted) in [
            ("/x/acme/notes/a/b?c=/../d", "acme notes /a/b at /x/acme/notes"),
            ("/x/acme/notes/", "acme notes / at /x/acme/notes"),
            ("/x/acme/notes", "acme notes / at /x/acme/notes"),
            ("/x/acme/n%6ftes/a%2db/", "acme notes /a-b/ at /x/acme/notes"),
            ("http://h/x/acme/notes/a", "acme notes /a at /x/acme/notes"),
            ("/x/acme", "route.not_found"),
            ("/x/acme/", "route.not_found"),
            ("/x", "route.not_found"),
            ("/x/", "route.not_found"),
            ("/x/../api/v1/keys", "route.path_invalid"),
            ("/x/acme/notes/../other/", "route.path_invalid"),
            ("/x/acme/notes/%2e%2e/other/", "route.path_invalid"),
            ("/x/acme/notes/..%2fother", "route.path_invalid"),
            ("/x/acme/notes//evil.example/", "route.path_invalid"),
            ("/x//acme/notes/", "route.path_invalid"),
            ("/x/acme/notes/a%00", "route.path_invalid"),
            ("/xyz", "api"),
            ("/X/acme/notes/", "api"),
            ("/%78/acme/notes/", "api"),
            ("//x/acme/notes/", "api"),
            ("/api/v1/tasks", "api"),
        ] {
            assert_eq!(found(None, target, &["h"]), wanted, "{target}");
        }
        for hosts in [&["h", "h"][..], &["a", "b"], &["user@h"], &["h/x"], &[""]] {
            let answer = found(None, "/x/acme/notes/", hosts);
            assert!(matches!(&*answer, "route.path_invalid" | "request.invalid"), "{hosts:?}: {answer}");
        }
        assert_eq!(found(None, "http://a/x/acme/notes/", &["b"]), "route.path_invalid");
    }

    #[test]
    fn a_host_for_routes_has_nothing_else_and_nothing_else_has_routes() {
        let one = Some("https://ext.example.com");
        for (target, host, wanted) in [
            ("/x/acme/notes/a", "ext.example.com", "acme notes /a at /x/acme/notes"),
            ("/x/acme/notes/a", "EXT.example.com:8443", "acme notes /a at /x/acme/notes"),
            ("/x/acme/notes/a", "ext.example.com.", "acme notes /a at /x/acme/notes"),
            ("/x/acme/notes/a", "example.com", "api"),
            ("/x/acme/notes/a", "a.ext.example.com", "api"),
            ("/api/v1/tasks", "ext.example.com", "route.not_found"),
            ("/", "ext.example.com", "route.not_found"),
            ("http://ext.example.com/api/v1/tasks", "example.com", "route.path_invalid"),
            ("http://example.com/api/v1/tasks", "ext.example.com", "route.path_invalid"),
        ] {
            assert_eq!(found(one, target, &[host]), wanted, "{target} {host}");
        }
        let each = Some("https://*.ext.example.com");
        for (target, host, wanted) in [
            ("/a", "notes--acme.ext.example.com", "acme notes /a at "),
            ("/x/acme/other/a", "notes--acme.ext.example.com", "acme notes /x/acme/other/a at "),
            ("/a", "my-notes--my-acme.ext.example.com:1", "my-acme my-notes /a at "),
            ("/a/../b", "notes--acme.ext.example.com", "route.path_invalid"),
            ("/a", "notes.ext.example.com", "route.not_found"),
            ("/a", "x.notes--acme.ext.example.com", "acme x.notes /a at "),
            ("/x/acme/notes/", "ext.example.com", "api"),
            ("/x/acme/notes/", "notext.example.com", "api"),
        ] {
            assert_eq!(found(each, target, &[host]), wanted, "{target} {host}");
        }
    }
}
