//! Outbound HTTP in words: `200 5` is a status and the length of the body, anything else an error.

use wasip2::http::outgoing_handler::{FutureIncomingResponse, handle};
use wasip2::http::types::{ErrorCode, Fields, Method, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

fn send(url: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    send_with(Fields::new(), url)
}

fn send_with(fields: Fields, url: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(fields);
    let _ = request.set_method(&Method::Get);
    let _ = request.set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http }));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(if path.is_empty() { "/" } else { path }));
    handle(request, None)
}

fn receive(future: &FutureIncomingResponse) -> Result<String, ErrorCode> {
    future.subscribe().block();
    let response = future.get().expect("it is ready").expect("it is taken once")?;
    let status = response.status();
    let body = response.consume().expect("it is consumed once");
    let stream = body.stream().expect("it is read once");
    let mut length = 0;
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(chunk) => length += chunk.len(),
            Err(StreamError::Closed) => return Ok(format!("{status} {length}")),
            Err(StreamError::LastOperationFailed(error)) => {
                let code = wasip2::http::types::http_error_code(&error);
                return Ok(format!("{status} {length} then {code:?}"));
            }
        }
    }
}

fn words(answer: Result<String, ErrorCode>) -> String {
    answer.unwrap_or_else(|error| format!("{error:?}"))
}

/// One request.
pub fn get(url: &str) -> String {
    words(send(url).and_then(|future| receive(&future)))
}

/// One request with a header field of the guest's own.
pub fn get_with(name: &str, value: &str, url: &str) -> String {
    let fields = Fields::new();
    match fields.append(name, value.as_bytes()) {
        Ok(()) => words(send_with(fields, url).and_then(|future| receive(&future))),
        Err(error) => format!("{error:?}"),
    }
}

/// Requests that are all under way before the first answer is read.
pub fn get_at_once(count: usize, url: &str) -> String {
    let sent: Vec<_> = (0..count).map(|_| send(url)).collect();
    let answers: Vec<_> = sent
        .into_iter()
        .map(|future| words(future.and_then(|future| receive(&future))))
        .collect();
    answers.join(" | ")
}
