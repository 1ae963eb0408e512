//! Where calls of other extensions end.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::access::PrincipalId;
use oriel_model::name::{ContributionName, ExtensionName};

use super::GuestError;
use crate::caller::Caller;

/// A call of another extension's program, which the grant covers.
#[derive(Debug, Clone)]
pub struct GuestCall {
    /// The other extension.
    pub extension: ExtensionName,
    /// Its program.
    pub program: ContributionName,
    /// Text that claims to be JSON.
    pub input: String,
    /// Who calls, and on whose behalf in turn.
    pub caller: Arc<Caller>,
    /// Who caused the caller's own call.
    pub principal: Option<PrincipalId>,
    /// On whose behalf the caller's own call is made.
    pub user: Option<Arc<str>>,
    /// W3C trace context of the caller.
    pub traceparent: Option<String>,
    /// Time that is left for it.
    pub timeout: Duration,
    /// Whether host calls with an effect are refused.
    pub dry_run: bool,
}

/// The `call` interface, bound to one tenant. The sandbox checks grant, cycles, depth, number and deadline.
#[async_trait::async_trait]
pub trait Calls: Send + Sync {
    /// Calls the program and answers its output, which is JSON.
    async fn execute(&self, call: GuestCall) -> Result<String, GuestError>;
}

/// Has nobody to call.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCalls;

#[async_trait::async_trait]
impl Calls for NoCalls {
    async fn execute(&self, _: GuestCall) -> Result<String, GuestError> {
        Err(GuestError::Unavailable("other extensions cannot be called here".to_owned()))
    }
}
