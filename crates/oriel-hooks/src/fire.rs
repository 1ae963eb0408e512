//! One fire of a hook: who takes part, what becomes of their answers, what a failure means.

mod ask;
mod kinds;

use std::sync::Arc;
use std::time::{Duration, Instant};

use oriel_access::{Access, Principal};
use oriel_extensions::Bound;
use oriel_model::access::{PrincipalId, Scope};
use oriel_model::binding::{OnError, Origin};
use oriel_model::hook::{HookKind, HookOrder};
use oriel_model::id::{FireId, TaskId, TenantId};
use oriel_model::name::TenantName;
use serde_json::value::RawValue;

use crate::compiled::Compiled;
use crate::report::{Outcome, Report};
use crate::{FireResult, Fired, HookError, Hooks};

/// What to fire.
#[derive(Debug)]
pub struct FireRequest<'a> {
    /// The payload, any JSON that fits the hook's input schema.
    pub payload: Box<RawValue>,
    /// Whether handlers are only rehearsed: host calls with an effect are refused, and nothing is queued.
    pub dry_run: bool,
    /// Less time than the hook has.
    pub timeout: Option<Duration>,
    /// W3C trace context of the caller.
    pub traceparent: Option<&'a str>,
}

/// For whom a hook is fired, and who caused it.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// For whom.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: &'a TenantName,
    /// Who, when somebody did.
    pub principal: Option<PrincipalId>,
    /// On whose behalf: a user of the host's product.
    pub user: Option<&'a str>,
    /// The task that it is about; handlers read it from their context.
    pub task: Option<TaskId>,
}

impl<'a> From<&'a Principal> for Cause<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self {
            tenant: principal.tenant,
            tenant_name: &principal.tenant_name,
            principal: Some(principal.id),
            user: principal.user.as_deref(),
            task: None,
        }
    }
}

/// One fire at work.
pub(crate) struct Fire<'a> {
    pub(crate) hooks: &'a Hooks,
    pub(crate) compiled: &'a Compiled,
    pub(crate) cause: Cause<'a>,
    pub(crate) traceparent: Option<&'a str>,
    pub(crate) dry_run: bool,
    /// When its time is up.
    pub(crate) deadline: Instant,
}

/// A fire that does not come to its result.
pub(crate) enum Broken {
    /// The handler at this place failed, and the whole with it.
    Handler(usize),
    /// The time was up.
    Timeout,
}

impl Hooks {
    /// Fires a hook of the tenant's own at everything that is bound to it.
    ///
    /// # Errors
    /// When the principal may not, there is no such hook or it is the platform's, the payload does not fit, a handler fails that
    /// may not, or the time is up. Nothing is queued then.
    pub async fn fire(&self, principal: &Principal, name: &str, request: FireRequest<'_>) -> Result<Fired, HookError> {
        Access::require(principal, Scope::TasksExecute)?;
        let compiled = self.compiled(principal.tenant, name).await?;
        // A rehearsal of a platform hook does no harm, and shows what the platform would get.
        if compiled.hook.origin == Origin::Platform && !request.dry_run {
            return Err(HookError::Reserved { name: name.to_owned() });
        }
        let bound = self.bound(&principal.into(), name).await?;
        self.run(principal.into(), &compiled, &bound, request).await
    }

    /// Fires one of the platform's `filter` hooks at handlers that were looked up before. Answers the last payload.
    ///
    /// # Errors
    /// When a handler fails that may not, or the time is up.
    pub async fn filter(
        &self,
        cause: Cause<'_>,
        hook: &str,
        bound: &[Bound],
        payload: &RawValue,
        traceparent: Option<&str>,
    ) -> Result<Box<RawValue>, HookError> {
        let compiled = self.compiled(cause.tenant, hook).await?;
        let request = FireRequest {
            payload: payload.to_owned(),
            dry_run: false,
            timeout: None,
            traceparent,
        };
        match self.run(cause, &compiled, bound, request).await?.result {
            FireResult::Payload(payload) => Ok(payload),
            _ => Ok(payload.to_owned()),
        }
    }

    /// What is bound to a hook. Cheap where nothing is.
    pub(crate) async fn bound(&self, cause: &Cause<'_>, hook: &str) -> Result<Arc<[Bound]>, HookError> {
        Ok(self.shared.extensions.bound_to_hook(cause.tenant, cause.tenant_name, hook).await?)
    }

    pub(crate) async fn run(
        &self,
        cause: Cause<'_>,
        compiled: &Compiled,
        bound: &[Bound],
        request: FireRequest<'_>,
    ) -> Result<Fired, HookError> {
        let begun = Instant::now();
        if !compiled.input.accepts_everything() {
            let value = serde_json::from_str(request.payload.get()).map_err(|error| HookError::Invalid {
                reason: format!("the payload is not JSON: {error}"),
            })?;
            compiled
                .input
                .validate(&value)
                .map_err(|problems| HookError::Payload { problems })?;
        }
        let hook = &compiled.hook;
        let id = FireId::new(self.shared.clock.now());
        let limit = Duration::from_millis(hook.timeout_ms);
        let fire = Fire {
            hooks: self,
            compiled,
            cause,
            traceparent: request.traceparent,
            dry_run: request.dry_run,
            deadline: begun + request.timeout.map_or(limit, |asked| asked.min(limit)),
        };
        let mut handlers: Vec<&Bound> = bound.iter().collect();
        if hook.order == HookOrder::Name {
            let key = |bound: &Bound| (bound.binding.contribution.clone(), bound.binding.id);
            handlers.sort_by_key(|bound| key(bound));
        }
        let mut reports = Vec::with_capacity(handlers.len());
        let result = match hook.kind {
            HookKind::Filter => fire.filter(&handlers, request.payload, &mut reports).await,
            HookKind::Validate => fire.validate(&handlers, &request.payload, &mut reports).await,
            HookKind::Decide => fire.decide(&handlers, &request.payload, &mut reports).await,
            HookKind::Collect => fire.collect(&handlers, &request.payload, &mut reports).await,
            HookKind::Observe if request.dry_run => fire.rehearse(&handlers, &request.payload, &mut reports).await,
            HookKind::Observe => {
                self.queue(&fire, id, &handlers, &request.payload).await?;
                reports.extend(handlers.iter().map(|bound| report(bound, Outcome::Queued)));
                Ok(FireResult::Queued(handlers.len()))
            }
        };
        match result {
            Ok(result) => Ok(Fired {
                id,
                hook: hook.name.clone(),
                kind: hook.kind,
                dry_run: request.dry_run,
                result,
                handlers: reports,
                duration: begun.elapsed(),
            }),
            Err(Broken::Timeout) => Err(HookError::Timeout {
                hook: hook.name.to_string(),
                timeout_ms: u64::try_from(fire.deadline.duration_since(begun).as_millis()).unwrap_or(u64::MAX),
                reports,
            }),
            Err(Broken::Handler(at)) => {
                let failed = &reports[at];
                Err(HookError::Handler {
                    hook: hook.name.to_string(),
                    contribution: failed.contribution.to_string(),
                    message: failed.error.as_ref().map_or_else(String::new, |failure| failure.message.clone()),
                    reports,
                })
            }
        }
    }
}

impl Fire<'_> {
    /// Whether a handler that failed takes the whole with it.
    pub(crate) fn is_fatal(&self, bound: &Bound) -> bool {
        bound.binding.terms.on_error(self.compiled.hook.on_error).0 != OnError::Open
    }
}

/// A report of a handler that was not asked.
pub(crate) fn report(bound: &Bound, outcome: Outcome) -> Report {
    Report {
        binding: bound.binding.id,
        contribution: bound.binding.contribution.clone(),
        version: None,
        outcome,
        attempts: 0,
        duration: Duration::ZERO,
        error: None,
    }
}
