//! How any change to an installation is made: alone on this node, tried out, committed with its audit entry, put in force.

use std::sync::Arc;

use oriel_access::{Access, Actor};
use oriel_model::access::{Principal, Scope};
use oriel_model::id::TenantId;
use oriel_model::installation::Installation;
use oriel_model::name::{ExtensionName, TenantName};
use oriel_store::{NewAudit, StoreError};
use serde_json::json;
use tokio::sync::broadcast;

use crate::{ExtensionError, Extensions, active, config, remote};

/// Who changes what in which tenant.
pub(crate) struct Change<'a> {
    pub(crate) actor: Actor<'a>,
    pub(crate) tenant: TenantId,
    pub(crate) tenant_name: &'a TenantName,
}

impl<'a> Change<'a> {
    pub(crate) fn by(principal: &'a Principal) -> Result<Self, ExtensionError> {
        Access::require(principal, Scope::ExtensionsWrite)?;
        Ok(Self {
            actor: Actor::Principal(principal),
            tenant: principal.tenant,
            tenant_name: &principal.tenant_name,
        })
    }
}

/// A change that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Whose.
    pub tenant: TenantId,
    /// The tenant's name.
    pub tenant_name: TenantName,
    /// Of which extension.
    pub extension: ExtensionName,
    /// The version that runs since.
    pub version: semver::Version,
    /// What was done, as in the audit log: `extension.install`, `extension.upgrade`, …
    pub action: String,
}

/// Held by whoever changes an installation.
pub(crate) type Alone = tokio::sync::OwnedMutexGuard<()>;

impl Extensions {
    /// Starts one instance of what is about to take effect, so that a release that traps in `initialize` never
    /// replaces one that works; with `check_config` the extension judges its configuration, too.
    pub(crate) async fn rehearse(&self, next: &Installation, tenant_name: &TenantName, check_config: bool) -> Result<(), ExtensionError> {
        let opened = config::open(&self.shared.sealer, next)?;
        self.rehearse_opened(next, &opened, tenant_name, check_config).await
    }

    /// The same with a configuration that is opened already.
    pub(crate) async fn rehearse_opened(
        &self,
        next: &Installation,
        opened: &serde_json::Value,
        tenant_name: &TenantName,
        check_config: bool,
    ) -> Result<(), ExtensionError> {
        if !remote::is_reachable(next) {
            return Ok(());
        }
        let limits = active::limits(&next.release, &next.limits, &self.shared.options.ceiling);
        let wait = limits.start_timeout.0;
        let pool = active::pool(&self.shared, next, tenant_name, limits, opened, None);
        let result = async {
            if check_config && next.release.manifest.lifecycle {
                let problems = pool.check_config(&opened.to_string()).await?;
                if !problems.is_empty() {
                    let problems = problems.into_iter();
                    let problems = problems.map(|problem| oriel_model::schema::SchemaProblem {
                        path: problem.path,
                        message: problem.message,
                    });
                    return Err(ExtensionError::ConfigInvalid {
                        name: next.name.to_string(),
                        problems: problems.collect(),
                    });
                }
            }
            drop(pool.lease(wait).await?);
            Ok(())
        };
        let result = result.await;
        pool.drain().await;
        result
    }

    /// Writes `next` over the revision that it was made from and puts it in force.
    pub(crate) async fn commit(
        &self,
        change: &Change<'_>,
        next: Installation,
        expected: u64,
        action: &str,
    ) -> Result<Installation, ExtensionError> {
        // An installation is large: without a box each caller's future would hold room for several of them.
        Box::pin(self.commit_because(change, next, expected, action, None)).await
    }

    /// The same with a reason for the audit log.
    pub(crate) async fn commit_because(
        &self,
        change: &Change<'_>,
        next: Installation,
        expected: u64,
        action: &str,
        reason: Option<&str>,
    ) -> Result<Installation, ExtensionError> {
        let notes = reason.map_or_else(|| json!({}), |reason| json!({ "reason": reason }));
        Box::pin(self.commit_noting(change, next, expected, action, notes)).await
    }

    /// The same with members of an object for the audit log.
    pub(crate) async fn commit_noting(
        &self,
        change: &Change<'_>,
        next: Installation,
        expected: u64,
        action: &str,
        notes: serde_json::Value,
    ) -> Result<Installation, ExtensionError> {
        let next = Installation {
            revision: expected + 1,
            updated_at: self.shared.clock.now(),
            ..next
        };
        let mut audit = self.audit(change, action, &next);
        if let serde_json::Value::Object(notes) = notes {
            for (name, note) in notes {
                audit.details[name] = note;
            }
        }
        match self.shared.stores.installations.update(next.clone(), expected, audit).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                return Err(ExtensionError::Conflict {
                    name: next.name.to_string(),
                });
            }
            Err(error) => return Err(error.into()),
        }
        self.put_in_force(change, &next);
        self.tell(change, &next, action);
        Ok(next)
    }

    /// Listens to changes of installations that this node commits.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.shared.changes.subscribe()
    }

    pub(crate) fn tell(&self, change: &Change<'_>, installation: &Installation, action: &str) {
        // Nobody listens where there is no server.
        let _ = self.shared.changes.send(Changed {
            tenant: change.tenant,
            tenant_name: change.tenant_name.clone(),
            extension: installation.name.clone(),
            version: installation.release.manifest.version.clone(),
            action: action.to_owned(),
        });
    }

    pub(crate) fn put_in_force(&self, change: &Change<'_>, installation: &Installation) {
        let handle = self.handle(change.tenant, change.tenant_name, &installation.name);
        match handle.set(installation.clone()) {
            Ok(_) | Err(ExtensionError::Disabled { .. } | ExtensionError::ConsentRequired { .. } | ExtensionError::Quarantined { .. }) => {}
            Err(error) => tracing::error!(extension = %installation.name, %error, "a committed change does not take effect"),
        }
    }

    pub(crate) fn audit(&self, change: &Change<'_>, action: &str, installation: &Installation) -> NewAudit {
        let details = json!({
            "extension": installation.name,
            "version": installation.release.manifest.version,
            "package": installation.release.package,
            "state": installation.state,
            "grant": installation.grant,
            "pending": installation.pending.as_ref().map(|release| &release.manifest.version),
            "canary": installation.canary.as_ref().map(|canary| json!({
                "version": canary.release.manifest.version,
                "package": canary.release.package,
                "share": canary.share,
                "policy": canary.policy,
            })),
            "remote": installation.remote.as_ref().map(|service| &service.url),
            "budgets": installation.budgets,
            "quarantine": installation.quarantine,
            "revision": installation.revision,
        });
        change
            .actor
            .did(self.shared.clock.now(), action, installation.id.to_string(), details)
    }

    /// The installation of this name at the revision that `if_match` names; nobody else on this node changes it while the
    /// guard lives.
    pub(crate) async fn hold(&self, tenant: TenantId, name: &str, if_match: Option<u64>) -> Result<(Alone, Installation), ExtensionError> {
        // Only what is installed gets a lock, so that nobody fills memory with names.
        let name = self.find(tenant, name).await?.name;
        let alone = self.alone(tenant, &name).await;
        let present = self.find(tenant, name.as_str()).await?;
        match if_match {
            Some(wanted) if wanted != present.revision => Err(ExtensionError::Precondition {
                name: name.to_string(),
                actual: present.revision,
            }),
            _ => Ok((alone, present)),
        }
    }

    /// Waits until nobody else on this node changes what is, or will be, installed under this name.
    pub(crate) async fn alone(&self, tenant: TenantId, name: &ExtensionName) -> Alone {
        let lock = {
            let mut busy = self.shared.busy.lock();
            // Locks that nobody holds or waits for have done their work.
            if busy.len() > 1_000 {
                busy.retain(|_, lock| Arc::strong_count(lock) > 1);
            }
            busy.entry((tenant, name.clone())).or_default().clone()
        };
        lock.lock_owned().await
    }

    /// The installation of this name in the tenant.
    pub(crate) async fn find(&self, tenant: TenantId, name: &str) -> Result<Installation, ExtensionError> {
        let not_found = || ExtensionError::NotFound {
            name: name.chars().take(64).collect(),
        };
        if name.parse::<ExtensionName>().is_err() {
            return Err(not_found());
        }
        self.shared.stores.installations.get(tenant, name).await?.ok_or_else(not_found)
    }
}
