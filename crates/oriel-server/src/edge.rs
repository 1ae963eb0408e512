//! What every request passes, in this order: its route and id, the limit of requests in flight, authentication, rate,
//! scope and policies, the announced length of its body, its idempotency key, its handler, and the writing out of problems.
//!
//! One plain function instead of a stack of layers: each layer of a stack would box a future and copy the request on the
//! path that has to be fast, and the order above would be spread over several files.

pub(crate) mod cookies;
mod idempotency;
mod limits;
mod mount;
mod routes;

use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use oriel_access::{Access, AccessError, Ask, AskTarget, Pass};
use oriel_model::access::{Principal, ResourceKind, Scope};
use oriel_model::collection;
use oriel_model::id::SessionId;
use oriel_model::time::{Clock as _, SystemClock};
use oriel_model::{Blame, ErrorCode};
use percent_encoding::percent_decode_str;
use tower::Service as _;
use tracing::Instrument as _;

use self::routes::{Found, Routes};
use crate::app::App;
use crate::metrics::RouteMetrics;
use crate::operations::{Allowed, CALL_ROUTE, Operation, Takes};
use crate::problem::Problem;
use crate::telemetry;

/// Also sent back, so that a client can name a request that it complains about.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Who calls which operation: what a handler finds in the request's extensions.
#[derive(Clone)]
pub(crate) struct Call {
    pub principal: Option<Arc<Principal>>,
    pub operation: &'static Operation,
    /// The session that the caller came with.
    pub session: Option<SessionId>,
    /// From where the request comes.
    pub ip: IpAddr,
}

/// Somebody who may go on.
#[derive(Default)]
struct Admitted {
    principal: Option<Arc<Principal>>,
    session: Option<SessionId>,
    pass: Pass,
}

/// The way in.
pub(crate) struct Edge {
    app: Arc<App>,
    router: Router,
    routes: Routes,
    in_flight: AtomicU32,
    called_routes: RouteMetrics,
}

/// Counts one request out again, however it ends.
struct InFlight<'a>(&'a AtomicU32);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Edge {
    pub(crate) fn new(app: Arc<App>, router: Router) -> Self {
        let routes = Routes::new(&app.metrics);
        let called_routes = app.metrics.route(&CALL_ROUTE);
        Self {
            app,
            router,
            routes,
            in_flight: AtomicU32::new(0),
            called_routes,
        }
    }

    pub(crate) fn config(&self) -> &crate::config::Config {
        &self.app.config
    }

    /// Answers one request.
    pub(crate) async fn handle(self: Arc<Self>, request: Request<hyper::body::Incoming>, peer: IpAddr) -> Result<Response, Infallible> {
        let started = Instant::now();
        let id = request_id(request.headers());
        let request = request.map(Body::new);
        let head = *request.method() == Method::HEAD;
        let ip = self.client(request.headers(), peer);
        if let Some(place) = mount::find(&request, self.app.config.routes_origin.as_ref()) {
            // In a box of its own, so that no other request carries the room that it takes.
            return Ok(Box::pin(self.mounted(place, request, ip, &id, started)).await);
        }
        let origin = (!self.app.config.cors_origins.0.is_empty())
            .then(|| request.headers().get(header::ORIGIN).cloned())
            .flatten();
        let (route, mut response) = match self.routes.find(request.method(), request.uri().path()) {
            Found::Route(route) => {
                let answer = if telemetry::spans_wanted() {
                    let span = telemetry::request_span(request.headers(), route.operation, &id);
                    let answer = self.answer(route.operation, request, ip, &id).instrument(span.clone()).await;
                    telemetry::answered(&span, answer.status());
                    answer
                } else {
                    self.answer(route.operation, request, ip, &id).await
                };
                (Some(route), answer)
            }
            Found::Page => (None, self.call(request).await),
            Found::OtherMethods(_) if *request.method() == Method::OPTIONS && origin.is_some() => (None, preflight(request.headers())),
            Found::OtherMethods(allow) => {
                let mut problem = Problem::bare(ErrorCode::RequestMethod);
                problem.detail = format!("`{}` is not one of {}", request.method(), allow.to_str().unwrap_or_default());
                problem.allow = Some(Box::new(allow.clone()));
                (None, problem.write(id.to_str().unwrap_or_default()))
            }
            Found::Nothing => {
                let problem = Problem::new(ErrorCode::RequestNotFound, "no operation has this path");
                (None, problem.write(id.to_str().unwrap_or_default()))
            }
        };
        self.write_out(&mut response, &id);
        if let Some(origin) = origin {
            self.allow_origin(&mut response, origin);
        }
        if head {
            *response.body_mut() = Body::empty();
        }
        self.app
            .metrics
            .http(route.map(|route| &route.metrics), response.status(), started.elapsed());
        Ok(response)
    }

    /// Everything between the route and the reply.
    async fn answer(self: &Arc<Self>, operation: &'static Operation, mut request: Request<Body>, ip: IpAddr, id: &HeaderValue) -> Response {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let _guard = InFlight(&self.in_flight);
        if now >= self.app.config.max_in_flight && operation.allowed != Allowed::Everybody {
            return refuse(Problem::new(ErrorCode::ServerBusy, "too many requests are in flight"));
        }
        let Admitted { principal, session, pass } = match self
            .admit(operation, request.method(), request.uri().path(), request.headers(), ip)
            .await
        {
            Ok(admitted) => admitted,
            Err(problem) => return refuse(problem),
        };
        if let Err(problem) = self.check_request(operation, &request) {
            return refuse(problem);
        }
        let room = match (&principal, operation.adds()) {
            (Some(principal), Some(counted)) => match self.app.access.require_room(principal.tenant, counted).await {
                Ok(room) => Some(room),
                Err(error) => return refuse(error.into()),
            },
            _ => None,
        };
        request.extensions_mut().insert(Call {
            principal: principal.clone(),
            operation,
            session,
            ip,
        });
        let mut response = match (principal, request.headers().get("idempotency-key").cloned()) {
            (Some(principal), Some(key)) if operation.keyed => self.keyed(operation, &principal, &key, request, id, room).await,
            _ => self.call(request).await,
        };
        limits::tell(response.headers_mut(), &pass);
        response
    }

    /// Runs the handler; a panic becomes `internal`.
    async fn call(&self, request: Request<Body>) -> Response {
        let mut router = self.router.clone();
        match AssertUnwindSafe(async move { router.call(request).await }).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(panic) => {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(ToString::to_string)
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                tracing::error!(panic = text.as_deref().unwrap_or("?"), "a handler panicked");
                refuse(Problem::bare(ErrorCode::Internal))
            }
        }
    }

    /// Who calls, if they may.
    async fn admit(
        &self,
        operation: &'static Operation,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        ip: IpAddr,
    ) -> Result<Admitted, Problem> {
        // Whoever shows a key to `/metrics` sees more there.
        let open = || self.app.config.public_metrics && bearer(headers).is_none();
        if operation.allowed == Allowed::Everybody && (operation.id != "getMetrics" || open()) {
            return Ok(Admitted::default());
        }
        let access = &self.app.access;
        let caller = match (bearer(headers), self.session_cookie(headers)) {
            (Some(token), _) => access.identify(token).await?,
            (None, Some(cookie)) => {
                self.check_origin(method, headers, cookie)?;
                access.identify_session(cookie).await?
            }
            (None, None) => {
                let detail = "pass an API key as `Authorization: Bearer oriel_…`, or sign in";
                return Err(Problem::new(ErrorCode::Unauthenticated, detail));
            }
        };
        let pass = access.enter(&caller).map_err(limits::refused)?;
        let user = user(headers)?;
        let principal = match operation.allowed {
            Allowed::With(scope) => ask(access, operation, scope, path, &caller.principal, ip).await?,
            Allowed::AnyKey | Allowed::Everybody => caller.principal.clone(),
        };
        let principal = match user {
            None => principal,
            user => Arc::new(Principal {
                user,
                ..(*principal).clone()
            }),
        };
        Ok(Admitted {
            principal: Some(principal),
            session: caller.session,
            pass,
        })
    }

    /// What can be refused before the body is read.
    fn check_request(&self, operation: &Operation, request: &Request<Body>) -> Result<(), Problem> {
        let uri = request.uri();
        if [Some(uri.path()), uri.query()]
            .into_iter()
            .flatten()
            .any(|text| text.contains("%00"))
        {
            return Err(Problem::invalid("the address contains a NUL character"));
        }
        let announced = request
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let limit = operation.max_body(&self.app.config);
        if operation.takes == Takes::Nothing {
            return Ok(());
        }
        check_encoding(request.headers())?;
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        Ok(())
    }

    /// Writes a problem out and adds the headers that every reply has.
    fn write_out(&self, response: &mut Response, id: &HeaderValue) {
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            if problem.code.blame() == Blame::Host {
                let cause = problem.cause.as_deref().unwrap_or(&problem.detail);
                tracing::warn!(code = problem.code.as_str(), request_id = ?id, cause, "a request failed");
            }
            *response = problem.write(id.to_str().unwrap_or_default());
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, NO_STORE);
        }
    }

    /// Whether browsers may call from there.
    fn knows_origin(&self, origin: &HeaderValue) -> bool {
        let allowed = &self.app.config.cors_origins.0;
        allowed.iter().any(|one| one == "*" || one.as_bytes() == origin.as_bytes())
    }

    fn allow_origin(&self, response: &mut Response, origin: HeaderValue) {
        if self.knows_origin(&origin) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.append(header::VARY, HeaderValue::from_static("origin"));
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(
                    "etag, x-request-id, oriel-batch-id, idempotency-replayed, retry-after, ratelimit, ratelimit-policy",
                ),
            );
        }
    }
}

/// Asks whether somebody may do what `operation` on `path` does.
pub(crate) async fn ask(
    access: &Access,
    operation: &'static Operation,
    scope: Scope,
    path: &str,
    principal: &Arc<Principal>,
    ip: IpAddr,
) -> Result<Arc<Principal>, AccessError> {
    let (kind, name) = operation.target(path);
    // Decoded as the handler will see it: a name spelt another way must not pass by a policy.
    let name = name.map(|name| percent_decode_str(name).decode_utf8_lossy());
    let ask = Ask {
        operation: operation.id,
        scope,
        target: match (kind, &name) {
            (ResourceKind::Tenant, _) => AskTarget::Tenant,
            (kind, Some(name)) => AskTarget::Named(kind, name),
            (_, None) => AskTarget::Later,
        },
        ip: Some(ip),
        route: None,
    };
    access.admit(principal, ask).await
}

/// On whose behalf the host calls: `Oriel-User`.
pub(crate) fn user(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    let mut given = headers.get_all("oriel-user").iter();
    let Some(value) = given.next() else { return Ok(None) };
    let user = std::str::from_utf8(value.as_bytes()).ok().filter(|user| collection::is_user(user));
    match (user, given.next()) {
        (Some(user), None) => Ok(Some(user.into())),
        (_, Some(_)) => Err(Problem::invalid("there is more than one `Oriel-User`")),
        (None, None) => Err(Problem::invalid(format!(
            "`Oriel-User` must have 1 to {} bytes of UTF-8 without control characters",
            collection::MAX_USER
        ))),
    }
}

fn refuse(problem: Problem) -> Response {
    axum::response::IntoResponse::into_response(problem)
}

pub(crate) fn too_large(limit: u64) -> Problem {
    Problem::new(ErrorCode::RequestTooLarge, format!("the body is longer than {limit} bytes"))
}

/// Refuses bodies that say that they are compressed: nothing here is ever inflated, so no small body becomes a large one.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let plain = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    match headers.get_all(header::CONTENT_ENCODING).iter().find(|value| !plain(value)) {
        None => Ok(()),
        Some(given) => Err(Problem::new(
            ErrorCode::RequestMediaType,
            format!("`Content-Encoding` is {}; send the body as it is", given.to_str().unwrap_or("?")),
        )),
    }
}

/// The answer to a browser that asks whether it may; which origins may is decided afterwards, as for every reply.
fn preflight(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"),
    );
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// The client's id for this request if it can be shown safely, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.:/=+".contains(b))
    };
    if let Some(given) = headers.get(REQUEST_ID).filter(sane) {
        return given.clone();
    }
    let mut buffer = [0; ulid::ULID_LEN];
    let text = oriel_model::id::next_ulid(SystemClock.now()).array_to_str(&mut buffer);
    text.make_ascii_lowercase();
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

/// The token of `Authorization: Bearer …`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
