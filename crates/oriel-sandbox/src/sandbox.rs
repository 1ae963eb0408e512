//! The handle to it all.

use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Weak};

use oriel_model::Digest;
use oriel_model::manifest::Manifest;
use parking_lot::Mutex;
use wasmtime::Engine;

use crate::cache::Cache;
use crate::component::Components;
use crate::error::SandboxError;
use crate::lane::Lane;
use crate::options::SandboxOptions;
use crate::pool::{Idle, Pool, PoolShared, PoolSpec};
use crate::remote::{HostCallError, UnderWay};
use crate::running::Running;
use crate::shape::Shape;
use crate::slots::Slots;
use crate::{engine, host, reaper, ticker};

/// One engine and what belongs to it. Cheap to clone; the engine ends with its last handle, pool and lease.
#[derive(Clone)]
pub struct Sandbox(Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) options: Arc<SandboxOptions>,
    pub(crate) components: Arc<Components>,
    pub(crate) slots: Slots,
    pub(crate) lane: Arc<Lane>,
    /// Pools that have, or lately had, instances.
    pub(crate) pools: Mutex<Vec<Weak<PoolShared>>>,
    graves: Sender<Running>,
    /// Calls of remote services that are under way.
    pub(crate) under_way: Arc<UnderWay>,
}

/// Numbers of all pools together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SandboxStats {
    /// Instances that wait for a call.
    pub idle: u64,
    /// Leases out.
    pub busy: u64,
    /// Calls that wait for a lease.
    pub waiting: u64,
    /// Bytes of linear memory in idle instances.
    pub idle_memory: u64,
}

impl Sandbox {
    /// Sets up the engine, opens the code cache and starts the ticker and the reaper.
    ///
    /// # Errors
    /// When the cache directory cannot be made, or this machine cannot run the engine.
    pub fn new(options: SandboxOptions) -> Result<Self, SandboxError> {
        let engine = engine::new(&options)?;
        let cache = Cache::open(&options.cache_dir, &engine::fingerprint(&engine))?;
        let linker = host::linker(&engine)?;
        ticker::start(&engine, options.tick)?;
        let (graves, dug) = mpsc::channel();
        let idle_after = options.idle_after;
        let shared = Arc::new(Shared {
            components: Arc::new(Components::new(engine.clone(), linker, cache)),
            slots: Slots::new(options.max_instances.max(1)),
            lane: Arc::new(Lane::new()),
            pools: Mutex::default(),
            engine,
            options: Arc::new(options),
            graves,
            under_way: Arc::default(),
        });
        reaper::start(Arc::downgrade(&shared), dug, idle_after)?;
        Ok(Self(shared))
    }

    /// Reads what a component imports and exports. Compiles nothing.
    ///
    /// # Errors
    /// [`SandboxError::Invalid`] when the bytes are not a component.
    pub fn inspect(wasm: &[u8]) -> Result<Shape, SandboxError> {
        Shape::read(wasm)
    }

    /// Whether a component fits its manifest.
    ///
    /// # Errors
    /// The first thing that does not: [`SandboxError::Import`] or [`SandboxError::Export`].
    pub fn check(shape: &Shape, manifest: &Manifest) -> Result<(), SandboxError> {
        shape.check(manifest)
    }

    /// Compiles a component, unless that was done before. Answers whether it was done now. Must run within a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the bytes have another digest, are not usable, or the cache cannot be written.
    pub async fn prepare(&self, component: Digest, wasm: &[u8]) -> Result<bool, SandboxError> {
        self.0.components.prepare(component, wasm.to_vec()).await
    }

    /// Whether a component was compiled before, as far as a look at the directory tells.
    #[must_use]
    pub fn is_prepared(&self, component: Digest) -> bool {
        self.0.components.is_prepared(component)
    }

    /// Numbers of all pools together.
    #[must_use]
    pub fn stats(&self) -> SandboxStats {
        let pools: Vec<_> = self.0.pools.lock().iter().filter_map(Weak::upgrade).collect();
        pools.into_iter().fold(SandboxStats::default(), |sum, shared| {
            let idle_memory = shared.idle_memory();
            let stats = Pool(shared).stats();
            SandboxStats {
                idle: sum.idle + u64::from(stats.idle),
                busy: sum.busy + u64::from(stats.busy),
                waiting: sum.waiting + u64::from(stats.waiting),
                idle_memory: sum.idle_memory + idle_memory,
            }
        })
    }

    /// What it was set up with.
    #[must_use]
    pub fn options(&self) -> &SandboxOptions {
        &self.0.options
    }

    /// Whether a call of a remote service that was given this token is under way.
    #[must_use]
    pub fn is_under_way(&self, token: &str) -> bool {
        self.0.under_way.knows(token)
    }

    /// Answers a host call that a remote service makes over HTTP, in JSON, for the call that `token` belongs to. The same checks,
    /// limits and accounts hold as for a component's host calls.
    ///
    /// # Errors
    /// [`HostCallError::Token`] when no such call is under way, [`HostCallError::Unknown`] when there is no such function, and
    /// whatever the function itself answers.
    pub async fn host_call(&self, token: &str, function: &str, arguments: &[u8]) -> Result<serde_json::Value, HostCallError> {
        self.0.under_way.host_call(token, function, arguments).await
    }

    /// A pool of instances. Nothing is loaded until its first call, which must run within a tokio runtime.
    #[must_use]
    pub fn pool(&self, spec: PoolSpec) -> Pool {
        Pool::new(spec, Arc::clone(&self.0))
    }
}

impl Shared {
    /// Makes room: drops the instance, of whatever pool, that has been idle longest.
    pub(crate) fn evict_idle(&self) {
        let pools: Vec<_> = self.pools.lock().iter().filter_map(Weak::upgrade).collect();
        let oldest = pools
            .iter()
            .filter_map(|pool| Some((pool.oldest_idle()?, pool)))
            .min_by_key(|(last_used, _)| *last_used);
        if let Some((_, pool)) = oldest {
            pool.drop_oldest_idle();
        }
    }

    /// Hands an instance over to be shut down in order.
    pub(crate) fn bury(&self, instance: Running) {
        // The reaper outlives the sandbox; if its thread died, the instance is dropped without a word.
        let _ = self.graves.send(instance);
    }

    /// Takes out the instances that were last used before `before`, and the longest idle ones while all of them
    /// hold more memory than the hint allows.
    pub(crate) fn reap(&self, before: u64) -> Idle {
        let listed: Vec<_> = self.pools.lock().iter().filter_map(Weak::upgrade).collect();
        let mut reaped = Idle::new();
        let mut unlisted = false;
        let mut memory = 0u64;
        for pool in &listed {
            let (instances, unused) = pool.reap(before);
            reaped.extend(instances);
            unlisted |= unused;
            memory += pool.idle_memory();
        }
        if unlisted {
            self.pools.lock().retain(|pool| pool.upgrade().is_some_and(|pool| pool.is_listed()));
        }
        while memory > self.options.max_memory {
            self.evict_idle();
            let left = listed.iter().map(|pool| pool.idle_memory()).sum();
            if left >= memory {
                break;
            }
            memory = left;
        }
        self.components.tidy();
        reaped
    }
}
