//! Requests for routes: what `wasi:http/incoming-handler` is asked and what it answers, both as streams.
//!
//! The guest runs in a task of its own ([`Lease::respond`](crate::Lease::respond)), because it goes on after the head of
//! its response is known. What that task, the client's body and the response's body tell each other goes through one
//! [`Exchange`].

mod exchange;
mod request;
mod response;

use std::time::Duration;

use oriel_model::access::PrincipalId;
use oriel_model::id::ExecutionId;
use oriel_model::name::ContributionName;

pub(crate) use self::exchange::{Departure, Ending, Exchange};
pub(crate) use self::request::RequestBody;
pub use self::response::RouteBody;
pub(crate) use self::response::check_head;
use crate::ask::Ask;

/// One request for a route.
#[derive(Debug, Clone)]
pub struct RouteCall {
    /// One of the routes that the manifest declares: whom the call is counted for. The guest finds its way by the path.
    pub name: ContributionName,
    /// The call's id.
    pub execution: ExecutionId,
    /// Who caused it, if anybody was asked.
    pub principal: Option<PrincipalId>,
    /// On whose behalf: a user of the host's product.
    pub user: Option<String>,
    /// W3C trace context of the caller.
    pub traceparent: Option<String>,
    /// Less time than the `timeout` limit; more is cut to the limit.
    pub timeout: Option<Duration>,
    /// Whether the client came by `https`.
    pub secure: bool,
}

impl RouteCall {
    /// A request that nobody in particular caused, with the extension's own time limit.
    #[must_use]
    pub const fn new(name: ContributionName, execution: ExecutionId) -> Self {
        Self {
            name,
            execution,
            principal: None,
            user: None,
            traceparent: None,
            timeout: None,
            secure: false,
        }
    }

    pub(crate) fn ask(&self) -> Ask<'_> {
        Ask {
            principal: self.principal,
            user: self.user.as_deref(),
            traceparent: self.traceparent.as_deref(),
            timeout: self.timeout,
            ..Ask::new(self.name.as_str(), self.execution)
        }
    }
}
