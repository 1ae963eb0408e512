//! Notes as a REST API and a page. What it is not: a place for files; a note is a title and a text.

mod answer;
mod html;
mod note;

use std::time::{SystemTime, UNIX_EPOCH};

use oriel_extension::{Error, config, log};
use serde::Deserialize;
use serde_json::{Value, json};
use wstd::http::{Body, HeaderMap, Method, Request, Response, StatusCode};

use crate::answer::{Answer, empty, not_allowed, not_modified, problem, tag};
use crate::note::{Draft, Found, Kept};

/// How many notes the page shows.
const SHOWN: usize = 100;
/// How many of a page of the list.
const USUAL_LIMIT: u32 = 50;
const MOST_LIMIT: u32 = 100;
/// How often a write without a condition is tried again when somebody else was faster.
const TRIES: u32 = 5;

#[derive(Deserialize)]
struct Settings {
    title: Option<String>,
}

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, wstd::http::Error> {
    Ok(answer(request).await.unwrap_or_else(|error| failed(&error)))
}

fn failed(error: &Error) -> Answer {
    log::error!("the request failed", reason = error);
    match error {
        Error::Denied(_) => problem(StatusCode::FORBIDDEN, "the extension may not use its store"),
        Error::LimitExceeded(_) => problem(StatusCode::INSUFFICIENT_STORAGE, "the store is full"),
        Error::InvalidInput(message) => problem(StatusCode::BAD_REQUEST, message),
        Error::DeadlineExceeded | Error::Unavailable(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "try again later"),
        _ => problem(StatusCode::INTERNAL_SERVER_ERROR, "the log says more"),
    }
}

async fn answer(request: Request<Body>) -> Result<Answer, Error> {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let base = header(&head.headers, "x-oriel-base").unwrap_or_default().to_owned();
    match path.trim_end_matches('/') {
        "" => page(&head.method, &base),
        "/notes" => match head.method {
            Method::GET | Method::HEAD => list(head.uri.query().unwrap_or_default()),
            Method::POST => match draft(&head.headers, &mut body).await {
                Ok(draft) => create(draft, &base),
                Err(answer) => Ok(answer),
            },
            _ => Ok(not_allowed("GET, HEAD, POST")),
        },
        other => {
            let id = other.strip_prefix("/notes/").filter(|id| note::is_id(id));
            let Some(id) = id else {
                return Ok(problem(StatusCode::NOT_FOUND, "there is nothing here"));
            };
            match head.method {
                Method::GET | Method::HEAD => read(id, &head.headers),
                Method::PUT => match draft(&head.headers, &mut body).await {
                    Ok(draft) => replace(id, draft, &head.headers, &base),
                    Err(answer) => Ok(answer),
                },
                Method::DELETE => delete(id, &head.headers),
                _ => Ok(not_allowed("GET, HEAD, PUT, DELETE")),
            }
        }
    }
}

/// The note that a client sends, or what is wrong with it.
async fn draft(headers: &HeaderMap, body: &mut Body) -> Result<Draft, Answer> {
    let media_type = header(headers, "content-type").unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let bytes = body
        .contents()
        .await
        .map_err(|_| problem(StatusCode::BAD_REQUEST, "the body broke off"))?;
    let draft: Draft = serde_json::from_slice(bytes).map_err(|error| problem(StatusCode::BAD_REQUEST, &error.to_string()))?;
    match draft.problem() {
        Some(words) => Err(problem(StatusCode::UNPROCESSABLE_ENTITY, &words)),
        None => Ok(draft),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An id that sorts by time and cannot be guessed: milliseconds and 80 random bits.
fn new_id(now: u64) -> String {
    let mut bytes = [0; 10];
    wstd::rand::get_random_bytes(&mut bytes);
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{now:012x}-{random}")
}

fn page(method: &Method, base: &str) -> Result<Answer, Error> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Ok(not_allowed("GET, HEAD"));
    }
    let Settings { title } = config::get()?;
    // The newest have the greatest ids: the last pages of the list.
    let (mut notes, mut cursor) = (Vec::new(), None);
    let mut more = false;
    loop {
        let (found, next) = note::page(MOST_LIMIT, cursor.as_deref())?;
        notes.extend(found);
        if notes.len() > SHOWN {
            more = true;
            notes.drain(..notes.len() - SHOWN);
        }
        match next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    notes.reverse();
    Ok(answer::html(html::page(title.as_deref().unwrap_or("Notes"), base, &notes, more)))
}

fn list(query: &str) -> Result<Answer, Error> {
    let (mut limit, mut cursor) = (USUAL_LIMIT, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("limit", value) => match value.parse() {
                Ok(value) if (1..=MOST_LIMIT).contains(&value) => limit = value,
                _ => return Ok(problem(StatusCode::BAD_REQUEST, &format!("`limit` is 1 to {MOST_LIMIT}"))),
            },
            ("cursor", value) => cursor = Some(decoded(value)),
            (name, _) => {
                return Ok(problem(
                    StatusCode::BAD_REQUEST,
                    &format!("there is no parameter `{}`", name.escape_default()),
                ));
            }
        }
    }
    let (notes, next) = note::page(limit, cursor.as_deref())?;
    let items: Vec<Value> = notes
        .iter()
        .map(|Kept { note, version }| json!({ "id": note.id, "title": note.title, "updatedMs": note.updated_ms, "etag": tag(*version) }))
        .collect();
    Ok(answer::json(StatusCode::OK, &json!({ "items": items, "nextCursor": next })))
}

/// A query's value without its percent signs; what is none stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or_default() << 4 | hex(*low).unwrap_or_default());
                rest = after;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn create(draft: Draft, base: &str) -> Result<Answer, Error> {
    let now = now();
    let note = draft.into_note(&new_id(now), now, now);
    match note::write(&note, None)? {
        Some(version) => {
            let location = format!("{base}/notes/{}", note.id);
            Ok(answer::note(StatusCode::CREATED, &Kept { note, version }, Some(location)))
        }
        None => Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "try again")),
    }
}

fn read(id: &str, headers: &HeaderMap) -> Result<Answer, Error> {
    let Found::Note(kept) = note::find(id)? else { return Ok(gone()) };
    if header(headers, "if-none-match").is_some_and(|wanted| matches(wanted, kept.version, true)) {
        return Ok(not_modified(kept.version));
    }
    Ok(answer::note(StatusCode::OK, &kept, None))
}

fn gone() -> Answer {
    problem(StatusCode::NOT_FOUND, "there is no such note")
}

/// Whether a list of entity tags (RFC 9110, 13.1) names this version; `weak` compares without regard to `W/`.
fn matches(list: &str, version: u64, weak: bool) -> bool {
    let own = tag(version);
    list.trim() == "*"
        || list
            .split(',')
            .map(str::trim)
            .any(|tag| tag == own || weak && tag.strip_prefix("W/") == Some(&own))
}

/// Whether the client's conditions hold for what is there; otherwise the answer.
fn conditions(headers: &HeaderMap, there: Option<u64>) -> Option<Answer> {
    let failed = |words| Some(problem(StatusCode::PRECONDITION_FAILED, words));
    if let Some(wanted) = header(headers, "if-match")
        && !there.is_some_and(|version| matches(wanted, version, false))
    {
        return failed("somebody has changed the note: read it again");
    }
    if let Some(unwanted) = header(headers, "if-none-match")
        && there.is_some_and(|version| matches(unwanted, version, true))
    {
        return failed("there is a note already");
    }
    None
}

fn replace(id: &str, draft: Draft, headers: &HeaderMap, base: &str) -> Result<Answer, Error> {
    let now = now();
    let (mut note, mut tries) = (draft.into_note(id, now, now), 0);
    loop {
        let found = note::find(id)?;
        let (there, expected) = match &found {
            Found::Note(kept) => (Some(kept.version), Some(kept.version)),
            Found::Nothing(mark) => (None, *mark),
        };
        if let Some(answer) = conditions(headers, there) {
            return Ok(answer);
        }
        note.created_ms = if let Found::Note(kept) = &found {
            kept.note.created_ms
        } else {
            now
        };
        note.updated_ms = now.max(note.created_ms);
        if let Some(version) = note::write(&note, expected)? {
            let (status, location) = match there {
                Some(_) => (StatusCode::OK, None),
                None => (StatusCode::CREATED, Some(format!("{base}/notes/{id}"))),
            };
            return Ok(answer::note(status, &Kept { note, version }, location));
        }
        // Somebody was faster: the conditions are looked at again.
        tries += 1;
        if tries == TRIES {
            return Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "too many write at once: try again"));
        }
    }
}

fn delete(id: &str, headers: &HeaderMap) -> Result<Answer, Error> {
    for _ in 0..TRIES {
        let there = match note::find(id)? {
            Found::Note(kept) => Some(kept.version),
            Found::Nothing(_) => None,
        };
        if let Some(answer) = conditions(headers, there) {
            return Ok(answer);
        }
        let Some(version) = there else { return Ok(gone()) };
        if note::delete(id, version)? {
            return Ok(empty(StatusCode::NO_CONTENT));
        }
    }
    Ok(problem(StatusCode::SERVICE_UNAVAILABLE, "too many write at once: try again"))
}
