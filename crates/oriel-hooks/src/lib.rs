//! Hooks: extension points that a host team declares and fires, and those that the platform fires itself.
//!
//! [`Hooks`] declares hooks ([`Hooks::put`]), fires them at the contributions that are bound to them ([`Hooks::fire`]) and
//! tells the handlers of `observe` hooks afterwards, each until it succeeded ([`Hooks::work`]). Start reading at `fire.rs`; what
//! the platform fires itself is the table in `vocabulary.rs`.
//!
//! Not here: who is bound to what and in which order (`oriel-extensions`' bindings), instances and limits (the sandbox's),
//! HTTP and its shapes (the server's).

mod compiled;
mod error;
mod fire;
mod follow;
mod manage;
mod observe;
mod report;
mod vocabulary;

use std::sync::Arc;
use std::time::Duration;

use oriel_extensions::{Extensions, Worker};
use oriel_model::time::Clock;
use oriel_store::{Stores, WorkKind};

pub use self::error::HookError;
pub use self::fire::{Cause, FireRequest};
pub use self::manage::{HookFilter, NewHook};
pub use self::observe::Undelivered;
pub use self::report::{Failure, Fired, Outcome, Report, Result as FireResult};
pub use self::vocabulary::{Moment, VOCABULARY, platform_hooks};

/// What the service is told by its operator.
#[derive(Debug, Clone)]
pub struct HooksOptions {
    /// How many handlers of `observe` hooks this node tells at a time.
    pub observers: u32,
    /// How many of one tenant.
    pub observers_per_tenant: u32,
    /// How often a handler of an `observe` hook is told at most before the unit is buried.
    pub observe_attempts: u32,
    /// How long the first repetition waits; each further one waits four times as long, up to an hour.
    pub observe_backoff: Duration,
}

impl Default for HooksOptions {
    fn default() -> Self {
        Self {
            observers: 16,
            observers_per_tenant: 8,
            observe_attempts: 8,
            observe_backoff: Duration::from_secs(5),
        }
    }
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Hooks {
    shared: Arc<Shared>,
}

struct Shared {
    options: HooksOptions,
    stores: Stores,
    extensions: Extensions,
    clock: Arc<dyn Clock>,
    compiled: compiled::Cache,
    worker: Arc<Worker>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hooks")
    }
}

impl Hooks {
    /// The service over these stores and extensions.
    #[must_use]
    pub fn new(options: HooksOptions, stores: Stores, extensions: Extensions, clock: Arc<dyn Clock>) -> Self {
        let worker = Worker::new(
            &stores,
            clock.clone(),
            WorkKind::OBSERVE_HOOK,
            options.observers,
            options.observers_per_tenant,
            options.observe_backoff,
        );
        let shared = Shared {
            options,
            stores,
            extensions,
            clock,
            compiled: compiled::Cache::default(),
            worker: Arc::new(worker),
        };
        Self { shared: Arc::new(shared) }
    }
}
