//! Making sense of what a server answers.

use std::time::Duration;

use oriel_model::ErrorCode;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{shown, unreachable};
use crate::error::{Failure, Result};

/// The longest error body that is read.
const MAX_PROBLEM: usize = 1 << 20;

/// Problem details (RFC 9457) as our servers send them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    code: String,
    #[serde(default)]
    title: String,
    status: Option<u16>,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    blame: String,
    #[serde(default)]
    retryable: bool,
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<Value>,
}

/// Reads a JSON answer.
pub(super) async fn json<T: serde::de::DeserializeOwned>(server: &Url, response: Response) -> Result<T> {
    let kind = media_type(&response);
    let bytes = response.bytes().await.map_err(|error| unreachable(server, &error))?;
    if !(kind == "application/json" || kind.ends_with("+json")) {
        return Err(not_oriel(server, &format!("it sent {} instead of JSON", describe(&kind))));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(
            ErrorCode::ClientNotOriel,
            format!("{} answered in a form that this `oriel` does not know: {error}", shown(server)),
        )
        .help("The server may be of another version; `oriel doctor` compares them.")
    })
}

/// Makes a failure of an unsuccessful response, and says whether trying again may help.
pub(super) async fn failure(server: &Url, mut response: Response) -> (Failure, bool) {
    let status = response.status();
    if status.is_redirection() {
        let target = response
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("another address");
        return (not_oriel(server, &format!("it redirects to {target}")), false);
    }
    let kind = media_type(&response);
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_PROBLEM {
            break;
        }
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(&body) else {
        // A gateway between us and the server speaks for itself.
        let gateway = matches!(status.as_u16(), 502..=504);
        return (
            not_oriel(server, &format!("it sent HTTP {status} with {}", describe(&kind))),
            gateway,
        );
    };
    // What a guest did not manage is not repeated on our own account: it may have had effects.
    let again = problem.retryable && problem.blame != "guest";
    (problem.into_failure(status.as_u16()), again)
}

/// Makes a failure of a problem that ends a stream.
pub(super) fn problem(server: &Url, body: &[u8]) -> Failure {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) => {
            let status = problem.status.unwrap_or(500);
            problem.into_failure(status)
        }
        Err(_) => not_oriel(server, "it ended its stream with a problem in another form"),
    }
}

impl Problem {
    fn into_failure(self, status: u16) -> Failure {
        let message = if self.detail.is_empty() { self.title } else { self.detail };
        Failure::reported(&self.code, status, message)
            .places(self.errors)
            .request_id(self.request_id)
    }
}

/// How long the server asks to wait, in its form of whole seconds.
pub(super) fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn media_type(response: &Response) -> String {
    let text = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn describe(kind: &str) -> String {
    match kind {
        "" => "no media type".to_owned(),
        "text/html" => "a web page".to_owned(),
        other => other.chars().take(60).collect(),
    }
}

fn not_oriel(server: &Url, what: &str) -> Failure {
    Failure::new(
        ErrorCode::ClientNotOriel,
        format!("{} does not answer like an Oriel server: {what}", shown(server)),
    )
}
