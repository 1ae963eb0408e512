//! Outbound HTTP through `wasi:http`. Needs the host in `network` under `[permissions]`, and this crate's feature
//! `http`.
//!
//! ```ignore
//! let user: User = http::get("https://api.example.com/user").header("accept", "application/json").send()?.json()?;
//! ```
//!
//! Requests wait for their answer; a call has one thread. [`Error::Denied`] says that the grant does not cover the
//! host, [`Error::LimitExceeded`] that a limit was reached, [`Error::Unavailable`] that the other side failed.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::wasi::http::outgoing_handler::handle;
use crate::bindings::imports::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::imports::wasi::io::streams::StreamError;
use crate::error::{Error, Result};

/// `wasi:io` lets one write at most this much before it must be asked again.
const CHUNK: usize = 4096;

/// A GET request.
#[must_use]
pub fn get(url: &str) -> Request {
    request("GET", url)
}

/// A POST request.
#[must_use]
pub fn post(url: &str) -> Request {
    request("POST", url)
}

/// A request with any method.
#[must_use]
pub fn request(method: &str, url: &str) -> Request {
    Request {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Ok(None),
        timeout: None,
    }
}

/// A request that is being put together; [`Request::send`] sends it.
#[derive(Debug)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Result<Option<Vec<u8>>>,
    timeout: Option<Duration>,
}

impl Request {
    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_string()));
        self
    }

    /// Sends these bytes.
    #[must_use]
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Ok(Some(bytes.into()));
        self
    }

    /// Sends `value` as JSON.
    #[must_use]
    pub fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        self.body = serde_json::to_vec(value).map(Some).map_err(Error::from);
        if !self.headers.iter().any(|(name, _)| name == "content-type") {
            self.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        self
    }

    /// Gives up when connecting, the first byte, or the time between bytes takes longer.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it and reads the whole response.
    ///
    /// # Errors
    /// Whatever keeps a response from arriving; a response with an error status is a response.
    pub fn send(self) -> Result<Response> {
        let (scheme, authority, path) = split(&self.url)?;
        let body = self.body?;
        let fields = Fields::new();
        // Told beforehand: not every server takes a body whose length it learns at its end.
        if let Some(length) = body
            .as_ref()
            .map(Vec::len)
            .filter(|_| !self.headers.iter().any(|(name, _)| name == "content-length"))
        {
            fields
                .append("content-length", length.to_string().as_bytes())
                .map_err(|error| Error::internal(format_args!("header `content-length`: {error}")))?;
        }
        for (name, value) in &self.headers {
            fields
                .append(name, value.as_bytes())
                .map_err(|error| Error::internal(format_args!("header `{name}`: {error}")))?;
        }
        let request = OutgoingRequest::new(fields);
        let bad = |what: &str| Error::internal(format_args!("outbound HTTP: bad {what} in {} {}", self.method, self.url));
        request.set_method(&method(&self.method)).map_err(|()| bad("method"))?;
        request.set_scheme(Some(&scheme)).map_err(|()| bad("scheme"))?;
        request.set_authority(Some(authority)).map_err(|()| bad("host"))?;
        request.set_path_with_query(Some(&path)).map_err(|()| bad("path"))?;
        let options = self.timeout.map(|timeout| {
            let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
            let options = RequestOptions::new();
            // A host that does not know an option has a limit of its own.
            let _ = options.set_connect_timeout(Some(nanoseconds));
            let _ = options.set_first_byte_timeout(Some(nanoseconds));
            let _ = options.set_between_bytes_timeout(Some(nanoseconds));
            options
        });
        let outgoing = body.is_some().then(|| request.body()).transpose().map_err(|()| bad("body"))?;
        let future = handle(request, options).map_err(|error| failure(&error))?;
        if let (Some(outgoing), Some(bytes)) = (outgoing, body) {
            write(outgoing, &bytes);
        }
        future.subscribe().block();
        match future.get() {
            Some(Ok(Ok(response))) => read(&response),
            Some(Ok(Err(error))) => Err(failure(&error)),
            Some(Err(())) | None => Err(Error::internal("outbound HTTP: the host answered twice or not at all")),
        }
    }
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// Header names, in lower case, and values, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status is 200 to 299.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON or does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::unavailable(format_args!("outbound HTTP: response: {error}")))
    }

    /// Itself, unless the status is 400 or above.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the status.
    pub fn error_for_status(self) -> Result<Self> {
        if self.status >= 400 {
            return Err(Error::unavailable(format_args!("outbound HTTP: status {}", self.status)));
        }
        Ok(self)
    }
}

fn split(url: &str) -> Result<(Scheme, &str, String)> {
    let bad = || Error::internal(format_args!("not an http(s) URL: {url}"));
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err(bad()),
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.is_empty() {
        return Err(bad());
    }
    let path = if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    };
    Ok((scheme, authority, path))
}

fn method(name: &str) -> Method {
    match name.to_ascii_uppercase().as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        _ => Method::Other(name.to_owned()),
    }
}

/// Nobody takes the body of a request that was refused or answered early. The response says which, so that what
/// goes wrong here is not told.
fn write(body: OutgoingBody, bytes: &[u8]) {
    let Ok(stream) = body.write() else { return };
    let written = bytes.chunks(CHUNK).all(|chunk| stream.blocking_write_and_flush(chunk).is_ok());
    drop(stream);
    if written {
        let _ = OutgoingBody::finish(body, None);
    }
}

fn read(response: &IncomingResponse) -> Result<Response> {
    let broken = || Error::unavailable("outbound HTTP: the response broke off");
    let headers = response.headers().entries();
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let incoming = response.consume().map_err(|()| broken())?;
    let mut body = Vec::new();
    {
        let stream = incoming.stream().map_err(|()| broken())?;
        loop {
            match stream.blocking_read(64 * 1024) {
                Ok(chunk) => body.extend_from_slice(&chunk),
                Err(StreamError::Closed) => break,
                Err(StreamError::LastOperationFailed(error)) => {
                    return Err(Error::unavailable(format_args!("outbound HTTP: {}", error.to_debug_string())));
                }
            }
        }
    }
    Ok(Response {
        status: response.status(),
        headers,
        body,
    })
}

fn failure(error: &ErrorCode) -> Error {
    let text = format!("outbound HTTP: {error:?}");
    match error {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::Denied(text),
        ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::ConnectionLimitReached => Error::LimitExceeded(text),
        // wasi:http has no code for the number of requests of a call.
        ErrorCode::InternalError(Some(words)) if words.starts_with("http_requests") => Error::LimitExceeded(text),
        _ => Error::Unavailable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let check = |url: &str, wanted: &str| {
            let parts = split(url).map(|(scheme, authority, path)| format!("{scheme:?} {authority} {path}"));
            assert_eq!(parts.unwrap_or_else(|error| error.to_string()), wanted);
        };
        check("https://api.example.com", "Scheme::Https api.example.com /");
        check("http://[::1]:8080/a/b?c=d#e", "Scheme::Http [::1]:8080 /a/b?c=d");
        check("https://api.example.com?q=/x", "Scheme::Https api.example.com /?q=/x");
        check("https://api.example.com#/x", "Scheme::Https api.example.com /");
        for url in ["ftp://api.example.com/", "https:///path", "api.example.com", "https:/x", ""] {
            check(url, &format!("not an http(s) URL: {url}"));
        }
    }
}
