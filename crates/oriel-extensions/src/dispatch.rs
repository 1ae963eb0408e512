//! From a tenant and a name to the release that runs.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::name::{ExtensionName, TenantName};

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

impl Handle {
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
        let Some(installation) = stored else {
            self.replace(State::Unknown);
            return Err(ExtensionError::NotFound {
                name: self.slot.name.to_string(),
            });
        };
        self.shared.look_for_code(&installation);
        self.set(installation)
    }

    /// Puts a state of the installation in force; the release before it drains in the background.
    pub(crate) fn set(&self, installation: Installation) -> Result<Arc<Active>, ExtensionError> {
        if installation.state != InstallationState::Enabled {
            let error = refusal(&installation);
            self.replace(State::Refusing(Arc::new(installation), self.shared.clock.now()));
            return Err(error);
        }
        let active = Arc::new(Active::new(&self.shared, installation, &self.slot.tenant_name)?);
        self.replace(State::Active(active.clone()));
        Ok(active)
    }

    /// Forgets what is loaded: after an uninstall.
    pub(crate) fn clear(&self) {
        self.replace(State::Unknown);
    }

    fn replace(&self, state: State) {
        let old = self.slot.state.swap(Arc::new(state));
        if let State::Active(active) = &*old {
            let pool = active.pool().clone();
            tokio::spawn(async move { pool.drain().await });
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
    match installation.state {
        InstallationState::PendingConsent => ExtensionError::ConsentRequired {
            name,
            permissions: installation.release.manifest.permissions.beyond(&installation.grant),
        },
        InstallationState::Disabled | InstallationState::Enabled => ExtensionError::Disabled { name },
    }
}
