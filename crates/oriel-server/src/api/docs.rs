//! Pages for people: the rendered reference and one page for each error code.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use oriel_model::ErrorCode;
use utoipa_swagger_ui::Config;

use crate::extract::Params;
use crate::problem::Problem;

/// Nothing from elsewhere: the pages and all that they need come from this server.
const POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// To the reference.
pub(crate) async fn home() -> Response {
    redirect("/api/docs/")
}

/// With the slash that relative links need.
pub(crate) async fn reference_home() -> Response {
    redirect("/api/docs/")
}

/// The reference.
pub(crate) async fn reference_index() -> Result<Response, Problem> {
    file("index.html")
}

/// The files of the reference.
pub(crate) async fn reference(Params(path): Params<String>) -> Result<Response, Problem> {
    file(&path)
}

fn file(path: &str) -> Result<Response, Problem> {
    static CONFIG: OnceLock<Arc<Config<'static>>> = OnceLock::new();
    let config = CONFIG.get_or_init(|| {
        Arc::new(
            Config::from("/api/openapi.json")
                .persist_authorization(false)
                .try_it_out_enabled(false),
        )
    });
    let found = utoipa_swagger_ui::serve(path, config.clone()).ok().flatten();
    let found = found.ok_or_else(|| Problem::new(ErrorCode::RequestNotFound, "there is no such page"))?;
    page(StatusCode::OK, &found.content_type, found.bytes.into_owned())
}

/// Every error code.
pub(crate) async fn errors() -> Result<Response, Problem> {
    let mut html = String::from("<h1>Errors</h1><table>");
    for code in ErrorCode::ALL {
        let _ = write!(
            html,
            "<tr><td><a href=\"/docs/errors/{code}\">{code}</a><td>{}<td>{}",
            code.status(),
            escape(code.title())
        );
    }
    html.push_str("</table>");
    page(StatusCode::OK, "text/html; charset=utf-8", frame("Errors", &html))
}

/// One error code: what `type` of a problem points to.
pub(crate) async fn error(Params(text): Params<String>) -> Result<Response, Problem> {
    let code = ErrorCode::from_text(&text).ok_or_else(|| Problem::new(ErrorCode::RequestNotFound, "there is no such error code"))?;
    let html = format!(
        "<p><a href=\"/docs/errors\">Errors</a></p><h1>{}</h1><p><code>{code}</code> · HTTP {} · fault of the {} · {}</p>\
         <h2>Cause</h2><p>{}</p><h2>Cure</h2><p>{}</p>",
        escape(code.title()),
        code.status(),
        code.blame().as_str(),
        if code.retryable() {
            "a retry may help"
        } else {
            "a retry does not help"
        },
        escape(code.cause()),
        escape(code.cure()),
    );
    page(StatusCode::OK, "text/html; charset=utf-8", frame(code.as_str(), &html))
}

fn frame(title: &str, body: &str) -> Vec<u8> {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>{title} · Oriel</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}}td{{padding:.1rem .8rem .1rem 0;\
         vertical-align:top}}code{{background:#8882;padding:0 .2rem}}:root{{color-scheme:light dark}}</style><body>{body}"
    )
    .into_bytes()
}

/// Backquotes become code; everything else is text.
fn escape(text: &str) -> String {
    let safe = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut html = String::with_capacity(safe.len());
    for (at, part) in safe.split('`').enumerate() {
        if at > 0 {
            html.push_str(if at % 2 == 1 { "<code>" } else { "</code>" });
        }
        html.push_str(part);
    }
    html
}

fn page(status: StatusCode, content_type: &str, body: Vec<u8>) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(content_type).map_err(|_| Problem::bare(ErrorCode::Internal))?;
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}

fn redirect(to: &'static str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(to));
    response
}
