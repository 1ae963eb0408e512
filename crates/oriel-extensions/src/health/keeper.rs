//! What happens to health without a call: back-offs that pass, health checks, quarantine that is written down.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::StreamExt as _;
use oriel_access::{Access, Actor};
use oriel_model::access::{Principal, Scope};
use oriel_model::health::Quarantine;
use oriel_model::installation::{Installation, InstallationState};

use super::{Health, ReleaseKey, Want};
use crate::change::Change;
use crate::dispatch::Handle;
use crate::{ExtensionError, Extensions, Shared};

/// How often it is looked around.
const TICK: Duration = Duration::from_secs(1);
/// Every so many looks, what calls took is written.
const WRITES: u32 = 5;
/// Health checks at once.
const CHECKS: usize = 8;

/// Looks after all installations until the service is gone.
pub(crate) fn start(shared: &Arc<Shared>) {
    let (weak, common) = (Arc::downgrade(shared), shared.health.clone());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut looks = 0_u32;
        loop {
            tokio::select! {
                _ = ticks.tick() => looks = looks.wrapping_add(1),
                () = common.hub.wake.notified() => {}
            }
            let Some(extensions) = Weak::upgrade(&weak).map(|shared| Extensions { shared }) else {
                return;
            };
            extensions.look_at_clocks().await;
            if looks >= WRITES {
                looks = 0;
                extensions.learn().await;
            }
            // A check that takes its time keeps nobody waiting.
            tokio::spawn(async move { extensions.run_checks().await });
        }
    });
}

impl Extensions {
    /// Does at once what otherwise happens about every second: follows the clock, writes down who is in quarantine, and asks
    /// for the health checks that are due.
    pub async fn look_after(&self) {
        self.look_at_clocks().await;
        self.run_checks().await;
    }

    async fn look_at_clocks(&self) {
        for (handle, health) in self.watched() {
            health.tick();
            if let Some(want) = health.wanted() {
                self.carry_out(&handle, &health, &want).await;
            }
        }
    }

    async fn run_checks(&self) {
        let due = self.watched().into_iter();
        let due = due.filter_map(|(handle, health)| {
            let active = handle.loaded().filter(|active| active.installation.release.manifest.lifecycle)?;
            health.check_is_due().then_some((active, health))
        });
        futures::stream::iter(due)
            .for_each_concurrent(CHECKS, |(active, health)| async move {
                health.checked(&active.pool().health_check().await, true);
            })
            .await;
    }

    /// Everything that was loaded since the start.
    pub(crate) fn watched(&self) -> Vec<(Handle, Arc<Health>)> {
        let slots = self.shared.slots.read();
        let slots = slots.values().flat_map(|slots| slots.values());
        slots
            .filter_map(|slot| {
                let health = slot.health()?;
                Some((Handle::of(&self.shared, slot), health))
            })
            .collect()
    }

    /// Writes down what a release's health wants, unless the installation has moved on.
    pub(crate) async fn carry_out(&self, handle: &Handle, health: &Health, want: &Want) {
        let (tenant, tenant_name, name) = handle.place();
        let change = Change {
            actor: Actor::System,
            tenant,
            tenant_name,
        };
        let result = async {
            let (_alone, present) = self.hold(tenant, name.as_str(), None).await?;
            if ReleaseKey::of(&present) != health.key || present.state != InstallationState::Enabled || present.quarantine.is_some() {
                return Ok(());
            }
            let now = self.shared.clock.now();
            let (next, action, reason) = match want {
                Want::Quarantine { reason } => {
                    let quarantine = Quarantine {
                        reason: reason.clone(),
                        since: now,
                        by: "system".to_owned(),
                        until: self.policy_options(&present).quarantine_for.map(|span| now.plus(span)),
                    };
                    let next = Installation {
                        quarantine: Some(quarantine),
                        ..present.clone()
                    };
                    (next, "extension.quarantine", reason)
                }
                Want::Disable { reason } => {
                    let next = Installation {
                        state: InstallationState::Disabled,
                        ..present.clone()
                    };
                    (next, "extension.disable", reason)
                }
            };
            self.commit_because(&change, next, present.revision, action, Some(reason))
                .await
                .map(drop)
        };
        match result.await {
            Ok(()) | Err(ExtensionError::NotFound { .. }) => health.satisfied(want),
            Err(error) => {
                tracing::warn!(extension = %name, %error, "the health of an extension could not be written down; it is tried again");
            }
        }
    }

    /// Lets an installation out of quarantine. It begins anew: nothing that it did before counts.
    ///
    /// # Errors
    /// When the principal may not, nothing of this name is installed, or it is not in quarantine.
    pub async fn release(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<Installation, ExtensionError> {
        Access::require(principal, Scope::ExtensionsWrite)?;
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        if present.quarantine.is_none() {
            return Ok(present);
        }
        if let Some(least) = self.policy_of(&present).release_role.filter(|least| principal.role < *least) {
            return Err(ExtensionError::QuarantineHeld {
                name: present.name.to_string(),
                least,
            });
        }
        let next = Installation {
            quarantine: None,
            ..present.clone()
        };
        self.commit(&change, next, present.revision, "extension.release").await
    }

    /// Lets an installation out whose time in quarantine is over. Another node may have done it already.
    pub(crate) async fn release_in_time(&self, handle: &Handle, installation: Installation) -> Result<Installation, ExtensionError> {
        let (tenant, tenant_name, name) = handle.place();
        let change = Change {
            actor: Actor::System,
            tenant,
            tenant_name,
        };
        let next = Installation {
            quarantine: None,
            ..installation.clone()
        };
        let released = self
            .commit_because(
                &change,
                next,
                installation.revision,
                "extension.release",
                Some("its time in quarantine is over"),
            )
            .await;
        match released {
            Err(ExtensionError::Conflict { .. }) => self.find(tenant, name.as_str()).await,
            released => released,
        }
    }
}
