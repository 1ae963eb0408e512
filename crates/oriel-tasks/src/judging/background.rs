//! Sampling off the path of the call, and judging what was picked from a durable queue.
//!
//! A call only hands a copy over, and only where something is bound to its task. What is handed over waits in memory, up to a
//! bound; past it executions go unsampled and are counted, because a call never waits for a sampler. What a sampler picked is
//! in the queue, and is judged whatever happens to this process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use oriel_extensions::{Bound, BoundToTask, Settled};
use oriel_model::access::PrincipalId;
use oriel_model::binding::ContributionRef;
use oriel_model::execution::Execution;
use oriel_model::id::{BindingId, ExecutionId, TenantId, WorkId};
use oriel_model::name::TenantName;
use oriel_model::sample::Sample;
use oriel_model::task::Task;
use oriel_sandbox::{CallError, History};
use oriel_store::{NewWork, Work, WorkKind};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Look, RELEASES};
use crate::Tasks;

/// Executions that wait to be looked at by samplers, at most.
const WAITING: usize = 4_096;
/// Bytes of their inputs and outputs, at most.
const WAITING_BYTES: usize = 64 << 20;
/// Samplers that a node remembers, at most; one more and all of them start anew.
const HISTORIES: usize = 100_000;
/// Picked executions written to the queue at once.
const STRIDE: usize = 64;
/// How often a picked execution is tried to be judged. Only a store that does not answer fails an attempt: a validator that
/// fails is itself a result.
const ATTEMPTS: u32 = 20;

/// An execution that samplers may look at.
pub(crate) struct Seen {
    pub(crate) tenant: TenantId,
    pub(crate) tenant_name: TenantName,
    pub(crate) principal: PrincipalId,
    pub(crate) bound: BoundToTask,
    pub(crate) execution: Execution,
}

impl Seen {
    fn len(&self) -> usize {
        self.execution.input.get().len() + self.execution.output.as_ref().map_or(0, |output| output.get().len())
    }
}

/// What waits for samplers, and what they remember. Samplers remember per node, and forget with the process.
pub(crate) struct Sampling {
    sender: mpsc::Sender<Seen>,
    /// Until somebody samples.
    receiver: Mutex<Option<mpsc::Receiver<Seen>>>,
    bytes: AtomicUsize,
    unsampled: AtomicU64,
    histories: Mutex<HashMap<BindingId, History>>,
}

impl Default for Sampling {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        Self {
            sender,
            receiver: Mutex::new(Some(receiver)),
            bytes: AtomicUsize::new(0),
            unsampled: AtomicU64::new(0),
            histories: Mutex::default(),
        }
    }
}

impl Sampling {
    /// Hands an execution over, if there is room.
    pub(crate) fn offer(&self, seen: Seen) {
        let length = seen.len();
        if self.bytes.fetch_add(length, Relaxed) + length > WAITING_BYTES || self.sender.try_send(seen).is_err() {
            self.bytes.fetch_sub(length, Relaxed);
            self.unsampled.fetch_add(1, Relaxed);
        }
    }
}

/// A picked execution, as it stands in the queue.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Note {
    tenant_name: TenantName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principal: Option<PrincipalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sampler: Option<ContributionRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    execution: Execution,
}

/// Who picked an execution, and why.
type Picked = (Option<ContributionRef>, Option<String>);

impl Tasks {
    /// Executions that no sampler looked at because too many waited, since this service was made.
    #[must_use]
    pub fn unsampled(&self) -> u64 {
        self.shared.sampling.unsampled.load(Relaxed)
    }

    /// Samples and judges until `stop`, then lets what is in hand finish. Asked once.
    pub async fn judge_in_background(self, stop: CancellationToken) {
        let sampler = tokio::spawn(self.clone().pick(stop.clone()));
        let worker = self.shared.judge.clone();
        let work = move |work: Work| {
            let tasks = self.clone();
            async move { tasks.judge_picked(&work).await }
        };
        worker.run(stop, work).await;
        let _ = sampler.await;
    }

    async fn pick(self, stop: CancellationToken) {
        let Some(mut receiver) = self.shared.sampling.receiver.lock().take() else {
            return;
        };
        let mut picked = Vec::new();
        loop {
            let seen = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    receiver.close();
                    receiver.recv().await
                }
                seen = receiver.recv() => seen,
            };
            let Some(seen) = seen else { break };
            self.shared.sampling.bytes.fetch_sub(seen.len(), Relaxed);
            if let Some(choice) = self.choose(&seen).await {
                picked.extend(self.unit(seen, choice));
            }
            if picked.len() >= STRIDE || receiver.is_empty() {
                self.enqueue(std::mem::take(&mut picked)).await;
            }
        }
        self.enqueue(picked).await;
    }

    /// Who of the samplers picks the execution; without samplers everything is looked at.
    async fn choose(&self, seen: &Seen) -> Option<Picked> {
        if seen.bound.samplers.is_empty() {
            return Some((None, None));
        }
        let mut picked = None;
        let look = Look {
            principal: Some(seen.principal),
            ..Look::at(&seen.execution)
        };
        // Each sampler keeps its own count, so each is asked, whoever has picked already.
        for bound in &*seen.bound.samplers {
            let history = self
                .shared
                .sampling
                .histories
                .lock()
                .get(&bound.binding.id)
                .copied()
                .unwrap_or_default();
            let chosen = match self.ask_sampler(bound, &look, history).await {
                Ok(choice) => choice.sample.then_some(choice.reason),
                Err(error) => {
                    tracing::debug!(sampler = %bound.binding.contribution, %error, "a sampler did not choose");
                    None
                }
            };
            let now = u64::try_from(self.shared.clock.now().millis()).unwrap_or(0);
            let mut histories = self.shared.sampling.histories.lock();
            // Bindings come and go: what is remembered of those that are gone must not grow for ever.
            if histories.len() >= HISTORIES && !histories.contains_key(&bound.binding.id) {
                histories.clear();
            }
            let history = histories.entry(bound.binding.id).or_default();
            history.seen += 1;
            history.since_last += 1;
            if let Some(reason) = chosen {
                history.sampled += 1;
                history.since_last = 0;
                history.last_sample_ms = Some(now);
                picked.get_or_insert((Some(bound.binding.contribution.clone()), reason));
            }
        }
        picked
    }

    async fn ask_sampler(&self, bound: &Bound, look: &Look<'_>, history: History) -> Result<oriel_model::verdict::Choice, CallError> {
        let ask = look.ask(bound, ExecutionId::new(self.shared.clock.now()));
        for _ in 0..RELEASES {
            let Ok(active) = bound.handle.active().await else { break };
            match active.pool().sample(&ask, (&look.view(), history)).await.result {
                Err(CallError::Draining) => tokio::task::yield_now().await,
                result => return result,
            }
        }
        Err(CallError::Draining)
    }

    fn unit(&self, seen: Seen, (sampler, reason): Picked) -> Option<NewWork> {
        let now = self.shared.clock.now();
        let note = Note {
            tenant_name: seen.tenant_name,
            principal: Some(seen.principal),
            sampler,
            reason,
            execution: seen.execution,
        };
        let payload = serde_json::to_vec(&note).ok()?;
        Some(NewWork {
            id: WorkId::new(now),
            tenant: seen.tenant,
            kind: WorkKind::VALIDATION,
            key: Some(note.execution.id.to_string()),
            payload: payload.into(),
            due_at: now,
            max_attempts: ATTEMPTS,
            created_at: now,
        })
    }

    /// Puts picked executions into the queue; tries again for a while when the store does not answer.
    async fn enqueue(&self, units: Vec<NewWork>) {
        if units.is_empty() {
            return;
        }
        let mut pause = Duration::from_millis(100);
        for _ in 0..6 {
            match self.shared.stores.work.enqueue(units.clone()).await {
                Ok(_) => {
                    self.shared.judge.wake();
                    return;
                }
                Err(error) => tracing::warn!(%error, count = units.len(), "picked executions cannot be queued"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.shared.sampling.unsampled.fetch_add(units.len() as u64, Relaxed);
    }

    /// Judges a picked execution by whoever is bound now.
    async fn judge_picked(&self, work: &Work) -> Settled {
        let note: Note = match serde_json::from_slice(&work.payload) {
            Ok(note) => note,
            Err(error) => return Settled::Hopeless(format!("the unit cannot be read: {error}")),
        };
        let again = |error: &dyn std::fmt::Display| Settled::Again(error.to_string());
        let Some(task) = note.execution.task_id else { return Settled::Done };
        let task: Task = match self.shared.stores.tasks.get(work.tenant, task).await {
            Ok(Some(task)) => task,
            // The task was deleted meanwhile: nobody wants to know.
            Ok(None) => return Settled::Done,
            Err(error) => return again(&error),
        };
        let extensions = &self.shared.extensions;
        let bound = match extensions
            .bound_to_task(work.tenant, &note.tenant_name, task.id, task.name.as_str())
            .await
        {
            Ok(bound) => bound,
            Err(error) => return again(&error),
        };
        let schemas = (task.input_schema.to_string(), task.output_schema.to_string());
        let look = Look {
            schemas: (Some(&schemas.0), Some(&schemas.1)),
            principal: note.principal,
            ..Look::at(&note.execution)
        };
        let validators = bound.validators.iter().filter(|bound| !bound.binding.terms.inline);
        let judgements = self.ask_validators(validators, &look).await;
        self.score(work.tenant, &note.execution.extension, &note.execution.version, &judgements);
        let sample = Sample {
            execution: note.execution.id,
            task: task.id,
            extension: note.execution.extension.clone(),
            version: note.execution.version.clone(),
            program: note.execution.program.clone(),
            sampler: note.sampler,
            reason: note.reason,
            judgements,
            executed_at: note.execution.started_at,
            judged_at: self.shared.clock.now(),
        };
        match self.shared.stores.samples.put(work.tenant, vec![sample]).await {
            Ok(()) => Settled::Done,
            Err(error) => again(&error),
        }
    }
}
