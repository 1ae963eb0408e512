//! Takes any request at a public address and shows what came. What it is not: an access log; it keeps the newest requests only, and for a
//! while.

mod html;
mod record;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use oriel_extension::{ConfigProblem, Error, Lifecycle, config, lifecycle, log};
use serde::Deserialize;
use serde_json::{Value, json};
use wstd::http::{Body, HeaderMap, Method, Request, Response, StatusCode};

use crate::record::{Kept, MOST_SLOTS, Record};

/// The longest path and header value that is kept.
const MOST_TEXT: usize = 2_000;

#[derive(Deserialize)]
struct Settings {
    #[serde(default = "usual_headers")]
    headers: Vec<String>,
    #[serde(default = "usual_bytes")]
    body_bytes: usize,
    #[serde(default = "hundred")]
    most: u64,
    #[serde(default = "day")]
    keep: String,
    #[serde(default = "no_content")]
    status: u16,
}

fn usual_headers() -> Vec<String> {
    ["content-type", "content-length", "user-agent", "accept"]
        .map(str::to_owned)
        .to_vec()
}

const fn usual_bytes() -> usize {
    4_096
}

const fn hundred() -> u64 {
    100
}

fn day() -> String {
    "1d".to_owned()
}

const fn no_content() -> u16 {
    204
}

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    Ok(answer(request).await.unwrap_or_else(|error| {
        log::error!("the request failed", reason = error);
        text(StatusCode::SERVICE_UNAVAILABLE, "the request cannot be kept now\n")
    }))
}

async fn answer(request: Request<Body>) -> Result<Response<Body>, Error> {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path();
    let below = |place: &str| path == place || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
    if below("/in") {
        let whole = head.uri.path_and_query().map_or(path, |whole| whole.as_str());
        return take(head.method.as_str(), whole, &head.headers, &mut body).await;
    }
    if path.trim_end_matches('/') != "/log" {
        return Ok(text(StatusCode::NOT_FOUND, "there is nothing here\n"));
    }
    match head.method {
        Method::GET | Method::HEAD => show(&head.headers, head.uri.query().unwrap_or_default()),
        Method::DELETE => {
            let count = record::forget()?;
            log::info!("forgotten", requests = count);
            Ok(finish(StatusCode::NO_CONTENT, None, String::new()))
        }
        _ => {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD or DELETE\n");
            answer
                .headers_mut()
                .insert("allow", wstd::http::HeaderValue::from_static("GET, HEAD, DELETE"));
            Ok(answer)
        }
    }
}

async fn take(method: &str, path: &str, headers: &HeaderMap, body: &mut Body) -> Result<Response<Body>, Error> {
    let settings: Settings = config::get()?;
    let Ok(bytes) = body.contents().await else {
        return Ok(text(StatusCode::BAD_REQUEST, "the body broke off\n"));
    };
    let wanted = settings.headers.iter().flat_map(|name| {
        let values = headers.get_all(name.to_ascii_lowercase()).into_iter();
        values.map(move |value| (name.to_ascii_lowercase(), cut(&String::from_utf8_lossy(value.as_bytes()))))
    });
    let record = Record {
        number: record::next_number()?,
        at_ms: now(),
        method: cut(method),
        path: cut(path),
        headers: wanted.collect(),
        body: Kept::of(bytes, settings.body_bytes),
        body_bytes: bytes.len(),
    };
    record::keep(&record, settings.most.clamp(1, MOST_SLOTS), duration(&settings.keep)?)?;
    let status = StatusCode::from_u16(settings.status).unwrap_or(StatusCode::NO_CONTENT);
    Ok(finish(status, None, String::new()))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn duration(text: &str) -> Result<Duration, Error> {
    let (amount, unit) = text.split_at(text.len().saturating_sub(1));
    let seconds = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(Error::internal(format_args!("`keep` has no unit: {text}"))),
    };
    Ok(Duration::from_secs(amount.parse::<u64>()? * seconds))
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// As JSON where that is asked for, in the query or by `Accept`.
fn show(headers: &HeaderMap, query: &str) -> Result<Response<Body>, Error> {
    let records = record::all()?;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = header("accept");
    if query.split('&').any(|pair| pair == "format=json") || accept.contains("application/json") && !accept.contains("text/html") {
        return Ok(finish(
            StatusCode::OK,
            Some("application/json"),
            json!({ "items": records }).to_string(),
        ));
    }
    Ok(finish(
        StatusCode::OK,
        Some("text/html; charset=utf-8"),
        html::page(header("x-oriel-base"), &records),
    ))
}

fn text(status: StatusCode, words: &str) -> Response<Body> {
    finish(status, Some("text/plain; charset=utf-8"), words.to_owned())
}

fn finish(status: StatusCode, media_type: Option<&str>, body: String) -> Response<Body> {
    let mut builder = Response::builder()
        .status(status)
        .header("cache-control", "no-store")
        .header("x-content-type-options", "nosniff")
        .header(
            "content-security-policy",
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        );
    if let Some(media_type) = media_type {
        builder = builder.header("content-type", media_type);
    }
    // Every header here is one that can be built.
    builder.body(body.into()).unwrap_or_else(|_| Response::new(Body::empty()))
}

struct App;

impl Lifecycle for App {
    /// A redirect would send whoever calls elsewhere, and needs an address that nobody has configured.
    fn check_config(config: Value) -> Vec<ConfigProblem> {
        let status = config["status"].as_u64().unwrap_or(204);
        if (300..400).contains(&status) {
            return vec![ConfigProblem::new("/status", "must be 2xx, 4xx or 5xx")];
        }
        Vec::new()
    }
}

lifecycle!(App);
