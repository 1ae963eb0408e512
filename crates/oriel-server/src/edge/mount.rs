//! Routes of extensions: whose address it is, who may call, what the extension sees of the request and the client of the
//! response. See ADR 0085 for the addresses and ADR 0086 for what a shared host means.
//!
//! Nothing here decides what exists: that is the extension service's. Nothing runs here: that is the sandbox's.

mod cookies;
mod line;
mod place;
mod request;
mod response;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use oriel_access::{Ask, AskTarget, Pass, Principal, Threshold};
use oriel_extensions::{AtAddress, RouteFound};
use oriel_model::access::{ResourceKind, Scope};
use oriel_model::contribution::RouteAccess;
use oriel_model::id::ExecutionId;
use oriel_model::{Blame, Coded, ErrorCode};
use oriel_sandbox::{CallError, Lease, RouteCall};
use tracing::Instrument as _;

use self::line::{Line, Told};
pub(super) use self::place::find;
use self::place::{Place, not_found};
use super::{Edge, InFlight, NO_STORE, REQUEST_ID, bearer, limits, user};
use crate::operations::CALL_ROUTE;
use crate::problem::Problem;
use crate::telemetry;

/// How often a request starts again because the release that it was for was replaced.
const ATTEMPTS: u32 = 3;

/// Somebody who may call a route, and the instance that will answer.
struct Entered {
    route: RouteFound,
    principal: Option<Arc<Principal>>,
    pass: Pass,
    lease: Lease,
}

impl Edge {
    /// Answers a request for a route.
    pub(super) async fn mounted(
        self: Arc<Self>,
        place: Result<Place, Problem>,
        request: Request<Body>,
        ip: IpAddr,
        id: &HeaderValue,
        started: Instant,
    ) -> Response {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let _guard = InFlight(&self.in_flight);
        let shared = place.as_ref().map_or(true, |place| place.base.is_some());
        let answered = match place {
            Err(problem) => Err(problem),
            Ok(_) if now >= self.app.config.max_in_flight => Err(Problem::new(ErrorCode::ServerBusy, "too many requests are in flight")),
            Ok(place) if telemetry::spans_wanted() => {
                let span = telemetry::request_span(request.headers(), &CALL_ROUTE, id);
                let answered = self.visit(&place, request, ip, id, started).instrument(span.clone()).await;
                let status = answered.as_ref().map_or_else(crate::problem::Problem::status, Response::status);
                telemetry::answered(&span, status);
                answered
            }
            Ok(place) => self.visit(&place, request, ip, id, started).await,
        };
        let mut response = answered.unwrap_or_else(|problem| {
            if problem.code.blame() == Blame::Host {
                let cause = problem.cause.as_deref().unwrap_or(&problem.detail);
                tracing::warn!(code = problem.code.as_str(), request_id = ?id, cause, "a request for a route failed");
            }
            let mut response = problem.write(id.to_str().unwrap_or_default());
            response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
            response
        });
        response.headers_mut().insert(REQUEST_ID, id.clone());
        if shared {
            response::fence(response.headers_mut());
        }
        self.app
            .metrics
            .http(Some(&self.called_routes), response.status(), started.elapsed());
        response
    }

    async fn visit(
        &self,
        place: &Place,
        request: Request<Body>,
        ip: IpAddr,
        id: &HeaderValue,
        started: Instant,
    ) -> Result<Response, Problem> {
        check_form(&request)?;
        let said = user(request.headers())?;
        let (asker, method) = (request.headers(), request.method());
        let entered = match self.enter_route(place, asker, method, ip).await {
            // Browsers send no key when they ask whether they may send one.
            Err(problem) if problem.code == ErrorCode::Unauthenticated && is_preflight(&request) => {
                return Ok(self.preflight(request.headers()));
            }
            entered => entered?,
        };
        let origin = request.headers().get(header::ORIGIN).cloned();
        let Entered {
            route,
            principal,
            pass,
            lease,
        } = entered;
        // Whom nobody vouches for is nobody: a public route is called by anyone.
        let user = principal.as_ref().and(said).map(|user| user.to_string());
        let mut line = Line {
            started,
            request_id: id.to_str().unwrap_or_default().to_owned(),
            method: request.method().to_string(),
            tenant: place.tenant.clone(),
            extension: place.extension.clone(),
            path: place.path.clone(),
            route: route.name.to_string(),
            principal: principal.as_ref().map(|principal| principal.id.to_string()),
            status: 0,
        };
        let traceparent = telemetry::traceparent(request.headers());
        let says = request::Says {
            tenant: &place.tenant,
            principal: line.principal.clone(),
            request_id: id,
            traceparent: traceparent.as_deref(),
        };
        let request = rewritten(request, place, &says)?;
        let call = RouteCall {
            principal: principal.as_ref().map(|principal| principal.id),
            user,
            traceparent,
            secure: self
                .app
                .config
                .routes_origin
                .as_ref()
                .map_or(self.app.over_https(), |origin| origin.secure),
            ..RouteCall::new(route.name.clone(), ExecutionId::new(self.app.clock.now()))
        };
        let answered = lease.respond(call, request).await;
        let (mut parts, body) = answered.map_err(|error| trouble(error, route.access))?.into_parts();
        response::clean(&mut parts.headers, place);
        if route.access == RouteAccess::Key && !parts.headers.contains_key(header::CACHE_CONTROL) {
            parts.headers.insert(header::CACHE_CONTROL, NO_STORE);
        }
        if let Some(origin) = origin.filter(|_| route.access == RouteAccess::Key) {
            self.read_by(&mut parts.headers, origin);
        }
        line.status = parts.status.as_u16();
        Ok(Response::from_parts(parts, Body::new(Told::new(Body::new(body), line, pass))))
    }

    /// Answers a browser that asks, without a key, whether it may call a route that needs one. No extension sees it: it would run for
    /// anybody. Whether there is such a route is not told, and which origins may call is the operator's to say, as for the API.
    fn preflight(&self, asked: &HeaderMap) -> Response {
        let known = asked.get(header::ORIGIN).filter(|origin| self.knows_origin(origin));
        let Some(origin) = known else {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return response;
        };
        let mut response = super::preflight(asked);
        self.allow_origin(&mut response, origin.clone());
        if let Some(method) = asked.get(header::ACCESS_CONTROL_REQUEST_METHOD) {
            response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        }
        response
    }

    /// Lets pages of an origin that the operator knows read what a route answers to a key, unless the extension has said itself who may.
    fn read_by(&self, headers: &mut HeaderMap, origin: HeaderValue) {
        if self.knows_origin(&origin) && !headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
    }

    /// The route, if whoever asks may call it and it answers.
    async fn enter_route(&self, place: &Place, headers: &HeaderMap, method: &Method, ip: IpAddr) -> Result<Entered, Problem> {
        let mut passed = None;
        let mut attempts = 0;
        loop {
            let threshold = self.app.access.threshold(&place.tenant).await.map_err(hidden)?;
            let found = match &threshold {
                Some(threshold) => {
                    let extensions = &self.app.extensions;
                    extensions
                        .at(threshold.tenant, &threshold.name, &place.extension, &place.path)
                        .await
                        .map_err(hidden)?
                }
                None => AtAddress::Nothing { open: false },
            };
            let (route, principal, pass) = self
                .admit_to_route(found, place, threshold.as_deref(), (headers, method, ip), passed.take())
                .await?;
            let active = match route.active {
                Ok(active) => active,
                Err(error) => return Err(trouble(error, route.access)),
            };
            match active.pool().lease(active.limits().timeout.0).await {
                Ok(lease) => {
                    let route = RouteFound {
                        active: Ok(active),
                        ..route
                    };
                    return Ok(Entered {
                        route,
                        principal,
                        pass,
                        lease,
                    });
                }
                // Another release has taken over meanwhile: it may have other routes, for others.
                Err(CallError::Draining) if attempts < ATTEMPTS => {
                    attempts += 1;
                    passed = Some(pass);
                }
                Err(error) => return Err(trouble(error, route.access)),
            }
        }
    }

    /// Whoever asks, if they may call what they found. Nobody without a key of the tenant learns more than what is public.
    async fn admit_to_route(
        &self,
        found: AtAddress,
        place: &Place,
        threshold: Option<&Threshold>,
        (headers, method, ip): (&HeaderMap, &Method, IpAddr),
        passed: Option<Pass>,
    ) -> Result<(RouteFound, Option<Arc<Principal>>, Pass), Problem> {
        let access = &self.app.access;
        let route = match found {
            AtAddress::Route(route) if route.access == RouteAccess::Public => {
                let threshold = threshold.ok_or_else(not_found)?;
                let pass = match passed {
                    Some(pass) => pass,
                    None => access.enter_unasked(threshold).map_err(limits::refused)?,
                };
                return Ok((route, None, pass));
            }
            AtAddress::Route(route) => Some(route),
            AtAddress::Nothing { open: true } if bearer(headers).is_none() => return Err(not_found()),
            AtAddress::Nothing { .. } => None,
        };
        let Some(token) = bearer(headers) else {
            let detail = "there is no public route here; pass a key of the tenant as `Authorization: Bearer oriel_…`";
            return Err(Problem::new(ErrorCode::Unauthenticated, detail));
        };
        let caller = access.identify(token).await?;
        let pass = match passed {
            Some(pass) => pass,
            None => access.enter(&caller).map_err(limits::refused)?,
        };
        let own = threshold.is_some_and(|threshold| threshold.tenant == caller.principal.tenant);
        let route = route.filter(|_| own).ok_or_else(not_found)?;
        let ask = Ask {
            operation: CALL_ROUTE.id,
            scope: Scope::TasksExecute,
            target: AskTarget::Named(ResourceKind::Extension, &place.extension),
            ip: Some(ip),
            route: Some((method.as_str(), &place.path)),
        };
        let principal = access.admit(&caller.principal, ask).await?;
        Ok((route, Some(principal), pass))
    }
}

/// Whether a browser asks whether it may.
fn is_preflight(request: &Request<Body>) -> bool {
    let headers = request.headers();
    *request.method() == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && bearer(headers).is_none()
}

/// What cannot be meant for a route, whatever it is.
fn check_form(request: &Request<Body>) -> Result<(), Problem> {
    let headers = request.headers();
    if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
        let detail = format!("routes do not take `{}`", request.method());
        return Err(Problem::new(ErrorCode::RequestMethod, detail));
    }
    let upgrade = headers.get_all(header::UPGRADE).iter().filter_map(|value| value.to_str().ok());
    let mut protocols = upgrade.flat_map(|value| value.split(','));
    // `h2c` and the like may be passed over: their clients go on without.
    if protocols.any(|protocol| protocol.trim().to_ascii_lowercase().starts_with("websocket")) {
        return Err(Problem::bare(ErrorCode::RouteUpgrade));
    }
    if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Problem::new(
            ErrorCode::RoutePath,
            "the request has two lengths: `Content-Length` and `Transfer-Encoding`",
        ));
    }
    Ok(())
}

/// The request as the extension sees it.
fn rewritten(request: Request<Body>, place: &Place, says: &request::Says<'_>) -> Result<Request<Body>, Problem> {
    let (mut parts, body) = request.into_parts();
    let path = match parts.uri.query() {
        Some(query) => format!("{}?{query}", place.path),
        None => place.path.clone(),
    };
    let uri = Uri::builder()
        .scheme("http")
        .authority(&*place.authority)
        .path_and_query(path)
        .build();
    parts.uri = uri.map_err(|_| Problem::new(ErrorCode::RoutePath, "the address cannot be understood"))?;
    request::clean(&mut parts.headers, place, says);
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    Ok(request)
}

/// Trouble before it is known who asks.
fn hidden(error: impl Coded) -> Problem {
    trouble(error, RouteAccess::Public)
}

/// Trouble with the extension, as its callers are told. Whoever has a key of the tenant is told what happened; the public is not.
fn trouble(error: impl Coded, access: RouteAccess) -> Problem {
    let code = error.code();
    let shown = match code {
        ErrorCode::InputTooLarge => ErrorCode::RequestTooLarge,
        ErrorCode::ExecutionTimeout | ErrorCode::ExecutionCpu => ErrorCode::RouteTimeout,
        ErrorCode::ExtensionOverloaded
        | ErrorCode::ExtensionDisabled
        | ErrorCode::ConsentRequired
        | ErrorCode::ExtensionTripped
        | ErrorCode::ExtensionQuarantined
        | ErrorCode::ExtensionBudgetExceeded
        | ErrorCode::ExtensionStartFailed
        | ErrorCode::ConfigInvalid => ErrorCode::RouteUnavailable,
        code if code.blame() == Blame::Guest => ErrorCode::RouteBadResponse,
        code => code,
    };
    let mut problem = Problem::from(error);
    problem.code = shown;
    if shown.blame() != Blame::Caller {
        match access {
            RouteAccess::Public => shown.title().clone_into(&mut problem.detail),
            RouteAccess::Key if shown != code => problem.detail = format!("{} ({code})", problem.detail),
            RouteAccess::Key => {}
        }
        problem.errors = None;
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: CallError, access: RouteAccess) -> (String, String) {
        let problem = trouble(error, access);
        (problem.code.to_string(), problem.detail)
    }

    #[test]
    fn the_public_is_not_told_what_went_wrong_inside() {
        let trapped = || CallError::Trapped {
            detail: "wasm `unreachable` in secret_function".to_owned(),
        };
        assert_eq!(
            told(trapped(), RouteAccess::Public),
            ("route.bad_response".to_owned(), "The route gave no usable answer".to_owned())
        );
        assert_eq!(
            told(trapped(), RouteAccess::Key).1,
            "the program crashed: wasm `unreachable` in secret_function (execution.trapped)"
        );
        for (error, code) in [
            (CallError::Draining, "route.unavailable"),
            (CallError::Overloaded { waiting: 7 }, "route.unavailable"),
            (
                CallError::StartFailed {
                    reason: "secret".to_owned(),
                },
                "route.unavailable",
            ),
            (
                CallError::Timeout {
                    limit: std::time::Duration::from_secs(1),
                },
                "route.timeout",
            ),
            (CallError::InputTooLarge { length: 2, limit: 1 }, "request.too_large"),
            (CallError::OutputTooLarge { length: 2, limit: 1 }, "route.bad_response"),
            (
                CallError::CallerSlow {
                    limit: std::time::Duration::from_secs(1),
                },
                "request.timeout",
            ),
            (
                CallError::Failed {
                    message: "secret".to_owned(),
                },
                "route.bad_response",
            ),
            (
                CallError::Answer {
                    reason: "secret".to_owned(),
                },
                "route.bad_response",
            ),
        ] {
            let (shown, detail) = told(error, RouteAccess::Public);
            assert_eq!(shown, code);
            assert!(!detail.contains("secret"), "{detail}");
        }
    }
}
