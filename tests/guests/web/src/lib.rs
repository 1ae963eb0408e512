//! A handler of `wasi:http` with one behaviour for each first segment of the path, good ones and bad ones. It uses nothing
//! of this platform.

use std::hint::black_box;

use wasip2::clocks::monotonic_clock;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{ErrorCode, Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam, Scheme};
use wasip2::io::streams::{OutputStream, StreamError};

struct Web;

wasip2::http::proxy::export!(Web);

/// A request taken apart.
struct Asked {
    request: IncomingRequest,
    /// The second segment of the path as a number, else 0.
    number: u64,
    query: String,
}

/// A response that has begun.
struct Answer {
    body: OutgoingBody,
    stream: OutputStream,
}

impl Answer {
    fn begin(out: ResponseOutparam, status: u16, fields: &[(&str, &[u8])]) -> Self {
        let fields: Vec<(String, Vec<u8>)> = fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())).collect();
        let response = OutgoingResponse::new(Fields::from_list(&fields).unwrap());
        response.set_status_code(status).unwrap();
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        Self { body, stream }
    }

    fn write(&self, bytes: &[u8]) {
        for piece in bytes.chunks(4096) {
            self.stream.blocking_write_and_flush(piece).unwrap();
        }
    }

    fn finish(self) {
        drop(self.stream);
        OutgoingBody::finish(self.body, None).unwrap();
    }
}

fn text(out: ResponseOutparam, status: u16, text: &str) {
    let answer = Answer::begin(out, status, &[("content-type", b"text/plain")]);
    answer.write(text.as_bytes());
    answer.finish();
}

/// Reads a body to its end; what it says of an error is all that there is.
fn read(body: &IncomingBody, mut with: impl FnMut(&[u8])) -> Result<(), String> {
    let stream = body.stream().unwrap();
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(bytes) => with(&bytes),
            Err(StreamError::Closed) => return Ok(()),
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(format!("{:?}", wasip2::http::types::http_error_code(&error)));
            }
        }
    }
}

/// What stands for a byte in an address.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            byte => out.push(byte),
        }
    }
    out
}

fn told(request: &IncomingRequest) -> String {
    let scheme = match request.scheme() {
        Some(Scheme::Http) => "http",
        Some(Scheme::Https) => "https",
        _ => "?",
    };
    let mut lines = vec![
        format!("method: {:?}", request.method()),
        format!("path: {}", request.path_with_query().unwrap_or_default()),
        format!("authority: {}", request.authority().unwrap_or_default()),
        format!("scheme: {scheme}"),
    ];
    let mut fields = request.headers().entries();
    fields.sort();
    lines.extend(
        fields
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value))),
    );
    lines.join("\n")
}

fn sleep(ms: u64) {
    monotonic_clock::subscribe_duration(ms * 1_000_000).block();
}

impl Guest for Web {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let address = request.path_with_query().unwrap_or_default();
        let (path, query) = address.split_once('?').unwrap_or((&address, ""));
        let mut segments = path.split('/').skip(1);
        let name = segments.next().unwrap_or_default().to_owned();
        let number = segments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
        let query = query.to_owned();
        let asked = Asked { request, number, query };
        match name.as_str() {
            // Ordinary work.
            "told" => text(out, 200, &told(&asked.request)),
            "echo" => {
                let body = asked.request.consume().unwrap();
                let answer = Answer::begin(out, 200, &[("content-type", b"application/octet-stream")]);
                read(&body, |bytes| answer.write(bytes)).unwrap();
                answer.finish();
            }
            "read" => {
                let mut length = 0;
                let ended = read(&asked.request.consume().unwrap(), |bytes| length += bytes.len());
                match ended {
                    Ok(()) => text(out, 200, &length.to_string()),
                    Err(error) => text(out, 400, &error),
                }
            }
            "status" => Answer::begin(out, u16::try_from(asked.number).unwrap(), &[]).finish(),
            "bodyless" => {
                let response = OutgoingResponse::new(Fields::new());
                ResponseOutparam::set(out, Ok(response));
            }
            "set" => {
                let pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
                let fields: Vec<(&str, Vec<u8>)> = pairs.map(|(name, value)| (name, decoded(value))).collect();
                let fields: Vec<(&str, &[u8])> = fields.iter().map(|(name, value)| (*name, &value[..])).collect();
                let answer = Answer::begin(out, 200, &fields);
                answer.write(b"set");
                answer.finish();
            }
            "events" => {
                let answer = Answer::begin(out, 200, &[("content-type", b"text/event-stream"), ("cache-control", b"no-cache")]);
                for number in 1..=asked.number {
                    answer.write(format!("id: {number}\ndata: tick\n\n").as_bytes());
                    sleep(5);
                }
                answer.finish();
            }
            "large" => {
                let answer = Answer::begin(out, 200, &[("content-length", asked.number.to_string().as_bytes())]);
                let piece = [b'x'; 4096];
                let mut left = usize::try_from(asked.number).unwrap();
                while left > 0 {
                    let length = left.min(piece.len());
                    answer.write(&piece[..length]);
                    left -= length;
                }
                answer.finish();
            }
            "after" => {
                text(out, 200, "answered");
                println!("and went on");
            }
            // No answer.
            "silent" => {}
            "refuse" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("the secret reason".to_owned())))),
            "trap" => panic!("the secret of the trap"),
            "never" => sleep(3_600_000),
            "spin" => {
                let mut turns = 0u64;
                loop {
                    turns = black_box(turns + 1);
                }
            }
            "greedy" => read(&asked.request.consume().unwrap(), |_| ()).unwrap(),
            "memory" => {
                let mut kept = Vec::new();
                loop {
                    kept.push(black_box(vec![1u8; 1 << 20]));
                }
            }
            "busy" => {
                for _ in 0..asked.number {
                    black_box(monotonic_clock::now());
                }
                text(out, 200, "busy");
            }
            // Answers that end badly.
            "trap-late" => {
                let answer = Answer::begin(out, 200, &[]);
                answer.write(b"so far");
                panic!("after the head");
            }
            "trap-after" => {
                text(out, 200, "complete");
                panic!("after the body");
            }
            "unfinished" => {
                let answer = Answer::begin(out, 200, &[]);
                answer.write(b"so far");
                drop(answer.stream);
                drop(answer.body);
            }
            "forgotten" => {
                let answer = Answer::begin(out, 200, &[]);
                answer.write(b"so far");
                std::mem::forget((answer.stream, answer.body));
            }
            "short" => {
                let answer = Answer::begin(out, 200, &[("content-length", b"10")]);
                answer.write(b"12345");
                drop(answer.stream);
                let _ = OutgoingBody::finish(answer.body, None);
            }
            "long" => {
                let answer = Answer::begin(out, 200, &[("content-length", b"5")]);
                let _ = answer.stream.blocking_write_and_flush(b"1234567890");
                drop(answer.stream);
                let _ = OutgoingBody::finish(answer.body, None);
            }
            "promised" => {
                let fields = Fields::from_list(&[("content-length".to_owned(), b"5".to_vec())]).unwrap();
                ResponseOutparam::set(out, Ok(OutgoingResponse::new(fields)));
            }
            "forever" => {
                let answer = Answer::begin(out, 200, &[]);
                loop {
                    answer.write(&[b'x'; 4096]);
                }
            }
            "stall" => {
                let answer = Answer::begin(out, 200, &[]);
                answer.write(b"so far");
                sleep(3_600_000);
            }
            "twice" => {
                let handle = out.handle();
                ResponseOutparam::set(out, Ok(OutgoingResponse::new(Fields::new())));
                // The handle is gone by now.
                let again = unsafe { ResponseOutparam::from_handle(handle) };
                ResponseOutparam::set(again, Ok(OutgoingResponse::new(Fields::new())));
            }
            // Heads that no client should be sent.
            "headers" => {
                let names: Vec<String> = (0..asked.number).map(|number| format!("x-field-{number}")).collect();
                let fields: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"value"[..])).collect();
                Answer::begin(out, 200, &fields).finish();
            }
            "bulky" => {
                let value = vec![b'v'; usize::try_from(asked.number).unwrap()];
                Answer::begin(out, 200, &[("x-bulk", &value)]).finish();
            }
            _ => text(out, 404, &format!("there is nothing at {path}")),
        }
    }
}
