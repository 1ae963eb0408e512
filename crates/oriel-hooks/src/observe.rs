//! Observers: told after the fact, from a durable queue, each until it succeeded.

use std::time::{Duration, Instant};

use bytes::Bytes;
use oriel_access::{Access, Actor, Principal};
use oriel_extensions::{Bound, Settled};
use oriel_model::access::{PrincipalId, Scope};
use oriel_model::binding::BindingKind;
use oriel_model::id::{BindingId, FireId, TaskId, WorkId};
use oriel_model::name::TenantName;
use oriel_model::page::{Page, PageRequest};
use oriel_store::{NewWork, Work, WorkKind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::fire::{Cause, Fire};
use crate::report::{Outcome, Report};
use crate::{HookError, Hooks};

/// One handler to be told, as it stands in the queue.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    fire: FireId,
    hook: Box<str>,
    binding: BindingId,
    tenant_name: TenantName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<PrincipalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    payload: Box<RawValue>,
}

impl Hooks {
    /// Fires one of the platform's `observe` hooks: queues it for whoever is bound. Costs next to nothing where nobody is.
    ///
    /// # Errors
    /// When the queue cannot be written; nobody is told then.
    pub async fn tell(&self, cause: Cause<'_>, hook: &str, payload: impl FnOnce() -> serde_json::Value) -> Result<(), HookError> {
        let bound = self.bound(&cause, hook).await?;
        self.tell_bound(cause, hook, &bound, payload).await
    }

    /// The same for handlers that were looked up before.
    ///
    /// # Errors
    /// When the queue cannot be written; nobody is told then.
    pub async fn tell_bound(
        &self,
        cause: Cause<'_>,
        hook: &str,
        bound: &[Bound],
        payload: impl FnOnce() -> serde_json::Value,
    ) -> Result<(), HookError> {
        if bound.is_empty() {
            return Ok(());
        }
        let compiled = self.compiled(cause.tenant, hook).await?;
        let payload = serde_json::value::to_raw_value(&payload()).map_err(|error| HookError::Invalid { reason: error.to_string() })?;
        let fire = Fire {
            hooks: self,
            compiled: &compiled,
            cause,
            traceparent: None,
            dry_run: false,
            deadline: Instant::now(),
        };
        let handlers: Vec<&Bound> = bound.iter().collect();
        self.queue(&fire, FireId::new(self.shared.clock.now()), &handlers, &payload).await
    }

    /// Queues one unit for each handler, all or none.
    pub(crate) async fn queue(&self, fire: &Fire<'_>, id: FireId, handlers: &[&Bound], payload: &RawValue) -> Result<(), HookError> {
        if handlers.is_empty() {
            return Ok(());
        }
        let now = self.shared.clock.now();
        let units = handlers.iter().map(|bound| {
            let note = Note {
                fire: id,
                hook: fire.compiled.hook.name.as_str().into(),
                binding: bound.binding.id,
                tenant_name: fire.cause.tenant_name.clone(),
                principal: fire.cause.principal,
                user: fire.cause.user.map(Into::into),
                task: fire.cause.task,
                traceparent: fire.traceparent.map(str::to_owned),
                payload: payload.to_owned(),
            };
            let payload = serde_json::to_vec(&note).map_err(|error| HookError::Invalid { reason: error.to_string() })?;
            Ok(NewWork {
                id: WorkId::new(now),
                tenant: fire.cause.tenant,
                kind: WorkKind::OBSERVE_HOOK,
                key: None,
                payload: payload.into(),
                due_at: now,
                max_attempts: self.shared.options.observe_attempts,
                created_at: now,
            })
        });
        let units = units.collect::<Result<Vec<_>, HookError>>()?;
        self.shared.stores.work.enqueue(units).await?;
        self.shared.worker.wake();
        Ok(())
    }

    /// Tells observers until `stop`, then lets those that are being told finish.
    pub async fn work(self, stop: CancellationToken) {
        let worker = self.shared.worker.clone();
        let work = move |work: Work| {
            let hooks = self.clone();
            async move { hooks.observe(&work).await }
        };
        worker.run(stop, work).await;
    }

    async fn observe(&self, work: &Work) -> Settled {
        let note: Note = match serde_json::from_slice(&work.payload) {
            Ok(note) => note,
            Err(error) => return Settled::Hopeless(format!("the unit cannot be read: {error}")),
        };
        let cause = Cause {
            tenant: work.tenant,
            tenant_name: &note.tenant_name,
            principal: note.principal,
            user: note.user.as_deref(),
            task: note.task,
        };
        let compiled = match self.compiled(work.tenant, &note.hook).await {
            Ok(compiled) => compiled,
            // The hook was taken back meanwhile: nobody wants to hear of it.
            Err(HookError::NotFound { .. }) => return Settled::Done,
            Err(error) => return Settled::Again(error.to_string()),
        };
        let bound = match self.bound(&cause, &note.hook).await {
            Ok(bound) => bound,
            Err(error) => return Settled::Again(error.to_string()),
        };
        // So does who unbinds a handler or switches it off.
        let Some(bound) = bound.iter().find(|bound| bound.binding.id == note.binding) else {
            return Settled::Done;
        };
        let fire = Fire {
            hooks: self,
            compiled: &compiled,
            cause,
            traceparent: note.traceparent.as_deref(),
            dry_run: false,
            deadline: Instant::now() + Duration::from_millis(compiled.hook.timeout_ms),
        };
        let report = fire.ask(bound, note.payload.get()).await;
        judge(&report)
    }

    /// Observers that were told as often as they may be, in vain: newest first.
    ///
    /// # Errors
    /// When the principal may not, or the cursor is foreign.
    pub async fn undelivered(&self, principal: &Principal, page: PageRequest) -> Result<Page<Undelivered>, HookError> {
        Access::require(principal, Scope::TasksRead)?;
        let dead = self
            .shared
            .stores
            .work
            .dead(principal.tenant, Some(&WorkKind::OBSERVE_HOOK), page)
            .await?;
        Ok(dead.map(Undelivered::of))
    }

    /// Gives observers that were told in vain all their attempts again; answers how many.
    ///
    /// # Errors
    /// When the principal may not.
    pub async fn redeliver(&self, principal: &Principal, ids: &[WorkId]) -> Result<u64, HookError> {
        Access::require(principal, Scope::TasksWrite)?;
        let now = self.shared.clock.now();
        let audit = Actor::Principal(principal).did(now, "hook.redeliver", BindingKind::Hook.as_str(), json!({ "units": ids }));
        let count = self.shared.stores.work.requeue(principal.tenant, ids, now, audit).await?;
        self.shared.worker.wake();
        Ok(count)
    }
}

/// An observer that was told in vain.
#[derive(Debug, Clone)]
pub struct Undelivered {
    /// The unit in the queue.
    pub work: Work,
    /// The hook.
    pub hook: Option<String>,
    /// The binding.
    pub binding: Option<BindingId>,
}

impl Undelivered {
    fn of(work: Work) -> Self {
        let note = serde_json::from_slice::<Note>(&work.payload).ok();
        Self {
            hook: note.as_ref().map(|note| note.hook.to_string()),
            binding: note.as_ref().map(|note| note.binding),
            work: Work {
                payload: Bytes::new(),
                ..work
            },
        }
    }
}

fn judge(report: &Report) -> Settled {
    match (&report.outcome, &report.error) {
        (Outcome::Failed, Some(failure)) => {
            let told = format!("{}: {}", failure.code, failure.message);
            match failure.code {
                "execution.rejected" | "execution.denied" | "execution.input_too_large" | "hook.payload_unfit" => Settled::Hopeless(told),
                _ => Settled::Again(told),
            }
        }
        _ => Settled::Done,
    }
}
