//! One instance of a component: its start, its calls, its end.

mod contributions;
mod route;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::execution::Resources;
use oriel_model::limits::Limits;
use wasmtime::{Engine, Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::answer;
use crate::ask::Ask;
use crate::bindings::{lifecycle, types};
use crate::call::{ConfigProblem, Health};
use crate::component::{Exports, Loaded};
use crate::error::{CallError, Stop, shortened};
use crate::gate::ModelUse;
use crate::lane::Lane;
use crate::meter::{self, Meter};
use crate::options::SandboxOptions;
use crate::pool::PoolSpec;
use crate::slots::Slot;
use crate::state::State;

/// A guest runs at most this many ticks before others get a turn.
const TICKS_PER_TURN: u64 = 1;

/// One of the `lifecycle` functions at work.
type Managing<'a, T> = Pin<Box<dyn Future<Output = wasmtime::Result<T>> + Send + 'a>>;

/// What a call may take.
struct Bounds {
    timeout: Duration,
    cpu: Duration,
    /// When the guest is stopped, as [`meter::now`] counts.
    hard: u64,
}

/// How a call of an exported function ended, and when.
type Ended<T> = (Result<wasmtime::Result<Result<T, types::Error>>, Stop>, u64);

/// One instance, used by one call at a time.
pub(crate) struct Instance {
    store: Store<State>,
    exports: Exports,
    meter: Arc<Meter>,
    lane: Arc<Lane>,
    calls: u32,
    /// Linear memory after the start: what it grows by later is what calls left behind.
    first_memory: u64,
    broken: bool,
    /// When its last call ended, as [`meter::now`] counts.
    pub(crate) last_used: u64,
    _slot: Slot,
}

impl Instance {
    /// Makes an instance and runs its `initialize`; in the lane when it is `suspect`.
    pub(crate) async fn start(
        engine: &Engine,
        spec: &Arc<PoolSpec>,
        options: &Arc<SandboxOptions>,
        lane: &Arc<Lane>,
        loaded: &Loaded,
        slot: Slot,
        suspect: bool,
    ) -> Result<Box<Self>, CallError> {
        let timeout = spec.limits.start_timeout.0;
        let mut store = Store::new(engine, State::new(Arc::clone(spec), Arc::clone(options)));
        store.limiter(|state| &mut state.limiter);
        store.epoch_deadline_callback(|context| {
            context.data().interrupt(meter::now())?;
            Ok(UpdateDeadline::Yield(TICKS_PER_TURN))
        });
        store.set_epoch_deadline(TICKS_PER_TURN);
        let meter = Arc::clone(&store.data().meter);
        let started = meter::now();
        store.data_mut().begin(started, timeout, timeout, None);
        let hard = store.data().call.hard;

        let start = async {
            let instance = loaded.pre.instantiate_async(&mut store).await?;
            let mut exports = loaded.indices.load(&mut store, &instance)?;
            if !spec.lifecycle {
                exports.lifecycle = None;
            }
            let answer = match &exports.lifecycle {
                Some(lifecycle) => lifecycle.call_initialize(&mut store).await?,
                None => Ok(()),
            };
            wasmtime::Result::Ok((exports, answer))
        };
        let (result, ended) = meter.run(lane, suspect, started, hard, start).await;
        let state = store.data_mut();
        state.end();
        let (exports, answer) = match result.map_err(wasmtime::Error::from).and_then(|result| result) {
            Ok(parts) => parts,
            Err(error) => {
                let reason = match failure(&error, state, timeout, timeout) {
                    CallError::Trapped { .. } if error.downcast_ref::<Trap>().is_none() => shortened(format!("{error:#}")),
                    other => other.to_string(),
                };
                return Err(CallError::StartFailed { reason });
            }
        };
        if let Err(error) = answer {
            return Err(CallError::StartFailed {
                reason: format!("`initialize` answered: {}", guest_error(error, timeout)),
            });
        }
        let first_memory = state.limiter.memory();
        Ok(Box::new(Self {
            store,
            exports,
            meter,
            lane: Arc::clone(lane),
            calls: 0,
            first_memory,
            broken: false,
            last_used: ended,
            _slot: slot,
        }))
    }

    /// Calls a program. `started` is the present moment; a `suspect` guest runs in the lane from the start.
    pub(crate) async fn execute(&mut self, ask: &Ask<'_>, input: &str, started: u64, suspect: bool) -> Result<String, CallError> {
        let bounds = self.prepare(ask, started);
        let Self {
            store,
            exports,
            meter,
            lane,
            broken,
            ..
        } = self;
        let Some(program) = &exports.program else {
            return Err(CallError::NotExported {
                interface: "oriel:extension/program",
            });
        };
        // Broken until shown otherwise: a caller that goes away in the middle leaves a guest in mid-call.
        *broken = true;
        let run = program.call_execute(&mut *store, ask.name, input);
        let ended = meter.run(lane, suspect, started, bounds.hard, run).await;
        let output = self.conclude(ended, &bounds)?;
        self.within_output(output)
    }

    /// Sets the bounds of a call that starts now.
    fn prepare(&mut self, ask: &Ask<'_>, started: u64) -> Bounds {
        let limits = &self.store.data().spec.limits;
        let cpu = limits.cpu.0;
        let timeout = ask.timeout.map_or(limits.timeout.0, |asked| asked.min(limits.timeout.0));
        self.store.data_mut().begin(started, timeout, cpu, Some(ask));
        self.store.set_epoch_deadline(TICKS_PER_TURN);
        let hard = self.store.data().call.hard;
        Bounds { timeout, cpu, hard }
    }

    /// What a call came to.
    fn conclude<T>(&mut self, (result, at): Ended<T>, bounds: &Bounds) -> Result<T, CallError> {
        self.last_used = at;
        self.calls += 1;
        self.store.data_mut().end();
        match result.map_err(wasmtime::Error::from).and_then(|result| result) {
            Ok(answer) => {
                self.broken = false;
                answer.map_err(|error| guest_error(error, bounds.timeout))
            }
            Err(error) => Err(failure(&error, self.store.data(), bounds.timeout, bounds.cpu)),
        }
    }

    /// An answer that is within the `output` limit.
    fn within_output(&self, output: String) -> Result<String, CallError> {
        answer::within_output(output, self.output_limit())
    }

    /// The most bytes that it may answer.
    fn output_limit(&self) -> u64 {
        self.store.data().spec.limits.output.0
    }

    /// What the last call cost.
    pub(crate) fn resources(&self, started: u64) -> Resources {
        Resources {
            wall_us: self.last_used.saturating_sub(started) / 1_000,
            guest_cpu_us: self.meter.cpu() / 1_000,
            peak_memory: self.store.data().limiter.peak_memory(),
            host_calls: self.meter.calls(),
        }
    }

    /// Bytes of bodies that the last call sent and got over HTTP.
    pub(crate) fn outbound_bytes(&self) -> u64 {
        self.meter.outbound()
    }

    /// What the last call asked of the model.
    pub(crate) fn model(&self) -> ModelUse {
        self.meter.model()
    }

    /// Runs one of the `lifecycle` functions under the limits of a call.
    async fn manage<T: Send>(
        &mut self,
        work: impl for<'a> FnOnce(&'a lifecycle::Guest, &'a mut Store<State>) -> Managing<'a, T>,
    ) -> Result<Option<T>, CallError> {
        let Self {
            store,
            exports,
            meter,
            lane,
            ..
        } = self;
        let Some(lifecycle) = &exports.lifecycle else { return Ok(None) };
        let limits = &store.data().spec.limits;
        let (timeout, cpu) = (limits.timeout.0, limits.cpu.0);
        let started = meter::now();
        store.data_mut().begin(started, timeout, cpu, None);
        store.set_epoch_deadline(TICKS_PER_TURN);
        let hard = store.data().call.hard;
        self.broken = true;
        let (result, ended) = meter.run(lane, false, started, hard, work(lifecycle, store)).await;
        self.last_used = ended;
        store.data_mut().end();
        match result.map_err(wasmtime::Error::from).and_then(|result| result) {
            Ok(answer) => {
                self.broken = false;
                Ok(Some(answer))
            }
            Err(error) => Err(failure(&error, store.data(), timeout, cpu)),
        }
    }

    /// Asks the guest how it is; one without `lifecycle` is well as long as it runs.
    pub(crate) async fn health_check(&mut self) -> Result<Health, CallError> {
        let health = self.manage(|guest, store| Box::pin(guest.call_health_check(store))).await?;
        Ok(health.map_or(
            Health {
                healthy: true,
                detail: None,
            },
            |health| Health {
                healthy: health.healthy,
                detail: health.detail.map(shortened),
            },
        ))
    }

    /// Asks the guest what is wrong with a configuration.
    pub(crate) async fn check_config(&mut self, config: &str) -> Result<Vec<ConfigProblem>, CallError> {
        let config = config.to_owned();
        let answer = self
            .manage(|guest, store| Box::pin(async move { guest.call_check_config(store, &config).await }))
            .await?;
        let problems = answer.and_then(Result::err).unwrap_or_default();
        let shown = |problem: lifecycle::ConfigProblem| ConfigProblem {
            path: shortened(problem.path),
            message: shortened(problem.message),
        };
        Ok(problems.into_iter().take(100).map(shown).collect())
    }

    /// Lets the guest end in order. What it does wrong no longer matters to anybody but its log.
    pub(crate) async fn shutdown(mut self: Box<Self>) {
        if self.broken {
            return;
        }
        if let Err(error) = self.manage(|guest, store| Box::pin(guest.call_shutdown(store))).await {
            let spec = &self.store.data().spec;
            tracing::debug!(extension = %spec.extension, %error, "`shutdown` failed");
        }
    }

    /// Whether it must not be used again.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether it has served long enough or holds on to too much memory.
    pub(crate) fn is_worn(&self, recycle_after_calls: u32) -> bool {
        let state = self.store.data();
        let room = state.spec.limits.memory.0.saturating_sub(self.first_memory);
        self.calls >= recycle_after_calls || state.limiter.memory().saturating_sub(self.first_memory) > room / 2
    }

    /// Whether it wants to be told of its end.
    pub(crate) fn has_shutdown(&self) -> bool {
        self.exports.lifecycle.is_some() && !self.broken
    }

    /// Bytes of linear memory that it holds.
    pub(crate) fn memory(&self) -> u64 {
        self.store.data().limiter.memory()
    }
}

/// Why a guest ended without an answer.
fn failure(error: &wasmtime::Error, state: &State, timeout: Duration, cpu: Duration) -> CallError {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stopped(*stop, &state.spec.limits, timeout, cpu);
    }
    if let Some((what, limit)) = state.limiter.refused() {
        return CallError::Memory { what, limit };
    }
    let detail = match error.downcast_ref::<Trap>() {
        Some(trap) => stubbed(error).unwrap_or_else(|| trap.to_string()),
        None => error.root_cause().to_string(),
    };
    CallError::Trapped { detail: shortened(detail) }
}

/// Why the host stopped a guest.
pub(crate) fn stopped(stop: Stop, limits: &Limits, timeout: Duration, cpu: Duration) -> CallError {
    match stop {
        Stop::Timeout => CallError::Timeout { limit: timeout },
        Stop::Cpu => CallError::Cpu { limit: cpu },
        Stop::HostCalls => CallError::HostCalls {
            what: "host calls",
            limit: u64::from(limits.host_calls),
        },
        Stop::HostBytes => CallError::HostCalls {
            what: "host call bytes",
            limit: limits.host_call_bytes.0,
        },
        Stop::Early => CallError::CallerGone,
    }
}

/// What a guest wanted that it was built without: `oriel build` names the functions that stand in for WASI after the
/// imports in whose place they trap.
fn stubbed(error: &wasmtime::Error) -> Option<String> {
    let frames = error.downcast_ref::<WasmBacktrace>()?.frames();
    // Names are the guest's own to choose: only what looks like an import is repeated.
    let plain = |name: &&str| name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_graphic());
    let name = frames.first()?.func_name().filter(|name| name.starts_with("wasi:")).filter(plain)?;
    let cure = if name.starts_with("wasi:filesystem/") || name.starts_with("wasi:sockets/") {
        "an extension has no files and no sockets"
    } else {
        "set `wasi = true` under [build] in extension.toml and build again"
    };
    Some(format!("it called `{name}`, which it was built without: {cure}"))
}

/// What the guest itself answered instead of an output.
pub(crate) fn guest_error(error: types::Error, timeout: Duration) -> CallError {
    match error {
        types::Error::InvalidInput(message) => CallError::Rejected {
            message: shortened(message),
        },
        types::Error::Unavailable(message) => CallError::Unavailable {
            message: shortened(message),
        },
        types::Error::Denied(message) => CallError::Denied {
            message: shortened(message),
        },
        types::Error::LimitExceeded(message) => CallError::LimitExceeded {
            message: shortened(message),
        },
        types::Error::DeadlineExceeded => CallError::Timeout { limit: timeout },
        types::Error::Internal(message) => CallError::Failed {
            message: shortened(message),
        },
    }
}
