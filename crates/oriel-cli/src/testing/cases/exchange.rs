//! Recorded exchanges of a case.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::values::json;

/// One recorded exchange.
#[derive(Debug, Clone)]
pub(in crate::testing) struct Exchange {
    pub(in crate::testing) method: String,
    pub(in crate::testing) url: String,
    /// The body that the request must have.
    pub(in crate::testing) request_body: Option<Body>,
    /// Headers that the request must have, names in lower case.
    pub(in crate::testing) request_headers: BTreeMap<String, String>,
    pub(in crate::testing) status: u16,
    pub(in crate::testing) headers: BTreeMap<String, String>,
    pub(in crate::testing) body: Option<Body>,
    /// The connection breaks instead of answering.
    pub(in crate::testing) fails: bool,
    /// It need not happen.
    pub(in crate::testing) optional: bool,
}

/// A body: text as it is, anything else as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::testing) enum Body {
    Text(String),
    Json(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExchange {
    #[serde(default = "get")]
    method: String,
    url: String,
    request_body: Option<toml::Value>,
    #[serde(default)]
    request_headers: BTreeMap<String, String>,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<toml::Value>,
    #[serde(default)]
    fails: bool,
    #[serde(default)]
    optional: bool,
}

fn get() -> String {
    "GET".to_owned()
}

const fn ok() -> u16 {
    200
}

pub(super) fn exchange(raw: RawExchange) -> std::result::Result<Exchange, String> {
    let url = url::Url::parse(&raw.url).map_err(|error| format!("`{}` is not a URL: {error}", raw.url))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is neither http nor https", raw.url));
    }
    if !(200..=599).contains(&raw.status) {
        return Err(format!("{} is not the status of an answer", raw.status));
    }
    let lower = |headers: BTreeMap<String, String>| {
        headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect()
    };
    Ok(Exchange {
        method: raw.method.to_ascii_uppercase(),
        url: url.to_string(),
        request_body: raw.request_body.map(body).transpose()?,
        request_headers: lower(raw.request_headers),
        status: raw.status,
        headers: lower(raw.headers),
        body: raw.body.map(body).transpose()?,
        fails: raw.fails,
        optional: raw.optional,
    })
}

fn body(value: toml::Value) -> std::result::Result<Body, String> {
    Ok(match value {
        toml::Value::String(text) => Body::Text(text),
        other => Body::Json(json(other)?),
    })
}
