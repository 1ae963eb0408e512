//! Signing in and out with a browser.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use oriel_access::{Browser, IssuerAnswer, csrf_token};
use oriel_model::ErrorCode;
use oriel_model::access::{Role, Tenant};
use oriel_model::id::{SessionId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::edge::Call;
use crate::edge::cookies::cookie;
use crate::extract::{Caller, Query, json};
use crate::problem::Problem;

/// The cookie between the two halves of a sign-in.
const FLOW: &str = "oriel-sign-in";
/// Where it is sent.
const FLOW_PATH: &str = "/api/v1/auth";

/// To what somebody wants to sign in.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SignInQuery {
    /// The tenant's name.
    #[param(max_length = 64, default = "default")]
    tenant: Option<String>,
    /// The path on this server to go to afterwards.
    #[param(max_length = 500, default = "/")]
    return_to: Option<String>,
}

/// What the issuer sends a browser back with. Issuers add fields of their own.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    /// Which sign-in this answers.
    #[serde(default)]
    state: String,
    /// What the server redeems at the issuer.
    code: Option<String>,
    /// Which issuer this is (RFC 9207).
    iss: Option<String>,
    /// Why the issuer refused.
    error: Option<String>,
    /// The same for people.
    error_description: Option<String>,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionInfo {
    /// The session.
    session_id: SessionId,
    /// Whose it is.
    user_id: UserId,
    /// The user's e-mail address.
    name: String,
    /// In which tenant.
    tenant: Tenant,
    /// What the user may do at most there.
    role: Role,
    /// To be sent as `X-Oriel-CSRF` with every request that changes something.
    csrf_token: String,
}

/// The session of the request, with its cookie.
pub(crate) struct SignedIn {
    session: Option<SessionId>,
    cookie: Option<String>,
    ip: Option<String>,
    user_agent: String,
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        let call = parts.extensions.get::<Call>();
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Ok(Self {
            session: call.and_then(|call| call.session),
            cookie: cookie(&parts.headers, app.session_cookie()).map(str::to_owned),
            ip: call.map(|call| call.ip.to_string()),
            user_agent: agent.unwrap_or_default().to_owned(),
        })
    }
}

/// Sign in
///
/// Sends the browser to the issuer. Open it as a page; it is no operation for programs.
#[utoipa::path(get, path = "/api/v1/auth/login", operation_id = "signIn", tag = "access", params(SignInQuery),
    responses((status = 303, description = "To the issuer.", headers(("Location" = String, description = "The issuer's page.")))))]
pub(crate) async fn sign_in(State(app): State<Arc<App>>, Query(query): Query<SignInQuery>) -> Result<Response, Problem> {
    let tenant = query.tenant.as_deref().unwrap_or("default");
    let begun = app.access.begin_sign_in(tenant, query.return_to.as_deref().unwrap_or("/")).await?;
    let flow = set_cookie(&app, FLOW, &begun.cookie, FLOW_PATH, 600);
    Ok(redirect(&begun.url, &[flow]))
}

/// Come back from the issuer
///
/// Begins a session and sends the browser to where it wanted to go.
#[utoipa::path(get, path = "/api/v1/auth/callback", operation_id = "signInCallback", tag = "access", params(CallbackQuery),
    responses((status = 303, description = "Signed in.", headers(("Location" = String, description = "A page of this server."),
        ("Set-Cookie" = String, description = "The session's cookie.")))))]
pub(crate) async fn sign_in_callback(
    State(app): State<Arc<App>>,
    Query(query): Query<CallbackQuery>,
    browser: SignedIn,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let failed = |detail: String| Problem::new(ErrorCode::SignInFailed, detail);
    if let Some(error) = query.error {
        let more = query.error_description.map_or_else(String::new, |text| format!(" ({text})"));
        let told: String = format!("the issuer answered `{error}`{more}")
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect();
        return Err(failed(told));
    }
    let code = query.code.ok_or_else(|| failed("the issuer sent no code".to_owned()))?;
    let flow = cookie(&headers, FLOW)
        .ok_or_else(|| failed("this browser began no sign-in here, or it took longer than ten minutes".to_owned()))?;
    let from = Browser {
        ip: browser.ip,
        user_agent: browser.user_agent,
    };
    let answer = IssuerAnswer {
        state: &query.state,
        code: &code,
        issuer: query.iss.as_deref(),
    };
    let signed_in = app.access.finish_sign_in(flow, answer, from).await?;
    let lasts = app.config.session_ttl.0.as_secs();
    let session = set_cookie(&app, app.session_cookie(), &signed_in.begun.cookie, "/", lasts);
    let done = set_cookie(&app, FLOW, "", FLOW_PATH, 0);
    Ok(redirect(&signed_in.return_to, &[session, done]))
}

/// Show the session
///
/// Who is signed in, and the token that pages send with changes.
#[utoipa::path(get, path = "/api/v1/auth/session", operation_id = "getSession", tag = "access",
    responses((status = 200, description = "The session.", body = SessionInfo)))]
pub(crate) async fn get_session(State(app): State<Arc<App>>, Caller(principal): Caller, signed_in: SignedIn) -> Result<Response, Problem> {
    let (Some(session_id), Some(cookie), oriel_model::access::PrincipalId::User(user_id)) =
        (signed_in.session, signed_in.cookie, principal.id)
    else {
        return Err(Problem::new(
            ErrorCode::SessionNotFound,
            "this request came with a key and not with a session",
        ));
    };
    let info = SessionInfo {
        session_id,
        user_id,
        name: principal.name.clone(),
        tenant: app.access.tenant_of(&principal).await?,
        role: principal.role,
        csrf_token: csrf_token(&cookie),
    };
    json(StatusCode::OK, &info)
}

/// Sign out
///
/// Ends the session of this browser. The issuer's own session goes on.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "signOut", tag = "access",
    responses((status = 204, description = "Signed out, or never signed in.")))]
pub(crate) async fn sign_out(State(app): State<Arc<App>>, Caller(principal): Caller, signed_in: SignedIn) -> Result<Response, Problem> {
    if let Some(session) = signed_in.session {
        match app.access.end_session(&principal, &session.to_string()).await {
            // Ended elsewhere at the same moment.
            Ok(()) | Err(oriel_access::AccessError::SessionNotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let gone = set_cookie(&app, app.session_cookie(), "", "/", 0);
    response.headers_mut().append(header::SET_COOKIE, gone);
    Ok(response)
}

/// `Lax`, so that the way back from the issuer finds the flow, and a link from elsewhere finds somebody signed in; requests that
/// change something are protected on their own account.
fn set_cookie(app: &App, name: &str, value: &str, path: &str, seconds: u64) -> HeaderValue {
    let secure = if app.over_https() { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

fn redirect(to: &str, cookies: &[HeaderValue]) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    if let Ok(to) = HeaderValue::from_str(to) {
        headers.insert(header::LOCATION, to);
    }
    // The addresses of a sign-in hold codes; no page that follows shall be told of them.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
    response
}
