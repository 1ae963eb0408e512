//! What handlers work with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oriel_access::{Access, Sealer};
use oriel_extensions::Extensions;
use oriel_model::time::Clock;
use oriel_store::Stores;
use oriel_tasks::Tasks;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::metrics::Metrics;

/// The services and what surrounds them; one for each server.
pub(crate) struct App {
    pub config: Arc<Config>,
    pub clock: Arc<dyn Clock>,
    pub stores: Stores,
    pub access: Access,
    pub extensions: Extensions,
    pub tasks: Tasks,
    /// Seals kept replies that show a secret.
    pub sealer: Sealer,
    pub metrics: Metrics,
    /// Work that outlives its request; waited for at shutdown.
    pub background: TaskTracker,
    /// Ends what would never end by itself: followed logs, maintenance.
    pub ending: CancellationToken,
    /// Whether new work is wanted.
    pub ready: AtomicBool,
}

impl App {
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}
