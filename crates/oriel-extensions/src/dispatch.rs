//! From a tenant and a name to the release that runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use oriel_model::health::HealthState;
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::name::{ExtensionName, TenantName};
use parking_lot::Mutex;

use crate::active;
use crate::health::{Health, Record, ReleaseKey};
use crate::{Active, ExtensionError, Extensions, Shared};

/// How long a release is trusted without a look at the store: the longest time that another node's change takes
/// to be felt here. A change on this node is felt at once.
const TRUST: Duration = Duration::from_secs(5);

/// Where one installation's current state stands. Lives as long as the service, across upgrades and even an
/// uninstall and reinstall, so that others may keep it.
pub(crate) struct Slot {
    tenant: TenantId,
    tenant_name: TenantName,
    name: ExtensionName,
    state: ArcSwap<State>,
    /// How the present release does. Outlives its pools, so that a change of the configuration cures nothing.
    health: Mutex<Option<Arc<Health>>>,
    record: Arc<Record>,
    /// One load from the store at a time.
    loading: tokio::sync::Mutex<()>,
}

enum State {
    /// Not looked at yet, or to be looked at again.
    Unknown,
    /// Answers calls.
    Active(Arc<Active>),
    /// Installed, but refuses calls.
    Refusing(Arc<Installation>, oriel_model::Timestamp),
}

/// One installation, to be asked for its current release again and again. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("tenant", &self.slot.tenant)
            .field("name", &self.slot.name)
            .finish()
    }
}

impl Extensions {
    /// The handle of a name in a tenant, installed or not.
    #[must_use]
    pub fn handle(&self, tenant: TenantId, tenant_name: &TenantName, name: &ExtensionName) -> Handle {
        if let Some(slot) = self.shared.slots.read().get(&tenant).and_then(|slots| slots.get(name)) {
            return Handle {
                shared: self.shared.clone(),
                slot: slot.clone(),
            };
        }
        let mut slots = self.shared.slots.write();
        let slot = slots.entry(tenant).or_default().entry(name.clone()).or_insert_with(|| {
            Arc::new(Slot {
                tenant,
                tenant_name: tenant_name.clone(),
                name: name.clone(),
                state: ArcSwap::from_pointee(State::Unknown),
                health: Mutex::default(),
                record: Arc::new(Record::new(tenant, name.clone())),
                loading: tokio::sync::Mutex::default(),
            })
        });
        Handle {
            shared: self.shared.clone(),
            slot: slot.clone(),
        }
    }

    /// The handle of an installed extension, by a name as a request brings it.
    ///
    /// # Errors
    /// [`ExtensionError::NotFound`] when nothing of this name is installed; nothing is remembered then.
    pub async fn installed(&self, tenant: TenantId, tenant_name: &TenantName, name: &str) -> Result<Handle, ExtensionError> {
        if let Some(slot) = self.shared.slots.read().get(&tenant).and_then(|slots| slots.get(name)) {
            return Ok(Handle {
                shared: self.shared.clone(),
                slot: slot.clone(),
            });
        }
        let installation = self.find(tenant, name).await?;
        Ok(self.handle(tenant, tenant_name, &installation.name))
    }
}

impl Slot {
    /// How the present release does, if one was loaded.
    pub(crate) fn health(&self) -> Option<Arc<Health>> {
        self.health.lock().clone()
    }

    /// What is told of it.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }
}

impl Shared {
    /// Keeps what a release that was replaced still has to tell: what its last calls took.
    fn retire(&self, health: Option<Arc<Health>>) {
        if let Some(health) = health {
            health.retire();
            self.retired.lock().push(health);
        }
    }
}

impl Handle {
    /// The handle of a slot.
    pub(crate) fn of(shared: &Arc<Shared>, slot: &Arc<Slot>) -> Self {
        Self {
            shared: shared.clone(),
            slot: slot.clone(),
        }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// Whose it is, and its name.
    pub(crate) fn place(&self) -> (TenantId, &TenantName, &ExtensionName) {
        (self.slot.tenant, &self.slot.tenant_name, &self.slot.name)
    }

    pub(crate) fn health(&self) -> Option<Arc<Health>> {
        self.slot.health()
    }

    pub(crate) fn record(&self) -> &Record {
        self.slot.record()
    }

    /// The release that runs now.
    ///
    /// # Errors
    /// When nothing is installed under the name, or it is disabled or waits for consent.
    pub async fn active(&self) -> Result<Arc<Active>, ExtensionError> {
        let now = self.shared.clock.now();
        match &**self.slot.state.load() {
            State::Active(active) => {
                let looked_at = active.looked_at();
                if now.since(looked_at) >= TRUST && active.claim_look(looked_at, now) {
                    let handle = self.clone();
                    tokio::spawn(async move { handle.look_again().await });
                }
                return Ok(active.clone());
            }
            State::Refusing(installation, looked_at) if now.since(*looked_at) < TRUST => return Err(refusal(installation)),
            State::Refusing(..) | State::Unknown => {}
        }
        let _one = self.slot.loading.lock().await;
        if let State::Active(active) = &**self.slot.state.load() {
            return Ok(active.clone());
        }
        self.load().await
    }

    /// The installation as it was last seen, if it refuses calls.
    pub(crate) fn refusing(&self) -> Option<Arc<Installation>> {
        match &**self.slot.state.load() {
            State::Refusing(installation, _) => Some(installation.clone()),
            State::Unknown | State::Active(_) => None,
        }
    }

    /// The active release if it is loaded already: asks nothing of the store.
    #[must_use]
    pub fn loaded(&self) -> Option<Arc<Active>> {
        match &**self.slot.state.load() {
            State::Active(active) => Some(active.clone()),
            State::Unknown | State::Refusing(..) => None,
        }
    }

    async fn load(&self) -> Result<Arc<Active>, ExtensionError> {
        let stored = self
            .shared
            .stores
            .installations
            .get(self.slot.tenant, self.slot.name.as_str())
            .await?;
        let Some(mut installation) = stored else {
            self.clear();
            return Err(ExtensionError::NotFound {
                name: self.slot.name.to_string(),
            });
        };
        let over = installation.quarantine.as_ref().and_then(|quarantine| quarantine.until);
        if over.is_some_and(|until| until <= self.shared.clock.now()) {
            let extensions = Extensions {
                shared: self.shared.clone(),
            };
            installation = extensions.release_in_time(self, installation).await?;
        }
        self.shared.look_for_code(&installation);
        self.set(installation)
    }

    /// Puts a state of the installation in force; the release before it drains in the background.
    pub(crate) fn set(&self, installation: Installation) -> Result<Arc<Active>, ExtensionError> {
        let health = self.follow(&installation);
        if installation.state != InstallationState::Enabled || installation.quarantine.is_some() {
            let error = refusal(&installation);
            self.replace(State::Refusing(Arc::new(installation), self.shared.clock.now()));
            return Err(error);
        }
        if installation.canary.is_none() {
            self.shared.canaries.forget(self.slot.tenant, &self.slot.name);
        }
        let before = self.loaded();
        let active = Active::new(&self.shared, installation, &self.slot.tenant_name, health, before.as_deref())?;
        let active = Arc::new(active);
        self.replace(State::Active(active.clone()));
        Ok(active)
    }

    /// Forgets what is loaded: after an uninstall.
    pub(crate) fn clear(&self) {
        self.shared.guest_metrics.forget(self.slot.tenant, &self.slot.name);
        self.shared.baselines.forget(self.slot.tenant, &self.slot.name);
        self.replace(State::Unknown);
        self.shared.canaries.forget(self.slot.tenant, &self.slot.name);
        self.shared.retire(self.slot.health.lock().take());
        self.slot.record.forget();
    }

    /// The health of the release that the installation is at, told what the installation says now.
    fn follow(&self, installation: &Installation) -> Option<Arc<Health>> {
        let shared = &self.shared;
        let mut health = self.slot.health.lock();
        if installation.state != InstallationState::Enabled {
            shared.retire(health.take());
            let reason = match installation.state {
                InstallationState::PendingConsent => "it waits for consent",
                InstallationState::Disabled | InstallationState::Enabled => "it is disabled",
            };
            let (now, hub) = (shared.clock.now(), &shared.health.hub);
            self.slot
                .record
                .note(hub, installation.id, now, HealthState::Stopped, reason.to_owned(), false);
            return None;
        }
        let key = ReleaseKey::of(installation);
        if health.as_ref().is_some_and(|health| health.key != key) {
            shared.retire(health.take());
        }
        let health = health.get_or_insert_with(|| {
            let record = self.slot.record.clone();
            Arc::new(Health::new(&shared.health, shared.clock.clone(), record, key))
        });
        let limits = active::limits(&installation.release, &installation.limits, &shared.options.ceiling);
        health.follow(installation, &limits);
        Some(health.clone())
    }

    fn replace(&self, state: State) {
        let next = match &state {
            State::Active(active) => Some(active.clone()),
            State::Unknown | State::Refusing(..) => None,
        };
        let old = self.slot.state.swap(Arc::new(state));
        if let State::Active(active) = &*old {
            for pool in active.left_by(next.as_deref()) {
                tokio::spawn(async move { pool.drain().await });
            }
        }
    }

    /// Compares the active release with the store and follows a change that another node made.
    async fn look_again(self) {
        let stored = self
            .shared
            .stores
            .installations
            .get(self.slot.tenant, self.slot.name.as_str())
            .await;
        let _one = self.slot.loading.lock().await;
        let Ok(stored) = stored else { return };
        let current = self.loaded().map(|active| active.installation.revision);
        match stored {
            Some(installation) if current.is_some_and(|revision| revision < installation.revision) => {
                self.shared.look_for_code(&installation);
                if let Err(error) = self.set(installation) {
                    tracing::warn!(extension = %self.slot.name, %error, "another node's change does not take effect here");
                }
            }
            None if current.is_some() => self.clear(),
            _ => {}
        }
    }
}

/// Why an installation that is not enabled refuses calls.
fn refusal(installation: &Installation) -> ExtensionError {
    let name = installation.name.to_string();
    if let (InstallationState::Enabled, Some(quarantine)) = (installation.state, &installation.quarantine) {
        return ExtensionError::Quarantined {
            name,
            reason: quarantine.reason.clone(),
        };
    }
    match installation.state {
        InstallationState::PendingConsent => ExtensionError::ConsentRequired {
            name,
            permissions: installation.release.manifest.permissions.beyond(&installation.grant),
        },
        InstallationState::Disabled | InstallationState::Enabled => ExtensionError::Disabled { name },
    }
}
