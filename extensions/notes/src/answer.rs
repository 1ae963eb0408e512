//! Responses.

use serde::Serialize;
use serde_json::json;
use wstd::http::{Body, Response, StatusCode};

use crate::note::Kept;

pub(crate) type Answer = Response<Body>;

/// Nobody keeps a copy: notes are for those who have a key.
fn begin(status: StatusCode, media_type: &str) -> wstd::http::response::Builder {
    Response::builder()
        .status(status)
        .header("content-type", media_type)
        .header("cache-control", "no-store")
        .header("x-content-type-options", "nosniff")
}

fn finish(builder: wstd::http::response::Builder, body: String) -> Answer {
    // Every header here is one that can be built.
    builder.body(body.into()).unwrap_or_else(|_| Response::new(Body::empty()))
}

pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    finish(begin(status, "application/json"), serde_json::to_string(value).unwrap_or_default())
}

/// A note with its entity tag.
pub(crate) fn note(status: StatusCode, kept: &Kept, location: Option<String>) -> Answer {
    let mut builder = begin(status, "application/json").header("etag", tag(kept.version));
    if let Some(location) = location {
        builder = builder.header("location", location);
    }
    finish(builder, serde_json::to_string(&kept.note).unwrap_or_default())
}

pub(crate) fn html(text: String) -> Answer {
    let policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    finish(
        begin(StatusCode::OK, "text/html; charset=utf-8").header("content-security-policy", policy),
        text,
    )
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// Nothing but that the client's copy is the newest.
pub(crate) fn not_modified(version: u64) -> Answer {
    finish(
        Response::builder().status(StatusCode::NOT_MODIFIED).header("etag", tag(version)),
        String::new(),
    )
}

/// A problem of RFC 9457.
pub(crate) fn problem(status: StatusCode, detail: &str) -> Answer {
    let body = json!({ "title": status.canonical_reason().unwrap_or("Error"), "status": status.as_u16(), "detail": detail });
    finish(begin(status, "application/problem+json"), body.to_string())
}

pub(crate) fn not_allowed(allowed: &str) -> Answer {
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, &format!("allowed are {allowed}"));
    if let Ok(value) = allowed.parse() {
        answer.headers_mut().insert("allow", value);
    }
    answer
}

/// A strong entity tag: the version of the note's entry.
pub(crate) fn tag(version: u64) -> String {
    format!("\"{version}\"")
}
