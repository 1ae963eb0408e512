//! Reading requests: each rejection is a problem that names what is wrong.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt as _;
use oriel_model::ErrorCode;
use oriel_model::access::Principal;
use oriel_model::page::PageRequest;
use serde::de::DeserializeOwned;
use std::sync::Arc;

use crate::app::App;
use crate::edge::{Call, too_large};
use crate::problem::Problem;
use crate::telemetry;

/// The deepest nesting of a JSON document.
pub(crate) const MAX_DEPTH: usize = 128;

/// Reads a whole body of at most `limit` bytes within `patience`.
pub(crate) async fn collect(mut body: Body, limit: u64, patience: Duration) -> Result<Bytes, Problem> {
    let read = async {
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        let mut length = 0u64;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Problem::new(ErrorCode::RequestInvalid, "the body ended early"))?;
            let Ok(data) = frame.into_data() else { continue };
            length += data.len() as u64;
            if length > limit {
                return Err(too_large(limit));
            }
            // Most bodies come in one piece, which is then not copied.
            match &first {
                None if rest.is_empty() => first = Some(data),
                _ => {
                    if let Some(first) = first.take() {
                        rest.extend_from_slice(&first);
                    }
                    rest.extend_from_slice(&data);
                }
            }
        }
        Ok(first.unwrap_or_else(|| rest.freeze()))
    };
    match tokio::time::timeout(patience, read).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(
            ErrorCode::RequestTimeout,
            format!("the body did not arrive within {}", oriel_model::limits::TimeSpan(patience)),
        )),
    }
}

/// Refuses a document that nests deeper than [`MAX_DEPTH`]. Looks at brackets outside of strings only; whether they
/// match is the parser's business.
pub(crate) fn check_depth(json: &[u8]) -> Result<(), Problem> {
    // Each level takes two bytes at least, so a short text cannot be too deep.
    if json.len() <= 2 * MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    let detail = format!("the document nests deeper than {MAX_DEPTH} levels");
                    return Err(Problem::new(ErrorCode::RequestJson, detail));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// A struct of named fields: serde would take them in their order from an array as well, which no schema says.
pub(crate) fn object<'de, D: serde::Deserializer<'de>, T: serde::de::DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let fields = <serde_json::Map<String, serde_json::Value> as serde::Deserialize>::deserialize(deserializer)?;
    T::deserialize(serde_json::Value::Object(fields)).map_err(serde::de::Error::custom)
}

/// Reads a JSON document into `T`. Syntax errors are `request.json`; documents of the wrong form `request.invalid`.
pub(crate) fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, Problem> {
    check_depth(json)?;
    serde_json::from_slice(json).map_err(|error| {
        let code = match error.classify() {
            serde_json::error::Category::Data => ErrorCode::RequestInvalid,
            _ => ErrorCode::RequestJson,
        };
        let empty = json.iter().all(u8::is_ascii_whitespace);
        let detail = if empty {
            "the body is empty; a JSON document is needed".to_owned()
        } else {
            error.to_string()
        };
        Problem::new(if empty { ErrorCode::RequestJson } else { code }, detail)
    })
}

/// As [`parse`], off the runtime's own threads when it takes long.
pub(crate) async fn parse_large<T: DeserializeOwned + Send + 'static>(json: Bytes) -> Result<T, Problem> {
    /// Less than a millisecond's work.
    const SMALL: usize = 128 << 10;
    if json.len() <= SMALL {
        return parse(&json);
    }
    tokio::task::spawn_blocking(move || parse(&json))
        .await
        .unwrap_or_else(|_| Err(Problem::bare(ErrorCode::Internal)))
}

/// Whether the body says that it is one of `types`.
pub(crate) fn check_media_type(headers: &HeaderMap, types: &[&str]) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let media = given.map(|given| given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let json_like = types.contains(&"application/json");
    match &media {
        Some(media) if types.contains(&media.as_str()) => Ok(()),
        Some(media) if json_like && media.starts_with("application/") && media.ends_with("+json") => Ok(()),
        _ => Err(Problem::new(
            ErrorCode::RequestMediaType,
            format!(
                "`Content-Type` is {}; it should be {}",
                given.unwrap_or("missing"),
                types.join(" or ")
            ),
        )),
    }
}

/// The caller, on operations that need a key.
pub(crate) struct Caller(pub Arc<Principal>);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Call>().and_then(|call| call.principal.clone());
        principal.map(Self).ok_or_else(|| Problem::bare(ErrorCode::Unauthenticated))
    }
}

/// The trace context that a call passes on, as a header field.
pub(crate) struct Traceparent(pub Option<String>);

impl FromRequestParts<Arc<App>> for Traceparent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self(telemetry::traceparent(&parts.headers)))
    }
}

/// A whole number. JSON knows one kind of number, so `1000.0` is one too: some languages write it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub u64);

impl<'de> serde::Deserialize<'de> for Whole {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Whole;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked: whole, and from 0 to 2^53, up to where each whole number has a form of its own"
            )]
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Whole, E> {
                if number.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&number) {
                    return Ok(Whole(number as u64));
                }
                Err(E::invalid_value(serde::de::Unexpected::Float(number), &self))
            }
        }
        deserializer.deserialize_u64(Visitor)
    }
}

/// The bytes of a JSON body.
pub(crate) struct JsonBytes(pub Bytes);

impl FromRequest<Arc<App>> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        check_media_type(request.headers(), &["application/json"])?;
        whole(request, app).await.map(Self)
    }
}

/// A JSON body.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, app).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out or be `null`.
pub(crate) struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = whole(request, app).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        check_media_type(&headers, &["application/json"])?;
        parse(&bytes).map(Self)
    }
}

/// The bytes of a package.
pub(crate) struct Package(pub Bytes);

impl FromRequest<Arc<App>> for Package {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        check_media_type(request.headers(), &["application/vnd.oriel.package", "application/octet-stream"])?;
        whole(request, app).await.map(Self)
    }
}

async fn whole(request: Request, app: &App) -> Result<Bytes, Problem> {
    let limit = request
        .extensions()
        .get::<Call>()
        .map_or(0, |call| call.operation.max_body(&app.config));
    collect(request.into_body(), limit, app.config.body_timeout.0).await
}

/// Parameters of the path.
pub(crate) struct Params<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, app).await {
            Ok(Path(params)) => Ok(Self(params)),
            Err(error) => Err(Problem::invalid(error.body_text())),
        }
    }
}

/// Parameters of the query. Unknown and repeated ones are refused.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        axum::extract::Query::<T>::try_from_uri(&parts.uri)
            .map(|query| Self(query.0))
            .map_err(|error| Problem::invalid(error.body_text()))
    }
}

/// The page that `limit` and `cursor` ask for.
pub(crate) fn page(limit: Option<u32>, cursor: Option<String>) -> Result<PageRequest, Problem> {
    let limit = limit.unwrap_or(PageRequest::DEFAULT_LIMIT);
    if !(1..=PageRequest::MAX_LIMIT).contains(&limit) {
        return Err(Problem::invalid(format!("`limit` must be from 1 to {}", PageRequest::MAX_LIMIT)));
    }
    if cursor.as_ref().is_some_and(|cursor| cursor.is_empty() || cursor.len() > 1_000) {
        return Err(Problem::bare(ErrorCode::RequestCursor));
    }
    Ok(PageRequest { limit, cursor })
}

/// The revision that `If-Match` names; nothing without the header and for `*`.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    // A tag that this server never gave out cannot match, which is what the header asks about.
    revision(text)
        .map(Some)
        .ok_or_else(|| Problem::new(ErrorCode::PreconditionFailed, "`If-Match` names no revision of this resource"))
}

fn revision(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A JSON reply with its ETag; 304 when the client has this revision.
pub(crate) fn tagged(headers: &HeaderMap, revision: u64, value: &impl serde::Serialize) -> Result<Response, Problem> {
    let tag = format!("\"{revision}\"");
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let unchanged = known.is_some_and(|known| {
        known
            .split(',')
            .any(|one| matches!(one.trim().trim_start_matches("W/"), t if t == tag || t == "*"))
    });
    let mut response = if unchanged {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = http::StatusCode::NOT_MODIFIED;
        response
    } else {
        json(http::StatusCode::OK, value)?
    };
    let tag = HeaderValue::from_str(&tag).expect("digits in quotes are a header value");
    response.headers_mut().insert(header::ETAG, tag);
    // Whoever keeps the reply asks before using it again.
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// A JSON reply.
pub(crate) fn json(status: http::StatusCode, value: &impl serde::Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_vec(value).map_err(|error| {
        let mut problem = Problem::bare(ErrorCode::Internal);
        problem.cause = Some(error.to_string().into());
        problem
    })?;
    Ok(json_bytes(status, body))
}

/// A JSON reply that is written already.
pub(crate) fn json_bytes(status: http::StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check_depth(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(check_depth(nested(MAX_DEPTH + 1).as_bytes()).is_err());
        let in_string = format!("[\"{}\\\"[[[\"]", "[".repeat(1_000));
        assert!(check_depth(in_string.as_bytes()).is_ok());
        let wide = format!("[{}]", vec!["[{}]"; 1_000].join(","));
        assert!(check_depth(wide.as_bytes()).is_ok());
    }

    #[test]
    fn revisions_are_strong_tags_of_digits() {
        for (tag, expected) in [
            ("\"7\"", Some(7)),
            ("7", None),
            ("W/\"7\"", None),
            ("\"x\"", None),
            ("\"\"", None),
            ("\"-1\"", None),
        ] {
            assert_eq!(revision(tag), expected, "{tag}");
        }
    }
}
