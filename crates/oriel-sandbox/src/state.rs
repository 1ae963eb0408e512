//! What a store holds: the instance's identity, its counters, and the call in progress.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::access::PrincipalId;
use oriel_model::id::{ExecutionId, TaskId};

use crate::ask::Ask;
use crate::caller::Caller;
use crate::error::Stop;
use crate::host::log::Lines;
use crate::host::secrets::Placeholders;
use crate::host::wasi::Wasi;
use crate::limiter::Limiter;
use crate::meter::{self, Meter};
use crate::options::SandboxOptions;
use crate::pool::PoolSpec;
use crate::ports::Refusal;

/// After the soft deadline, the time that a guest has to end by itself.
pub(crate) const GRACE: Duration = Duration::from_millis(50);

/// What a guest is told that wants an effect in a dry run.
pub(crate) const DRY_RUN: &str = "this is a dry run: nothing may be changed or sent";

/// The data of one store, that is, of one instance.
pub(crate) struct State {
    pub(crate) spec: Arc<PoolSpec>,
    pub(crate) options: Arc<SandboxOptions>,
    pub(crate) limiter: Limiter,
    pub(crate) meter: Arc<Meter>,
    pub(crate) call: InCall,
    /// What stands for secrets in this instance.
    pub(crate) placeholders: Arc<Placeholders>,
    /// Made when the guest first logs.
    pub(crate) lines: Option<Arc<Lines>>,
    /// Made when the guest first makes a WASI call: most calls never do.
    pub(crate) wasi: Option<Box<Wasi>>,
}

/// The call in progress.
#[derive(Default)]
pub(crate) struct InCall {
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) task: Option<TaskId>,
    pub(crate) principal: Option<PrincipalId>,
    /// On whose behalf the call is made.
    pub(crate) user: Option<Arc<str>>,
    /// Keeps its allocation from call to call.
    pub(crate) traceparent: String,
    /// The configuration of the binding by which the call came.
    pub(crate) binding: Option<Arc<str>>,
    /// Whether host calls with an effect are refused.
    pub(crate) dry_run: bool,
    /// The extension that made the call, if one did.
    pub(crate) caller: Option<Arc<Caller>>,
    /// What this extension is to those that it calls; made when it first does.
    pub(crate) calls_as: Option<Arc<Caller>>,
    /// When host calls begin to answer `deadline-exceeded`, as [`meter::now`] counts.
    pub(crate) soft: u64,
    /// When the guest is stopped.
    pub(crate) hard: u64,
    /// Nanoseconds that guest code may run.
    pub(crate) cpu: u64,
}

impl State {
    pub(crate) fn new(spec: Arc<PoolSpec>, options: Arc<SandboxOptions>) -> Self {
        Self {
            limiter: Limiter::new(&spec.limits),
            meter: Arc::default(),
            call: InCall::default(),
            placeholders: Arc::default(),
            lines: None,
            wasi: None,
            spec,
            options,
        }
    }

    /// A call starts at `started` and has `timeout`; `ask` is absent for what the host does itself.
    pub(crate) fn begin(&mut self, started: u64, timeout: Duration, cpu: Duration, ask: Option<&Ask<'_>>) {
        self.meter.begin();
        self.limiter.begin();
        self.call.soft = started.saturating_add(meter::nanos(timeout));
        self.call.hard = self.call.soft.saturating_add(meter::nanos(GRACE));
        self.call.cpu = meter::nanos(cpu);
        self.call.traceparent.clear();
        self.call.binding = ask.and_then(|ask| ask.binding.cloned());
        self.call.dry_run = ask.is_some_and(|ask| ask.dry_run);
        self.call.user = ask.and_then(|ask| ask.user).map(Arc::from);
        self.call.caller = ask.and_then(|ask| ask.caller.cloned());
        self.call.calls_as = None;
        if let Some(ask) = ask {
            self.call.execution = Some(ask.execution);
            self.call.task = ask.task;
            self.call.principal = ask.principal;
            self.call.traceparent.push_str(ask.traceparent.unwrap_or_default());
        } else {
            self.call.execution = None;
            self.call.task = None;
            self.call.principal = None;
        }
        if let Some(lines) = &self.lines {
            lines.begin(self.call.execution, self.spec.limits.log.0);
        }
        if let Some(wasi) = &mut self.wasi {
            wasi.begin(&self.call, &self.spec.limits);
        }
    }

    /// The call is over.
    pub(crate) fn end(&mut self) {
        if let Some(wasi) = &mut self.wasi {
            wasi.end();
        }
        if let Some(lines) = &self.lines {
            lines.end();
        }
    }

    /// Counts one host call that moves `bytes`; fails, which traps the guest, when that is too much.
    pub(crate) fn host_call(&self, bytes: usize) -> Result<(), Stop> {
        if self.meter.count_call() > self.spec.limits.host_calls {
            return Err(Stop::HostCalls);
        }
        self.host_bytes(bytes)
    }

    /// Counts bytes that a host call moved beside those it was entered with.
    pub(crate) fn host_bytes(&self, bytes: usize) -> Result<(), Stop> {
        if self.meter.count_bytes(bytes as u64) > self.spec.limits.host_call_bytes.0 {
            return Err(Stop::HostBytes);
        }
        Ok(())
    }

    /// Ends the guest's turn. Fails when it must be stopped altogether.
    pub(crate) fn interrupt(&self, now: u64) -> Result<(), Stop> {
        let cpu = self.meter.interrupt(now);
        let limits = &self.spec.limits;
        if self.meter.calls() > limits.host_calls {
            return Err(Stop::HostCalls);
        }
        if self.meter.bytes() > limits.host_call_bytes.0 {
            return Err(Stop::HostBytes);
        }
        if cpu > self.call.cpu {
            return Err(Stop::Cpu);
        }
        if now > self.call.hard {
            return Err(Stop::Timeout);
        }
        Ok(())
    }

    /// Time until the soft deadline; nothing once it has passed.
    pub(crate) fn left(&self) -> Option<Duration> {
        let left = self.call.soft.saturating_sub(meter::now());
        (left > 0).then(|| Duration::from_nanos(left))
    }

    /// Tells the audit log of a host call that the grant does not cover.
    pub(crate) fn refuse(&self, what: String) {
        self.spec.services.refusals.refused(Refusal {
            tenant: self.spec.tenant,
            extension: self.spec.extension.clone(),
            execution: self.call.execution,
            what,
        });
    }

    /// The log of the call in progress.
    pub(crate) fn lines(&mut self) -> &Arc<Lines> {
        self.lines.get_or_insert_with(|| {
            let lines = Lines::new(Arc::clone(&self.spec.services.log));
            lines.begin(self.call.execution, self.spec.limits.log.0);
            Arc::new(lines)
        })
    }
}
