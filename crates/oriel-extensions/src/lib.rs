//! Installations: which release of an extension runs for a tenant, what it was granted, how it is configured;
//! and dispatch, which turns "call this program" into a pool of instances.
//!
//! [`Extensions`] is the service. Its two halves:
//! - **Lifecycle** ([`Extensions::install`], `upgrade`, `roll_back`, `consent`, `enable`, `configure`, `uninstall`): each
//!   change is checked whole, compiled, written in one transaction with its audit entry, and only then takes
//!   effect. A crash in between leaves the former state and at most an unused file.
//! - **Dispatch** ([`Extensions::handle`], [`Handle::active`]): lock-free on the hot path. A release is loaded at its
//!   first call, and a replaced one drains: calls in flight end on the release that they began on.
//!
//! Not here: HTTP, SQL, WebAssembly (`oriel-sandbox`), tasks and their schemas (`oriel-tasks`).

mod active;
mod change;
mod code;
mod config;
mod dependencies;
mod dispatch;
mod error;
mod guest_store;
mod install;
mod lifecycle;
mod logs;
mod refusals;
mod status;
mod watch;

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use oriel_access::{Access, Sealer};
use oriel_model::id::TenantId;
use oriel_model::limits::Limits;
use oriel_model::name::ExtensionName;
use oriel_model::time::Clock;
use oriel_package::ReadLimits;
use oriel_sandbox::Sandbox;
use oriel_store::Stores;
use parking_lot::{Mutex, RwLock};

pub use self::active::{Active, Program};
pub use self::code::CodeLookups;
pub use self::config::SECRET_MASK;
pub use self::dispatch::Handle;
pub use self::error::ExtensionError;
pub use self::install::{Consent, Inspection};
pub use self::logs::LogWakeups;
pub use self::status::{Health, HealthState, Status};
pub use self::watch::Watcher;
pub use oriel_sandbox::SandboxStats;

/// What the service is told by its operator.
#[derive(Debug, Clone)]
pub struct ExtensionsOptions {
    /// The most that any manifest or administrator may set per limit.
    pub ceiling: Limits,
    /// Private networks that may be granted at all; empty means none, whatever a tenant's administrator says.
    pub private_networks: Vec<IpNet>,
    /// How large a package may be.
    pub package: ReadLimits,
}

impl Default for ExtensionsOptions {
    fn default() -> Self {
        Self {
            ceiling: Limits::ceiling(),
            private_networks: Vec::new(),
            package: ReadLimits::default(),
        }
    }
}

/// A lock for each installation that somebody is changing.
type Locks = HashMap<(TenantId, ExtensionName), Arc<tokio::sync::Mutex<()>>>;

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Extensions {
    shared: Arc<Shared>,
}

struct Shared {
    options: ExtensionsOptions,
    stores: Stores,
    sandbox: Sandbox,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    slots: RwLock<HashMap<TenantId, HashMap<ExtensionName, Arc<dispatch::Slot>>>>,
    /// One lifecycle operation per installation at a time on this node; the revision guards between nodes.
    busy: Mutex<Locks>,
    /// Shared from when a package is kept until something refers to it, alone while one is forgotten: tenants that
    /// install the same package share its file.
    packages: tokio::sync::RwLock<()>,
    logs: logs::LogWriter,
    refusals: refusals::RefusalWriter,
    code: Arc<code::Lookups>,
}

impl std::fmt::Debug for Extensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Extensions")
    }
}

impl Extensions {
    /// The service over these stores and this sandbox. Starts its background writers, so call it on a runtime.
    #[must_use]
    pub fn new(
        options: ExtensionsOptions,
        stores: Stores,
        sandbox: Sandbox,
        access: Access,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let logs = logs::LogWriter::start(stores.logs.clone(), clock.clone());
        let refusals = refusals::RefusalWriter::start(access, clock.clone());
        let shared = Shared {
            options,
            stores,
            sandbox,
            sealer,
            clock,
            slots: RwLock::default(),
            busy: Mutex::default(),
            packages: tokio::sync::RwLock::default(),
            logs,
            refusals,
            code: Arc::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Writes what still waits in memory (log lines, refusals). Asked before the process ends.
    pub async fn flush(&self) {
        self.shared.logs.flush().await;
        self.shared.refusals.flush().await;
    }
}
