//! The instances of one installation: who gets which, who waits, who is dropped.
//!
//! A [`Lease`] is the right to have one instance at work; the instance itself is made when the lease is first
//! called. Leases are handed over in the order in which they were asked for, directly from who gives back to who
//! waits.

mod contributions;
mod lease;
mod queue;
mod route;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use oriel_model::Digest;
use oriel_model::id::TenantId;
use oriel_model::limits::Limits;
use oriel_model::manifest::Reuse;
use oriel_model::name::{ExtensionName, TenantName};
use oriel_model::permissions::Permissions;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::lease::Lease;
use self::queue::Queue;
use crate::call::{Call, ConfigProblem, Health, Outcome};
use crate::component::Loaded;
use crate::error::CallError;
use crate::gate::Gate;
use crate::instance::Instance;
use crate::ports::{ComponentSource, HostServices, Remote};
use crate::remote::Service;
use crate::running::Running;
use crate::sandbox::Shared;

/// Linear memory beyond which an instance is not dropped in passing.
const LARGE: u64 = 4 << 20;

/// What answers the calls of a pool.
#[derive(Clone)]
pub enum Code {
    /// Instances of a component.
    Component {
        /// The component's digest.
        digest: Digest,
        /// Where its bytes are, should they be needed.
        source: Arc<dyn ComponentSource>,
    },
    /// A service elsewhere. Instances are ways to it: as many calls are under way at once as there may be instances.
    Remote(Arc<dyn Remote>),
}

/// What a pool runs, for whom, within what.
pub struct PoolSpec {
    /// For whom.
    pub tenant: TenantId,
    /// The tenant's name, for the call context.
    pub tenant_name: TenantName,
    /// What.
    pub extension: ExtensionName,
    /// Which release of it.
    pub version: semver::Version,
    /// What answers.
    pub code: Code,
    /// The limits in force.
    pub limits: Limits,
    /// What its administrator approved.
    pub grant: Permissions,
    /// Whether an instance may serve more than one call.
    pub reuse: Reuse,
    /// Whether the component exports `lifecycle`.
    pub lifecycle: bool,
    /// The configuration as a JSON object, secrets opened.
    pub config: Arc<str>,
    /// Where host calls end.
    pub services: HostServices,
    /// What stands before its calls; absent: nothing.
    pub gate: Option<Arc<dyn Gate>>,
}

impl PoolSpec {
    /// A pool with default limits, no grant, an empty configuration and `reuse`; set the other fields afterwards.
    #[must_use]
    pub fn new(
        tenant: TenantId,
        tenant_name: TenantName,
        extension: ExtensionName,
        version: semver::Version,
        code: Code,
        services: HostServices,
    ) -> Self {
        Self {
            tenant,
            tenant_name,
            extension,
            version,
            code,
            limits: Limits::default(),
            grant: Permissions::default(),
            reuse: Reuse::default(),
            lifecycle: false,
            config: "{}".into(),
            services,
            gate: None,
        }
    }
}

/// Numbers of one pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Instances that wait for a call.
    pub idle: u32,
    /// Leases out.
    pub busy: u32,
    /// Calls that wait for a lease.
    pub waiting: u32,
    /// Instances made so far.
    pub started: u64,
    /// Calls so far, counted when their lease ends.
    pub calls: u64,
    /// Instances dropped because of a trap, a time-out or a caller that went away.
    pub broken: u64,
}

/// A handle to the instances of one installation. Cheap to clone.
#[derive(Clone)]
pub struct Pool(pub(crate) Arc<PoolShared>);

pub(crate) struct PoolShared {
    pub(crate) spec: Arc<PoolSpec>,
    pub(crate) sandbox: Arc<Shared>,
    inner: Mutex<Inner>,
    drained: Notify,
    /// Whether the last call ended as those of hostile guests do: by a trap or past a limit. The next one then runs where
    /// it is in nobody's way; a guest that traps a thousand times a second is no better than one that never ends.
    suspect: AtomicBool,
    /// Whether the sandbox's list of pools with instances holds this one.
    listed: AtomicBool,
}

/// Instances at rest.
pub(crate) type Idle = Vec<Running>;

#[derive(Default)]
struct Inner {
    /// The least recently used first; calls take from the end.
    idle: Idle,
    leases: u32,
    queue: Queue,
    loaded: Option<Arc<Loaded>>,
    closed: bool,
    last_used: u64,
    started: u64,
    calls: u64,
    broken: u64,
}

impl Pool {
    pub(crate) fn new(spec: PoolSpec, sandbox: Arc<Shared>) -> Self {
        Self(Arc::new(PoolShared {
            spec: Arc::new(spec),
            sandbox,
            inner: Mutex::default(),
            drained: Notify::new(),
            suspect: AtomicBool::new(false),
            listed: AtomicBool::new(false),
        }))
    }

    /// Leases an instance, calls it once, gives it back.
    pub async fn call(&self, call: Call<'_>) -> Outcome {
        let limit = self.0.spec.limits.timeout.0;
        match self.lease(call.timeout.map_or(limit, |asked| asked.min(limit))).await {
            Ok(mut lease) => lease.call(call).await,
            Err(error) => Outcome::refused(error),
        }
    }

    /// Leases an instance for any number of calls, waiting at most `wait` for it. An instance that a call breaks,
    /// or that is worn out, is replaced by itself.
    ///
    /// # Errors
    /// [`CallError::Overloaded`] when the queue is full or the wait was in vain, [`CallError::Draining`] when the
    /// pool takes no more calls, [`CallError::Refused`] when its gate is closed.
    pub async fn lease(&self, wait: Duration) -> Result<Lease, CallError> {
        if let Some(gate) = &self.0.spec.gate {
            gate.open()?;
        }
        self.lease_ungated(wait).await
    }

    /// The same for the host's own purposes, whether or not the gate is open.
    async fn lease_ungated(&self, wait: Duration) -> Result<Lease, CallError> {
        let shared = &self.0;
        let ticket = {
            let mut inner = shared.inner.lock();
            if inner.closed {
                return Err(CallError::Draining);
            }
            if let Some(instance) = inner.idle.pop() {
                inner.leases += 1;
                drop(inner);
                return Ok(Lease::new(Arc::clone(shared), Some(instance)));
            }
            // With no slot left in the engine, a pool that already has a lease out waits for that one instead of
            // taking part in the competition for slots.
            let may_grow = inner.leases < shared.spec.limits.instances && (inner.leases == 0 || !shared.sandbox.slots.exhausted());
            if may_grow {
                inner.leases += 1;
                drop(inner);
                return Ok(Lease::new(Arc::clone(shared), None));
            }
            let waiting = inner.queue.len();
            if waiting >= shared.spec.limits.queue {
                return Err(CallError::Overloaded { waiting });
            }
            inner.queue.join()
        };
        let given = tokio::time::timeout(wait, queue::Waiting { ticket, pool: shared }).await;
        match given {
            Ok(Some(lease)) => Ok(lease),
            Ok(None) => Err(CallError::Draining),
            Err(_) => Err(CallError::Overloaded {
                waiting: shared.inner.lock().queue.len(),
            }),
        }
    }

    /// Asks the guest how it is. One that does not export `lifecycle` is healthy when an instance can be had.
    ///
    /// # Errors
    /// As a call's.
    pub async fn health_check(&self) -> Result<Health, CallError> {
        self.lease_ungated(self.0.spec.limits.timeout.0).await?.health_check().await
    }

    /// Asks the guest what is wrong with `config`; nothing when it does not export `lifecycle`.
    ///
    /// # Errors
    /// As a call's.
    pub async fn check_config(&self, config: &str) -> Result<Vec<ConfigProblem>, CallError> {
        self.lease_ungated(self.0.spec.limits.timeout.0).await?.check_config(config).await
    }

    /// Its numbers now.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let inner = self.0.inner.lock();
        PoolStats {
            idle: u32::try_from(inner.idle.len()).unwrap_or(u32::MAX),
            busy: inner.leases,
            waiting: inner.queue.len(),
            started: inner.started,
            calls: inner.calls,
            broken: inner.broken,
        }
    }

    /// Takes no more calls: who waits gets [`CallError::Draining`]. Waits for the leases that are out, runs
    /// `shutdown` in each instance and drops it.
    pub async fn drain(&self) {
        let (idle, queue) = {
            let mut inner = self.0.inner.lock();
            inner.closed = true;
            (std::mem::take(&mut inner.idle), std::mem::take(&mut inner.queue))
        };
        drop(queue);
        for instance in idle {
            instance.shutdown().await;
        }
        loop {
            let drained = self.0.drained.notified();
            tokio::pin!(drained);
            drained.as_mut().enable();
            if self.0.inner.lock().leases == 0 {
                break;
            }
            drained.await;
        }
        self.0.inner.lock().loaded = None;
    }
}

impl PoolShared {
    /// Makes an instance for a lease.
    async fn start(self: &Arc<Self>) -> Result<Running, CallError> {
        let sandbox = &self.sandbox;
        let running = match &self.spec.code {
            Code::Component { digest, source } => Running::Component(self.start_component(*digest, &**source).await?),
            Code::Remote(remote) => Running::Service(Box::new(Service::new(remote.connect(), &self.spec, sandbox))),
        };
        if !self.listed.swap(true, Relaxed) {
            sandbox.pools.lock().push(Arc::downgrade(self));
        }
        Ok(running)
    }

    async fn start_component(&self, digest: Digest, source: &dyn ComponentSource) -> Result<Box<Instance>, CallError> {
        let sandbox = &self.sandbox;
        let loaded = self.inner.lock().loaded.clone();
        let loaded = match loaded {
            Some(loaded) => loaded,
            None => {
                let loaded = sandbox.components.load(digest, source).await?;
                self.inner.lock().loaded = Some(Arc::clone(&loaded));
                loaded
            }
        };
        let slot = match sandbox.slots.try_take() {
            Some(slot) => slot,
            None => {
                sandbox.evict_idle();
                let slot = sandbox.slots.take(self.spec.limits.timeout.0).await;
                slot.ok_or_else(|| CallError::Overloaded {
                    waiting: self.inner.lock().queue.len(),
                })?
            }
        };
        Instance::start(
            &sandbox.engine,
            &self.spec,
            &sandbox.options,
            &sandbox.lane,
            &loaded,
            slot,
            self.is_suspect(),
        )
        .await
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.suspect.load(Relaxed)
    }

    /// Remembers how a call ended.
    fn judge(&self, error: Option<&CallError>) {
        let suspect = error.is_some_and(CallError::is_excess);
        if suspect != self.is_suspect() {
            self.suspect.store(suspect, Relaxed);
        }
    }

    /// Takes a lease back: to who waits, to rest, or to its end.
    fn give_back(self: &Arc<Self>, mut lease: lease::Parts) {
        let slot_wanted = self.sandbox.slots.wanted();
        let mut inner = self.inner.lock();
        inner.started += lease.started;
        inner.calls += lease.calls;
        inner.broken += lease.broken;
        inner.last_used = inner.last_used.max(lease.last_used);
        let mut gone = None;
        if slot_wanted || inner.closed {
            gone = lease.instance.take();
        }
        loop {
            let Some(next) = inner.queue.next() else { break };
            drop(inner);
            match next.send(Lease::new(Arc::clone(self), lease.instance.take())) {
                Ok(()) => {
                    self.end(gone);
                    return;
                }
                // Who waited has gone away; the right passes on.
                Err(returned) => lease.instance = returned.disarm(),
            }
            inner = self.inner.lock();
        }
        inner.leases -= 1;
        if inner.closed {
            gone = gone.or_else(|| lease.instance.take());
            if inner.leases == 0 {
                self.drained.notify_waiters();
            }
        }
        if let Some(instance) = lease.instance.take() {
            inner.idle.push(instance);
        }
        drop(inner);
        self.end(gone);
    }

    /// Drops an instance, in order if it wants to be told. One that grew large takes milliseconds to unmap, which is
    /// not for the threads that serve calls.
    fn end(&self, instance: Option<Running>) {
        if let Some(instance) = instance
            && (instance.has_shutdown() || instance.memory() > LARGE)
        {
            self.sandbox.bury(instance);
        }
    }

    /// When the instance that has been idle longest was last used.
    pub(crate) fn oldest_idle(&self) -> Option<u64> {
        self.inner.lock().idle.first().map(Running::last_used)
    }

    /// Drops the instance that has been idle longest. Answers whether there was one.
    pub(crate) fn drop_oldest_idle(&self) -> bool {
        let mut inner = self.inner.lock();
        if inner.idle.is_empty() {
            return false;
        }
        let instance = inner.idle.remove(0);
        drop(inner);
        self.end(Some(instance));
        true
    }

    /// Takes out instances that were last used before `before`, and lets go of the component if the whole pool
    /// was not used since. Answers also whether the pool can be taken off the list.
    pub(crate) fn reap(&self, before: u64) -> (Idle, bool) {
        let mut inner = self.inner.lock();
        let stale = inner.idle.iter().take_while(|instance| instance.last_used() < before).count();
        let reaped = inner.idle.drain(..stale).collect();
        let unused = inner.idle.is_empty() && inner.leases == 0 && inner.last_used < before;
        if unused {
            inner.loaded = None;
            self.listed.store(false, Relaxed);
        }
        (reaped, unused)
    }

    /// Whether the sandbox's list should hold it.
    pub(crate) fn is_listed(&self) -> bool {
        self.listed.load(Relaxed)
    }

    /// Bytes of linear memory in idle instances.
    pub(crate) fn idle_memory(&self) -> u64 {
        self.inner.lock().idle.iter().map(Running::memory).sum()
    }
}
