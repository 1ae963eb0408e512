//! What is told of an installation's health: its history, the log, the counters, and whoever listens.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;

use oriel_model::Timestamp;
use oriel_model::health::{HealthChange, HealthState};
use oriel_model::id::{InstallationId, TenantId};
use oriel_model::name::ExtensionName;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

/// Changes that are kept of each installation.
const HISTORY: usize = 50;
/// Events that a listener may lag behind.
const LAG: usize = 1_024;

/// A change of how an installation does, as listeners are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthEvent {
    /// Whose.
    pub tenant: TenantId,
    /// Of which extension.
    pub extension: ExtensionName,
    /// Which installation of it.
    pub installation: InstallationId,
    /// What changed.
    pub change: HealthChange,
}

/// Listens to the changes of all installations on this node. One that does not keep up misses the oldest.
pub type HealthEvents = broadcast::Receiver<HealthEvent>;

/// What all installations have in common.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) events: broadcast::Sender<HealthEvent>,
    /// Wakes the keeper: some installation wants something to be written.
    pub(crate) wake: Notify,
    pub(crate) trips: AtomicU64,
    pub(crate) quarantines: AtomicU64,
    pub(crate) refused: AtomicU64,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            events: broadcast::channel(LAG).0,
            wake: Notify::new(),
            trips: AtomicU64::new(0),
            quarantines: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

/// How one installation did, across its releases.
#[derive(Debug)]
pub(crate) struct Record {
    tenant: TenantId,
    extension: ExtensionName,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Nothing while nothing is known.
    now: Option<HealthChange>,
    changes: VecDeque<HealthChange>,
}

impl Record {
    pub(crate) fn new(tenant: TenantId, extension: ExtensionName) -> Self {
        Self {
            tenant,
            extension,
            inner: Mutex::default(),
        }
    }

    /// Notes how it does from now on. Says nothing where that is known already, unless `again`.
    pub(crate) fn note(&self, hub: &Hub, installation: InstallationId, at: Timestamp, to: HealthState, reason: String, again: bool) {
        let mut inner = self.inner.lock();
        let from = inner.now.as_ref().map_or(HealthState::Stopped, |change| change.to);
        if from == to && inner.now.is_some() && !again {
            return;
        }
        let change = HealthChange { at, from, to, reason };
        inner.now = Some(change.clone());
        if from == to && !again {
            return;
        }
        if inner.changes.len() >= HISTORY {
            inner.changes.pop_front();
        }
        inner.changes.push_back(change.clone());
        drop(inner);
        let (extension, tenant, reason) = (&self.extension, self.tenant, &change.reason);
        match to {
            HealthState::Tripped | HealthState::Quarantined => {
                tracing::warn!(%tenant, %extension, %from, %to, reason, "the health of an extension changed");
            }
            HealthState::Degraded => tracing::info!(%tenant, %extension, %from, %to, reason, "the health of an extension changed"),
            _ => tracing::debug!(%tenant, %extension, %from, %to, reason, "the health of an extension changed"),
        }
        // Nobody may be listening.
        let _ = hub.events.send(HealthEvent {
            tenant,
            extension: extension.clone(),
            installation,
            change,
        });
    }

    /// Of which tenant and extension it is.
    pub(crate) const fn whose(&self) -> (TenantId, &ExtensionName) {
        (self.tenant, &self.extension)
    }

    /// It is uninstalled: what comes under its name later is another one.
    pub(crate) fn forget(&self) {
        *self.inner.lock() = Inner::default();
    }

    /// How it does and why, if anything is known.
    pub(crate) fn now(&self) -> Option<HealthChange> {
        self.inner.lock().now.clone()
    }

    /// How it does.
    pub(crate) fn state(&self) -> Option<HealthState> {
        self.inner.lock().now.as_ref().map(|change| change.to)
    }

    /// The last changes, the newest first.
    pub(crate) fn changes(&self) -> Vec<HealthChange> {
        self.inner.lock().changes.iter().rev().cloned().collect()
    }
}
