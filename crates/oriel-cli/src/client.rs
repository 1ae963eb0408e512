//! A small client of the server's API.
//!
//! It retries only what is safe to send twice (reads, and changes that carry an idempotency key), reports problem
//! details as [`Failure`]s with their code, and tells a server of ours from whatever else may answer at an address.

mod reply;
mod sse;

use std::time::Duration;

use bytes::Bytes;
use oriel_model::ErrorCode;
use oriel_model::id::next_ulid;
use oriel_model::time::{Clock as _, SystemClock};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Response};
use serde_json::Value;
use url::Url;

pub(crate) use self::sse::Events;
use crate::error::{Failure, Result};
use crate::settings::{Connection, Secret};

/// Media type of a package.
pub(crate) const PACKAGE: &str = "application/vnd.oriel.package";
/// Media type of JSON.
pub(crate) const JSON: &str = "application/json";
/// Media type of newline-delimited JSON.
pub(crate) const NDJSON: &str = "application/x-ndjson";
/// Media type of server-sent events.
pub(crate) const EVENTS: &str = "text/event-stream";

/// Attempts in all, for requests that may be sent again.
const ATTEMPTS: u32 = 4;
/// Pause before the first repetition; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(150);
/// The longest pause that a server may ask for with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A connection to one server. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    server: Url,
    key: Option<Secret>,
    http: reqwest::Client,
}

impl Client {
    /// A client of this server with this key.
    pub(crate) fn new(connection: &Connection) -> Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent(concat!("oriel-cli/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            // A redirect would turn a POST into a GET, or carry the key elsewhere: say where it points instead.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Failure::new(ErrorCode::Internal, format!("the HTTP client cannot be set up: {error}")))?;
        Ok(Self {
            server: connection.server.clone(),
            key: connection.key.clone(),
            http,
        })
    }

    /// The server's address.
    pub(crate) fn server(&self) -> &Url {
        &self.server
    }

    /// A request to `/api/v1/` and these path segments, each escaped as needed.
    pub(crate) fn request(&self, method: Method, segments: &[&str]) -> Call<'_> {
        let mut url = self.server.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        Call {
            client: self,
            method,
            url,
            body: None,
            accept: JSON,
            timeout: None,
            if_match: None,
            idempotent: true,
        }
    }

    /// A GET.
    pub(crate) fn get(&self, segments: &[&str]) -> Call<'_> {
        self.request(Method::GET, segments)
    }

    /// A POST.
    pub(crate) fn post(&self, segments: &[&str]) -> Call<'_> {
        self.request(Method::POST, segments)
    }

    /// A DELETE.
    pub(crate) fn delete(&self, segments: &[&str]) -> Call<'_> {
        self.request(Method::DELETE, segments)
    }

    /// Every item of a list, page after page, at most `limit` of them.
    pub(crate) async fn list(&self, segments: &[&str], query: &[(&str, String)], limit: usize) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut call = self.get(segments).query("limit", (limit - items.len()).min(PAGE));
            for (name, value) in query {
                call = call.query(name, value);
            }
            if let Some(cursor) = &cursor {
                call = call.query("cursor", cursor);
            }
            let page: oriel_model::page::Page<Value> = call.send().await?;
            items.extend(page.items);
            items.truncate(limit);
            match page.next_cursor {
                // A server that hands out the same cursor again would keep us here for ever.
                Some(next) if items.len() < limit && cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => return Ok(items),
            }
        }
    }
}

/// Items asked for at once when a list is read whole.
const PAGE: usize = 200;

/// One request being put together.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    client: &'a Client,
    method: Method,
    url: Url,
    body: Option<(Bytes, &'static str)>,
    accept: &'static str,
    timeout: Option<Duration>,
    if_match: Option<String>,
    idempotent: bool,
}

impl Call<'_> {
    /// Adds a query parameter.
    pub(crate) fn query(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.url.query_pairs_mut().append_pair(name, &value.to_string());
        self
    }

    /// Sends a JSON document.
    pub(crate) fn json(self, value: &Value) -> Self {
        self.body(value.to_string(), JSON)
    }

    /// Sends these bytes.
    pub(crate) fn body(mut self, bytes: impl Into<Bytes>, media_type: &'static str) -> Self {
        self.body = Some((bytes.into(), media_type));
        self
    }

    /// Asks for this media type.
    pub(crate) fn accept(mut self, media_type: &'static str) -> Self {
        self.accept = media_type;
        self
    }

    /// Sends the change only if the resource still has this revision.
    pub(crate) fn if_match(mut self, revision: u64) -> Self {
        self.if_match = Some(format!("\"{revision}\""));
        self
    }

    /// Gives up after so long.
    pub(crate) fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it once only.
    pub(crate) fn once(mut self) -> Self {
        self.idempotent = false;
        self
    }

    /// Sends it and reads the JSON answer.
    pub(crate) async fn send<T: serde::de::DeserializeOwned>(self) -> Result<T> {
        let server = self.client.server.clone();
        let response = self.response().await?;
        reply::json(&server, response).await
    }

    /// Sends it and forgets what is answered, as long as it is a success.
    pub(crate) async fn done(self) -> Result<()> {
        self.response().await.map(drop)
    }

    /// Sends it and answers the successful response with its body still to be read.
    pub(crate) async fn response(self) -> Result<Response> {
        let again = self.idempotent;
        let key = (again && self.method == Method::POST).then(|| format!("cli-{}", next_ulid(SystemClock.now())));
        let mut attempt = 1;
        loop {
            let sent = self.build(key.as_deref()).send().await;
            let last = !again || attempt == ATTEMPTS;
            let pause = FIRST_PAUSE * 2_u32.pow(attempt - 1);
            let pause = match sent {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let asked = reply::retry_after(&response);
                    let (failure, retry) = reply::failure(&self.client.server, response).await;
                    if last || !retry || asked.is_some_and(|asked| asked > LONGEST_PAUSE) {
                        return Err(failure);
                    }
                    asked.unwrap_or(pause)
                }
                Err(error) => {
                    // Nothing listens there, or the address is wrong: waiting does not help.
                    if last || error.is_connect() || error.is_builder() {
                        return Err(unreachable(&self.client.server, &error));
                    }
                    pause
                }
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Sends it once with a body that is made while it travels.
    pub(crate) async fn stream(self, body: reqwest::Body, media_type: &'static str) -> Result<Response> {
        let server = self.client.server.clone();
        let request = self.build(None).header(CONTENT_TYPE, media_type).body(body);
        let response = request.send().await.map_err(|error| unreachable(&server, &error))?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(reply::failure(&server, response).await.0)
        }
    }

    fn build(&self, idempotency_key: Option<&str>) -> reqwest::RequestBuilder {
        let mut request = self
            .client
            .http
            .request(self.method.clone(), self.url.clone())
            .header(ACCEPT, self.accept);
        if let Some(key) = &self.client.key
            && let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", key.reveal()))
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some((bytes, media_type)) = &self.body {
            request = request.header(CONTENT_TYPE, *media_type).body(bytes.clone());
        }
        if let Some(revision) = &self.if_match {
            request = request.header("if-match", revision);
        }
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(timeout) = self.timeout {
            request = request.timeout(timeout);
        }
        request
    }
}

/// The connection failed. The message names the innermost cause, which is the one that helps.
pub(crate) fn unreachable(server: &Url, error: &reqwest::Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    Failure::new(ErrorCode::ClientUnreachable, format!("no answer from {}: {cause}", shown(server)))
}

/// An address as people write it.
pub(crate) fn shown(server: &Url) -> &str {
    server.as_str().trim_end_matches('/')
}
