//! The right to have one instance at work.

use std::sync::Arc;

use oriel_model::execution::Resources;
use oriel_model::manifest::Reuse;

use super::PoolShared;
use crate::call::{Call, ConfigProblem, Health, Outcome};
use crate::error::CallError;
use crate::instance::Instance;
use crate::meter;

/// One instance of a pool, for any number of calls. Given back when dropped; dropping it, or a call's future, in
/// the middle of a call drops the instance.
pub struct Lease {
    pool: Arc<PoolShared>,
    parts: Parts,
    armed: bool,
}

/// What a lease brings back.
#[derive(Default)]
pub(super) struct Parts {
    /// Made when first needed; taken out during a call, so that a call that is dropped takes it along.
    pub(super) instance: Option<Box<Instance>>,
    pub(super) started: u64,
    pub(super) calls: u64,
    pub(super) broken: u64,
    pub(super) last_used: u64,
}

impl Lease {
    pub(super) fn new(pool: Arc<PoolShared>, instance: Option<Box<Instance>>) -> Self {
        Self {
            pool,
            parts: Parts {
                instance,
                ..Parts::default()
            },
            armed: true,
        }
    }

    /// Takes the lease apart without giving it back.
    pub(super) fn disarm(mut self) -> Option<Box<Instance>> {
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
        let limit = self.pool.spec.limits.input.0;
        if call.input.len() as u64 > limit {
            let length = call.input.len() as u64;
            return Outcome {
                result: Err(CallError::InputTooLarge { length, limit }),
                resources: Resources::default(),
            };
        }
        let leased = meter::now();
        let mut started = leased;
        let mut instance = match self.parts.instance.take() {
            Some(instance) => instance,
            None => match self.start().await {
                Ok(instance) => {
                    started = meter::now();
                    instance
                }
                Err(error) => {
                    let wall_us = (meter::now() - leased) / 1_000;
                    return Outcome {
                        result: Err(error),
                        resources: Resources {
                            wall_us,
                            ..Resources::default()
                        },
                    };
                }
            },
        };
        self.parts.calls += 1;
        let result = instance.execute(&call, started, self.pool.is_suspect()).await;
        self.pool.judge(result.as_ref().err());
        let resources = instance.resources(leased);
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

    async fn instance(&mut self) -> Result<Box<Instance>, CallError> {
        match self.parts.instance.take() {
            Some(instance) => Ok(instance),
            None => self.start().await,
        }
    }

    async fn start(&mut self) -> Result<Box<Instance>, CallError> {
        let instance = self.pool.start().await.inspect_err(|error| self.pool.judge(Some(error)))?;
        self.parts.started += 1;
        Ok(instance)
    }

    /// Keeps the instance for the next call, if there may be one.
    fn keep(&mut self, instance: Box<Instance>) {
        self.parts.last_used = instance.last_used;
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

impl Drop for Lease {
    fn drop(&mut self) {
        if self.armed {
            let parts = std::mem::take(&mut self.parts);
            self.pool.give_back(parts);
        }
    }
}
