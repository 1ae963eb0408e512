//! The right to have one instance at work.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::contribution::ContributionKind;
use oriel_model::execution::Resources;
use oriel_model::manifest::Reuse;

use super::PoolShared;
use crate::call::{Call, ConfigProblem, Health, Outcome};
use crate::error::CallError;
use crate::gate::{ModelUse, Pass, Refused, Spent};
use crate::meter;
use crate::running::Running;

/// One instance of a pool, for any number of calls. Given back when dropped; dropping it, or a call's future, in
/// the middle of a call drops the instance.
pub struct Lease {
    pub(super) pool: Arc<PoolShared>,
    parts: Parts,
    /// What the gate gave for the call in progress.
    pass: Option<Pass>,
    armed: bool,
}

/// One call of a leased instance. Moments are as [`meter::now`] counts.
pub(super) struct Turn {
    leased: u64,
    /// When the instance was ready.
    pub(super) started: u64,
    /// Whether it runs in the lane from the start.
    pub(super) suspect: bool,
}

/// What a lease brings back.
#[derive(Default)]
pub(super) struct Parts {
    /// Made when first needed; taken out during a call, so that a call that is dropped takes it along.
    pub(super) instance: Option<Running>,
    pub(super) started: u64,
    pub(super) calls: u64,
    pub(super) broken: u64,
    pub(super) last_used: u64,
    /// Of the last call.
    pub(super) outbound_bytes: u64,
    pub(super) input_bytes: u64,
    pub(super) output_bytes: u64,
    pub(super) model: ModelUse,
}

impl Lease {
    pub(super) fn new(pool: Arc<PoolShared>, instance: Option<Running>) -> Self {
        Self {
            pool,
            parts: Parts {
                instance,
                ..Parts::default()
            },
            pass: None,
            armed: true,
        }
    }

    /// Takes the lease apart without giving it back.
    pub(super) fn disarm(mut self) -> Option<Running> {
        self.armed = false;
        self.parts.instance.take()
    }

    /// Whether the pool was drained meanwhile. The lease goes on working, so that nothing is lost; who holds it for
    /// long should end it and lease from the pool that took over.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.pool.inner.lock().closed
    }

    /// Calls a program.
    pub async fn call(&mut self, call: Call<'_>) -> Outcome {
        if let Err(error) = self.admit(call.input.len()) {
            return Outcome::refused(error);
        }
        let outcome = match self.take().await {
            Err(outcome) => outcome,
            Ok((mut instance, turn)) => {
                let result = instance.execute(&call.ask(), call.input, turn.started, turn.suspect).await;
                self.give(instance, &turn, result)
            }
        };
        let error = outcome.result.as_ref().err();
        self.leave(ContributionKind::Program, call.program, call.timeout, error, outcome.resources);
        outcome
    }

    /// Whether a call that takes in so many bytes may begin.
    pub(super) fn admit(&mut self, length: usize) -> Result<(), CallError> {
        let (length, limit) = (length as u64, self.pool.spec.limits.input.0);
        if length > limit {
            return Err(CallError::InputTooLarge { length, limit });
        }
        self.parts.input_bytes = length;
        Ok(self.enter()?)
    }

    /// Asks the gate, if there is one, whether a call may begin.
    fn enter(&mut self) -> Result<(), Refused> {
        self.abandon();
        if let Some(gate) = &self.pool.spec.gate {
            self.pass = Some(gate.enter()?);
        }
        Ok(())
    }

    /// Tells the gate what the call came to.
    pub(super) fn leave(
        &mut self,
        kind: ContributionKind,
        name: &str,
        timeout: Option<Duration>,
        error: Option<&CallError>,
        resources: Resources,
    ) {
        let Some(pass) = self.pass.take() else { return };
        if let Some(gate) = &self.pool.spec.gate {
            let spent = Spent {
                kind,
                name,
                error,
                resources,
                outbound_bytes: self.parts.outbound_bytes,
                input_bytes: self.parts.input_bytes,
                output_bytes: self.parts.output_bytes,
                model: self.parts.model,
                hurried: timeout.is_some_and(|given| given < self.pool.spec.limits.timeout.0),
                ended: self.parts.last_used,
            };
            gate.leave(pass, &spent);
        }
    }

    /// Tells the gate that a call was given up in its middle.
    fn abandon(&mut self) {
        if let (Some(pass), Some(gate)) = (self.pass.take(), &self.pool.spec.gate) {
            gate.abandon(pass);
        }
    }

    /// Takes the instance out for a call; makes it first if need be.
    pub(super) async fn take<T>(&mut self) -> Result<(Running, Turn), Outcome<T>> {
        self.parts.outbound_bytes = 0;
        self.parts.output_bytes = 0;
        self.parts.model = ModelUse::default();
        let leased = meter::now();
        let mut started = leased;
        let instance = match self.parts.instance.take() {
            Some(instance) => instance,
            None => match self.start().await {
                Ok(instance) => {
                    started = meter::now();
                    instance
                }
                Err(error) => {
                    self.parts.last_used = meter::now();
                    let wall_us = (self.parts.last_used - leased) / 1_000;
                    return Err(Outcome {
                        result: Err(error),
                        resources: Resources {
                            wall_us,
                            ..Resources::default()
                        },
                    });
                }
            },
        };
        self.parts.calls += 1;
        let suspect = self.pool.is_suspect();
        Ok((instance, Turn { leased, started, suspect }))
    }

    /// Takes note of how a call ended, and keeps the instance for the next.
    pub(super) fn give<T: Answer>(&mut self, instance: Running, turn: &Turn, result: Result<T, CallError>) -> Outcome<T> {
        self.pool.judge(result.as_ref().err());
        let resources = instance.resources(turn.leased);
        self.parts.outbound_bytes = instance.outbound_bytes();
        self.parts.output_bytes = result.as_ref().map_or(0, Answer::bytes);
        self.parts.model = instance.model();
        self.keep(instance);
        Outcome { result, resources }
    }

    pub(super) async fn health_check(&mut self) -> Result<Health, CallError> {
        let mut instance = self.instance().await?;
        let health = instance.health_check().await;
        self.keep(instance);
        health
    }

    pub(super) async fn check_config(&mut self, config: &str) -> Result<Vec<ConfigProblem>, CallError> {
        let mut instance = self.instance().await?;
        let problems = instance.check_config(config).await;
        self.keep(instance);
        problems
    }

    async fn instance(&mut self) -> Result<Running, CallError> {
        match self.parts.instance.take() {
            Some(instance) => Ok(instance),
            None => self.start().await,
        }
    }

    async fn start(&mut self) -> Result<Running, CallError> {
        let instance = self.pool.start().await.inspect_err(|error| self.pool.judge(Some(error)))?;
        self.parts.started += 1;
        Ok(instance)
    }

    /// Keeps the instance for the next call, if there may be one.
    fn keep(&mut self, instance: Running) {
        self.parts.last_used = instance.last_used();
        if instance.is_broken() {
            self.parts.broken += 1;
            self.pool.end(Some(instance));
        } else if self.pool.spec.reuse == Reuse::Fresh || instance.is_worn(self.pool.sandbox.options.recycle_after_calls) {
            self.pool.end(Some(instance));
        } else {
            self.parts.instance = Some(instance);
        }
    }
}

/// What a call answers, as far as its size goes.
pub(super) trait Answer {
    /// Bytes of what a program answers; other answers are short.
    fn bytes(&self) -> u64 {
        0
    }
}

impl Answer for String {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl Answer for () {}
impl Answer for oriel_model::verdict::Verdict {}
impl Answer for oriel_model::verdict::Choice {}
impl Answer for crate::ask::HookAnswer {}

impl Drop for Lease {
    fn drop(&mut self) {
        self.abandon();
        if self.armed {
            let parts = std::mem::take(&mut self.parts);
            self.pool.give_back(parts);
        }
    }
}
