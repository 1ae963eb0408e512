//! What handlers work with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oriel_access::{Access, Sealer};
use oriel_extensions::Extensions;
use oriel_hooks::Hooks;
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
    pub hooks: Hooks,
    pub tasks: Tasks,
    /// Seals kept replies that show a secret.
    pub sealer: Sealer,
    pub metrics: Metrics,
    /// The origin under which browsers reach this server, without a slash at its end.
    pub public_url: String,
    /// Work that outlives its request; waited for at shutdown.
    pub background: TaskTracker,
    /// Ends what would never end by itself: followed logs, maintenance.
    pub ending: CancellationToken,
    /// Whether new work is wanted.
    pub ready: AtomicBool,
}

impl App {
    /// The name of the session's cookie. With `__Host-` browsers accept it over HTTPS only and send it to this very host only.
    pub(crate) fn session_cookie(&self) -> &'static str {
        if self.over_https() {
            "__Host-oriel-session"
        } else {
            "oriel-session"
        }
    }

    /// Whether browsers come over HTTPS.
    pub(crate) fn over_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}
