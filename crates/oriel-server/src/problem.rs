//! The one place where an error becomes an answer: RFC 9457 problem details.
//!
//! Handlers answer a [`Problem`]; it travels as an extension of an empty response until the edge, which knows the
//! request's id, writes it out with [`Problem::write`].

use std::fmt;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_model::id::ExecutionId;
use oriel_model::{Coded, ErrorCode};
use serde::Serialize;
use serde_json::Value;

/// The media type of every error.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub code: ErrorCode,
    pub detail: String,
    pub errors: Option<Box<Value>>,
    /// Methods of the path, for `Allow`.
    pub allow: Option<Box<HeaderValue>>,
    /// What else its reply carries.
    pub headers: Option<Box<HeaderMap>>,
    /// The execution that failed.
    pub execution: Option<Box<ExecutionId>>,
    /// When it is worth to ask again, where that is known.
    pub retry_after: Option<Duration>,
    /// The whole chain of errors, for the log only.
    pub cause: Option<Box<str>>,
}

/// What is sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where the error is explained, relative to the server.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors/task.not_found")]
    pub kind: String,
    /// The same for every error of this code.
    #[schema(example = "There is no such task in this tenant")]
    pub title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 404)]
    pub status: u16,
    /// What happened here, for people.
    pub detail: &'a str,
    /// Stable; match on this.
    #[schema(example = "task.not_found")]
    pub code: &'a str,
    /// Whose fault it is.
    #[schema(pattern = "^(caller|guest|host)$", example = "caller")]
    pub blame: &'a str,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// Also in the header `X-Request-Id`, in the log and in the trace.
    pub request_id: &'a str,
    /// The execution that failed; its record holds the same error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<ExecutionId>,
    /// Places in the request that the error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<ProblemPlace>>,
}

/// A place in a document that an error is about.
#[derive(Debug, Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProblemPlace {
    /// JSON pointer into the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line in the file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: None,
            allow: None,
            headers: None,
            execution: None,
            retry_after: None,
            cause: None,
        }
    }

    /// A problem without particulars.
    pub(crate) fn bare(code: ErrorCode) -> Self {
        Self::new(code, code.title())
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::RequestInvalid, detail)
    }

    /// The bytes of the body.
    pub(crate) fn body(&self, request_id: &str) -> Bytes {
        let code = self.code;
        let errors = self.errors.clone().and_then(|errors| serde_json::from_value(*errors).ok());
        let body = ProblemBody {
            kind: format!("/docs/errors/{code}"),
            title: code.title(),
            status: code.status(),
            detail: &self.detail,
            code: code.as_str(),
            blame: code.blame().as_str(),
            retryable: code.retryable(),
            request_id,
            execution_id: self.execution.as_deref().copied(),
            errors,
        };
        serde_json::to_vec(&body).unwrap_or_default().into()
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The whole answer.
    pub(crate) fn write(&self, request_id: &str) -> Response {
        let mut response = Response::new(self.body(request_id).into());
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if matches!(self.code.status(), 429 | 503) {
            let usual = if self.code == ErrorCode::ServerDraining { 5 } else { 1 };
            let seconds = self.retry_after.map_or(usual, |span| span.as_millis().div_ceil(1_000).max(1));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(u64::try_from(seconds).unwrap_or(u64::MAX)));
        }
        if self.code.status() == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"oriel\""));
        }
        for (name, value) in self.headers.iter().flat_map(|headers| headers.iter()) {
            headers.insert(name.clone(), value.clone());
        }
        if let Some(allow) = &self.allow {
            headers.insert(header::ALLOW, (**allow).clone());
        }
        response
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl<E: Coded> From<E> for Problem {
    fn from(error: E) -> Self {
        let code = error.code();
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            chain.push_str(": ");
            chain.push_str(&inner.to_string());
            source = inner.source();
        }
        let detail = if code == ErrorCode::Internal {
            // What went wrong inside is the operator's business: it is in the log, beside the request's id.
            code.title().to_owned()
        } else {
            error.to_string()
        };
        Self {
            errors: error.places().map(Box::new),
            retry_after: error.retry_after(),
            cause: Some(chain.into()),
            ..Self::new(code, detail)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}
