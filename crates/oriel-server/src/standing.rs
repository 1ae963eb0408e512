//! Callers of requests that go on for long: they are looked at again while it goes on, so that a key that is revoked, a session
//! that ends, a role that shrinks or a policy that forbids ends what they began.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use oriel_access::Principal;
use tokio::time::Instant;

use crate::app::App;
use crate::edge::{self, Call, bearer, cookies};
use crate::operations::{Allowed, Operation};
use crate::problem::Problem;

/// How long a caller is believed without another look. Other nodes hear of a change within five seconds on top of that.
pub(crate) const LOOK: Duration = Duration::from_secs(5);

/// What a caller showed.
enum Shown {
    Token(String),
    Cookie(String),
}

/// The caller of a request that goes on for long.
pub(crate) struct Standing {
    app: Arc<App>,
    /// Nothing on an operation that anybody may call.
    shown: Option<(Shown, &'static Operation)>,
    path: String,
    ip: IpAddr,
    next: Instant,
}

impl FromRequestParts<Arc<App>> for Standing {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let call = parts.extensions.get::<Call>();
        let shown = match bearer(&parts.headers) {
            Some(token) => Some(Shown::Token(token.to_owned())),
            None => cookies::cookie(&parts.headers, app.session_cookie()).map(|cookie| Shown::Cookie(cookie.to_owned())),
        };
        Ok(Self {
            app: app.clone(),
            shown: shown.zip(call.map(|call| call.operation)),
            path: parts.uri.path().to_owned(),
            ip: call.map_or(IpAddr::from([0, 0, 0, 0]), |call| call.ip),
            next: Instant::now() + LOOK,
        })
    }
}

impl Standing {
    /// Ends when it is time to look again.
    pub(crate) async fn due(&self) {
        tokio::time::sleep_until(self.next).await;
    }

    /// Looks again when it is time to; answers the caller as they are now, where it did.
    ///
    /// # Errors
    /// When they may not go on.
    pub(crate) async fn look(&mut self) -> Result<Option<Arc<Principal>>, Problem> {
        let now = Instant::now();
        let Some(&(ref shown, operation)) = self.shown.as_ref().filter(|_| now >= self.next) else {
            return Ok(None);
        };
        self.next = now + LOOK;
        let access = &self.app.access;
        let caller = match shown {
            Shown::Token(token) => access.identify(token).await?,
            Shown::Cookie(cookie) => access.identify_session(cookie).await?,
        };
        let principal = match operation.allowed {
            Allowed::With(scope) => edge::ask(access, operation, scope, &self.path, &caller.principal, self.ip).await?,
            Allowed::AnyKey | Allowed::Everybody => caller.principal.clone(),
        };
        Ok(Some(principal))
    }
}
