//! What a store holds: the instance's identity, its counters, and the call in progress.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::id::{ExecutionId, KeyId, TaskId};

use crate::call::Call;
use crate::error::Stop;
use crate::host::log::Lines;
use crate::host::wasi::Wasi;
use crate::limiter::Limiter;
use crate::meter::{self, Meter};
use crate::options::SandboxOptions;
use crate::pool::PoolSpec;
use crate::ports::Refusal;

/// After the soft deadline, the time that a guest has to end by itself.
const GRACE: Duration = Duration::from_millis(50);

/// The data of one store, that is, of one instance.
pub(crate) struct State {
    pub(crate) spec: Arc<PoolSpec>,
    pub(crate) options: Arc<SandboxOptions>,
    pub(crate) limiter: Limiter,
    pub(crate) meter: Arc<Meter>,
    pub(crate) call: InCall,
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
    pub(crate) principal: Option<KeyId>,
    /// Keeps its allocation from call to call.
    pub(crate) traceparent: String,
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
            lines: None,
            wasi: None,
            spec,
            options,
        }
    }

    /// A call starts at `started` and has `timeout`; `call` is absent for what the host does itself.
    pub(crate) fn begin(&mut self, started: u64, timeout: Duration, cpu: Duration, call: Option<&Call<'_>>) {
        self.meter.begin();
        self.limiter.begin();
        self.call.soft = started.saturating_add(meter::nanos(timeout));
        self.call.hard = self.call.soft.saturating_add(meter::nanos(GRACE));
        self.call.cpu = meter::nanos(cpu);
        self.call.traceparent.clear();
        if let Some(call) = call {
            self.call.execution = Some(call.execution);
            self.call.task = call.task;
            self.call.principal = call.principal;
            self.call.traceparent.push_str(call.traceparent.unwrap_or_default());
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
