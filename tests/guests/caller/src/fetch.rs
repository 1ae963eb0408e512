//! One request with headers and a body, and what came back.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, Method, OutgoingBody, OutgoingRequest, Scheme};

pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub body: String,
}

pub fn send(url: &str, headers: &[(String, String)], body: &str) -> Result<Answer, String> {
    exchange(url, headers, body).map_err(|error| format!("{error:?}"))
}

fn exchange(url: &str, headers: &[(String, String)], body: &str) -> Result<Answer, ErrorCode> {
    let fields = Fields::new();
    for (name, value) in headers {
        if let Err(error) = fields.append(name, value.as_bytes()) {
            return Err(ErrorCode::InternalError(Some(format!("{error:?}"))));
        }
    }
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let request = OutgoingRequest::new(fields);
    let _ = request.set_method(if body.is_empty() { &Method::Get } else { &Method::Post });
    let _ = request.set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http }));
    let _ = request.set_authority(Some(authority));
    let _ = request.set_path_with_query(Some(if path.is_empty() { "/" } else { path }));
    let sent = request.body().expect("it is taken once");
    let future = handle(request, None)?;
    if !body.is_empty() {
        let stream = sent.write().expect("it is written once");
        let _ = stream.blocking_write_and_flush(body.as_bytes());
    }
    OutgoingBody::finish(sent, None)?;
    future.subscribe().block();
    let response = future.get().expect("it is ready").expect("it is taken once")?;
    let status = response.status();
    let location = response.headers().get("location").into_iter().next();
    let location = location.map(|value| String::from_utf8_lossy(&value).into_owned());
    let incoming = response.consume().expect("it is consumed once");
    let stream = incoming.stream().expect("it is read once");
    let mut bytes = Vec::new();
    while let Ok(chunk) = stream.blocking_read(1 << 16) {
        bytes.extend(chunk);
    }
    let body = String::from_utf8_lossy(&bytes).into_owned();
    Ok(Answer { status, location, body })
}
