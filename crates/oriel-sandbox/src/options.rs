//! How a sandbox is set up.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ports::{Clock, Connect, Resolve};
use crate::trust::TrustedRoots;

/// Settings of a [`Sandbox`](crate::Sandbox). `SandboxOptions::new` has a sound value for each.
#[derive(Clone)]
pub struct SandboxOptions {
    /// Where native artifacts are kept. Only this process's user may be able to write there: what lies in it is
    /// run as machine code.
    pub cache_dir: PathBuf,
    /// The most linear memory, in bytes, that idle and busy instances should hold together. A hint: when it is
    /// passed, idle instances are dropped sooner; no call is refused for it.
    pub max_memory: u64,
    /// Component instances alive at once in the whole engine. When idle ones use them up, the least recently
    /// used gives way.
    pub max_instances: u32,
    /// How often running guests are looked at: the granularity of `cpu` and `timeout` limits, and the longest
    /// turn that a busy guest takes before its neighbours run.
    pub tick: Duration,
    /// How long an instance, and after it the mapped code of its component, may lie idle.
    pub idle_after: Duration,
    /// Calls after which a reused instance is replaced by a new one.
    pub recycle_after_calls: u32,
    /// How host names of outbound requests become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// What stands in for the network in outbound requests; absent: TCP, with TLS for `https`.
    pub connector: Option<Arc<dyn Connect>>,
    /// Whose certificates outbound `https` trusts.
    pub trusted_roots: TrustedRoots,
    /// The wall clock that guests see.
    pub clock: Arc<dyn Clock>,
    /// Where remote services reach this node for their host calls; absent: they cannot make any.
    pub callback_url: Option<String>,
}

impl SandboxOptions {
    /// 1,000 instances, a tick of 1 ms, idle after 60 s, recycled after 100,000 calls, 4 GiB as the memory hint,
    /// the
    /// system's resolver and clock, and the certificate authorities that Mozilla trusts.
    #[must_use]
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            max_memory: 4 << 30,
            max_instances: 1_000,
            tick: Duration::from_millis(1),
            idle_after: Duration::from_secs(60),
            recycle_after_calls: 100_000,
            resolver: Arc::new(SystemResolver),
            connector: None,
            trusted_roots: TrustedRoots::mozilla(),
            clock: Arc::new(SystemClock),
            callback_url: None,
        }
    }
}

impl std::fmt::Debug for SandboxOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxOptions")
            .field("cache_dir", &self.cache_dir)
            .field("max_memory", &self.max_memory)
            .field("max_instances", &self.max_instances)
            .field("tick", &self.tick)
            .field("idle_after", &self.idle_after)
            .field("recycle_after_calls", &self.recycle_after_calls)
            .field("trusted_roots", &self.trusted_roots)
            .finish_non_exhaustive()
    }
}

/// Asks the operating system (`getaddrinfo`).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

#[async_trait::async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// The system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_time(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}
