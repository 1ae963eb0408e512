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
mod anomalies;
mod baseline;
mod bindings;
mod budget;
mod canary;
mod change;
mod circuit;
mod code;
mod collections;
mod config;
mod contributions;
mod dependencies;
mod dispatch;
mod error;
mod guest_calls;
mod guest_collections;
mod guest_metrics;
mod guest_store;
mod health;
mod install;
mod jobs;
mod lifecycle;
mod logs;
mod models;
mod moment;
mod refusals;
mod remote;
mod routes;
mod secrets;
mod status;
mod usage;
mod watch;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use ipnet::IpNet;
use oriel_access::{Access, Sealer};
use oriel_model::hook::Hook;
use oriel_model::id::TenantId;
use oriel_model::limits::Limits;
use oriel_model::name::ExtensionName;
use oriel_model::time::Clock;
use oriel_package::ReadLimits;
use oriel_sandbox::Sandbox;
use oriel_store::{Stores, UsageDelta};
use parking_lot::{Mutex, RwLock};

pub use self::active::{Active, HandlerSchemas, Program};
pub use self::baseline::{AnomalyEvent, AnomalyEvents, AnomalyOptions, BaselineReport, BaselineSeries};
pub use self::bindings::{
    Around, BindingPatch, BindingStatus, Bound, BoundToTask, Conflict, ConflictKind, Declared, Inactive, NewBinding, Party, Points,
    Resolution, Way,
};
pub use self::budget::BudgetUse;
pub use self::canary::{CanaryChange, CanaryCounts, CanaryStatus, Chosen, Trial};
pub use self::change::Changed;
pub use self::code::CodeLookups;
pub use self::config::SECRET_MASK;
pub use self::contributions::{ContributionFilter, ContributionStatus};
pub use self::dispatch::Handle;
pub use self::error::ExtensionError;
pub use self::guest_collections::{Declared as DeclaredCollections, GuestCollections};
pub use self::guest_metrics::{GUEST_BUCKETS, GuestMetrics, GuestSeries, GuestValue};
pub use self::health::{HealthEvent, HealthEvents, HealthNumbers, HealthOptions, HealthReport, PolicyReport, WindowCounts};
pub use self::install::{Consent, Inspection, InstallOptions};
pub use self::jobs::{JobOptions, NewJobRun};
pub use self::logs::LogWakeups;
pub use self::models::{EndpointError, EndpointReply, EndpointRequest, ModelEndpoint, ModelOptions, ModelPrice};
pub use self::moment::{ManualStopwatch, Stopwatch, SystemStopwatch};
pub use self::remote::{MAX_OVERLAP, WithSigningSecret};
pub use self::routes::{AtAddress, RouteFound};
pub use self::secrets::SecretStatus;
pub use self::status::Status;
pub use self::usage::{Prices, UsageGroups, UsageRow};
pub use self::watch::Watcher;
pub use self::worker::{Settled, Worker};
pub use oriel_sandbox::{HostCallError, SandboxStats};

/// What the service is told by its operator.
#[derive(Debug, Clone)]
pub struct ExtensionsOptions {
    /// The most that any manifest or administrator may set per limit.
    pub ceiling: Limits,
    /// Private networks that may be granted at all; empty means none, whatever a tenant's administrator says.
    pub private_networks: Vec<IpNet>,
    /// How large a package may be.
    pub package: ReadLimits,
    /// This node's name among the nodes of one database.
    pub node: String,
    /// When an installation counts as ill, and what is done about it.
    pub health: HealthOptions,
    /// How it is learned what is usual, and what is not.
    pub anomalies: AnomalyOptions,
    /// How many jobs run at once.
    pub jobs: JobOptions,
    /// The model that extensions may ask; none when absent.
    pub model: Option<ModelOptions>,
    /// The clock of windows and back-offs.
    pub stopwatch: Arc<dyn Stopwatch>,
    /// The hooks that the platform declares for every tenant.
    pub platform_hooks: Vec<Hook>,
}

impl Default for ExtensionsOptions {
    fn default() -> Self {
        Self {
            ceiling: Limits::ceiling(),
            private_networks: Vec::new(),
            package: ReadLimits::default(),
            node: "local".to_owned(),
            health: HealthOptions::default(),
            anomalies: AnomalyOptions::default(),
            jobs: JobOptions::default(),
            model: None,
            stopwatch: Arc::new(SystemStopwatch),
            platform_hooks: Vec::new(),
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
    /// Itself, for those that it holds and that ask it back.
    this: Weak<Self>,
    options: ExtensionsOptions,
    stores: Stores,
    sandbox: Sandbox,
    access: Access,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    slots: RwLock<HashMap<TenantId, HashMap<ExtensionName, Arc<dispatch::Slot>>>>,
    bindings: bindings::Slots,
    /// One lifecycle operation per installation at a time on this node; the revision guards between nodes.
    busy: Mutex<Locks>,
    /// Shared from when a package is kept until something refers to it, alone while one is forgotten: tenants that
    /// install the same package share its file.
    packages: tokio::sync::RwLock<()>,
    logs: logs::LogWriter,
    refusals: refusals::RefusalWriter,
    code: Arc<code::Lookups>,
    canaries: canary::Registry,
    guest_metrics: guest_metrics::Boards,
    health: Arc<health::Common>,
    jobs: jobs::Running,
    baselines: baseline::Watches,
    /// Listeners to anomalies may lag behind so many.
    anomaly_events: tokio::sync::broadcast::Sender<AnomalyEvent>,
    /// Anomalies raised since the start.
    raised: std::sync::atomic::AtomicU64,
    /// Listeners to committed changes may lag behind so many.
    changes: tokio::sync::broadcast::Sender<Changed>,
    /// Of releases that were replaced, while somebody may still finish on them.
    retired: Mutex<Vec<Arc<health::Health>>>,
    /// What calls took and no store has yet.
    unwritten: tokio::sync::Mutex<Vec<UsageDelta>>,
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
        let refusals = refusals::RefusalWriter::start(access.clone(), clock.clone());
        let health = Arc::new(health::Common {
            options: options.health.clone(),
            stopwatch: options.stopwatch.clone(),
            hub: health::Hub::new(),
        });
        let jobs = jobs::Running::new(options.jobs, &stores, clock.clone());
        let shared = Arc::new_cyclic(|this| Shared {
            this: this.clone(),
            jobs,
            changes: tokio::sync::broadcast::channel(1_024).0,
            options,
            stores,
            sandbox,
            access,
            sealer,
            clock,
            slots: RwLock::default(),
            bindings: bindings::Slots::default(),
            busy: Mutex::default(),
            packages: tokio::sync::RwLock::default(),
            logs,
            refusals,
            code: Arc::default(),
            canaries: canary::Registry::default(),
            guest_metrics: guest_metrics::Boards::default(),
            health,
            baselines: baseline::Watches::default(),
            anomaly_events: tokio::sync::broadcast::channel(1_024).0,
            raised: std::sync::atomic::AtomicU64::new(0),
            retired: Mutex::default(),
            unwritten: tokio::sync::Mutex::default(),
        });
        health::start_keeper(&shared);
        canary::start_judge(&shared);
        Self { shared }
    }

    /// What extensions of all tenants have measured of themselves on this node.
    #[must_use]
    pub fn guest_metrics(&self) -> Vec<GuestMetrics> {
        self.shared.guest_metrics.read()
    }

    /// Writes what still waits in memory (log lines, refusals, usage). Asked before the process ends.
    pub async fn flush(&self) {
        self.judge_canaries().await;
        self.shared.logs.flush().await;
        self.shared.refusals.flush().await;
        self.write_usage().await;
        self.look_at_baselines(true).await;
    }
}
