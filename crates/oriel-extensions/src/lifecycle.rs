//! Changes to an installation: each checked whole, committed in one transaction, then put in force.

use std::sync::Arc;

use bytes::Bytes;
use oriel_access::{Access, Actor};
use oriel_model::access::{Principal, Scope};
use oriel_model::id::{InstallationId, TenantId};
use oriel_model::installation::{FormerRelease, Installation, InstallationState, Release};
use oriel_model::limits::{Limits, LimitsRequest};
use oriel_model::name::{ExtensionName, TenantName};
use oriel_model::page::PageRequest;
use oriel_model::permissions::Permissions;
use oriel_store::{NewAudit, StoreError};
use serde_json::{Value, json};

use crate::install::{Consent, Prepared};
use crate::{ExtensionError, Extensions, active, config};

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

impl Extensions {
    /// Installs a package. Without enough consent the installation waits in `pending-consent`; when it needs a
    /// configuration first it waits in `disabled`.
    ///
    /// # Errors
    /// When the principal may not, the package is not valid, the name is installed already, a dependency is
    /// missing, or the extension does not start.
    pub async fn install(&self, principal: &Principal, package: Bytes, consent: Consent) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let prepared = self.prepare(package).await?;
        self.install_prepared(&change, prepared, &consent).await
    }

    pub(crate) async fn install_prepared(
        &self,
        change: &Change<'_>,
        prepared: Prepared,
        consent: &Consent,
    ) -> Result<Installation, ExtensionError> {
        let release = prepared.release.clone();
        let name = release.manifest.name.clone();
        let _alone = self.alone(change.tenant, &name).await;
        if let Some(there) = self.shared.stores.installations.get(change.tenant, name.as_str()).await? {
            return Err(ExtensionError::Exists {
                name: name.to_string(),
                version: there.release.manifest.version.to_string(),
            });
        }
        self.check_dependencies(change.tenant, &release).await?;
        let grant = self.decide(&release, &Permissions::default(), consent)?;
        let configured = config::validate(&json!({}), &release).is_ok();
        let now = self.shared.clock.now();
        let state = match (&grant, configured) {
            (None, _) => InstallationState::PendingConsent,
            (Some(_), false) => InstallationState::Disabled,
            (Some(_), true) => InstallationState::Enabled,
        };
        let installation = Installation {
            id: InstallationId::new(now),
            tenant: change.tenant,
            name: name.clone(),
            state,
            release,
            grant: grant.unwrap_or_default(),
            previous: None,
            pending: None,
            config: json!({}),
            limits: LimitsRequest::default(),
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        if state == InstallationState::Enabled {
            self.rehearse(&installation, change.tenant_name, false).await?;
        }
        self.keep(change.tenant, &prepared).await?;
        let audit = self.audit(change, "extension.install", &installation);
        match self.shared.stores.installations.insert(installation.clone(), audit).await {
            Ok(()) => {}
            Err(StoreError::Exists { .. }) => return Err(ExtensionError::Conflict { name: name.to_string() }),
            Err(error) => return Err(error.into()),
        }
        self.put_in_force(change, &installation);
        Ok(installation)
    }

    /// Moves an installation to another release. When that asks for more than the grant and consent is withheld,
    /// it waits as `pending` while the present one keeps running.
    ///
    /// # Errors
    /// As for [`Extensions::install`]; also when the configuration does not fit the new release.
    pub async fn upgrade(
        &self,
        principal: &Principal,
        name: &str,
        package: Bytes,
        consent: Consent,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        // Before the costly part: does it exist?
        self.find(change.tenant, name).await?;
        let prepared = self.prepare(package).await?;
        self.upgrade_prepared(&change, name, prepared, &consent, if_match).await
    }

    pub(crate) async fn upgrade_prepared(
        &self,
        change: &Change<'_>,
        name: &str,
        prepared: Prepared,
        consent: &Consent,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let release = prepared.release.clone();
        if release.manifest.name.as_str() != name {
            return Err(ExtensionError::OtherExtension {
                package: release.manifest.name.to_string(),
                installed: name.to_owned(),
            });
        }
        let _alone = self.alone(change.tenant, &release.manifest.name).await;
        let present = self.find_at(change.tenant, name, if_match).await?;
        if present.release.package == release.package {
            return Ok(present);
        }
        self.check_dependencies(change.tenant, &release).await?;
        self.check_dependents(change.tenant, name, Some(&release.manifest.version)).await?;
        let Some(grant) = self.decide(&release, &present.grant, consent)? else {
            self.keep(change.tenant, &prepared).await?;
            let replaced = present.pending.as_ref().map(|pending| pending.package);
            let next = Installation {
                pending: Some(release),
                ..present.clone()
            };
            let next = self.commit(change, next, present.revision, "extension.upgrade_pending").await?;
            if let Some(package) = replaced {
                self.forget_package(package).await;
            }
            return Ok(next);
        };
        let next = self.moved(&present, release, grant)?;
        if next.state == InstallationState::Enabled {
            self.rehearse(&next, change.tenant_name, true).await?;
        }
        self.keep(change.tenant, &prepared).await?;
        let next = self.commit(change, next, present.revision, "extension.upgrade").await?;
        self.forget_left_behind(&present, &next).await;
        Ok(next)
    }

    /// Grants what a release waits for: the first one of an installation, or a pending upgrade.
    ///
    /// # Errors
    /// When the principal may not, nothing waits, or the release does not start.
    pub async fn consent(
        &self,
        principal: &Principal,
        name: &str,
        consent: Consent,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let found = self.find(change.tenant, name).await?;
        let _alone = self.alone(change.tenant, &found.name).await;
        let present = self.find_at(change.tenant, name, if_match).await?;
        let (release, first) = match (&present.pending, present.state) {
            (Some(pending), _) => (pending.clone(), false),
            (None, InstallationState::PendingConsent) => (present.release.clone(), true),
            (None, _) => (present.release.clone(), false),
        };
        let Some(grant) = self.decide(&release, &present.grant, &consent)? else {
            let permissions = release.manifest.permissions.beyond(&present.grant);
            return Err(ExtensionError::ConsentRequired {
                name: name.to_owned(),
                permissions,
            });
        };
        let next = if present.pending.is_some() {
            self.moved(&present, release, grant)?
        } else {
            let configured = config::open(&self.shared.sealer, &present)
                .and_then(|opened| config::validate(&opened, &present.release))
                .is_ok();
            let state = match (first, configured) {
                (true, true) => InstallationState::Enabled,
                (true, false) => InstallationState::Disabled,
                (false, _) => present.state,
            };
            Installation {
                grant,
                state,
                ..present.clone()
            }
        };
        if next.state == InstallationState::Enabled {
            self.rehearse(&next, change.tenant_name, false).await?;
        }
        let next = self.commit(&change, next, present.revision, "extension.consent").await?;
        self.forget_left_behind(&present, &next).await;
        Ok(next)
    }

    /// Returns to the release that ran before, with its grant and configuration.
    ///
    /// # Errors
    /// When the principal may not, or there is no former release.
    pub async fn roll_back(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let found = self.find(change.tenant, name).await?;
        let _alone = self.alone(change.tenant, &found.name).await;
        let present = self.find_at(change.tenant, name, if_match).await?;
        let former = present
            .previous
            .clone()
            .ok_or_else(|| ExtensionError::NothingToRollBack { name: name.to_owned() })?;
        self.check_dependents(change.tenant, name, Some(&former.release.manifest.version))
            .await?;
        let next = Installation {
            release: former.release,
            grant: former.grant,
            config: former.config,
            previous: None,
            pending: None,
            ..present.clone()
        };
        let next = self.commit(&change, next, present.revision, "extension.rollback").await?;
        self.forget_left_behind(&present, &next).await;
        Ok(next)
    }

    /// Switches an installation on or off. Switching it to what it is changes nothing.
    ///
    /// # Errors
    /// When the principal may not; when it waits for consent, is not configured, or does not start.
    pub async fn set_enabled(
        &self,
        principal: &Principal,
        name: &str,
        enabled: bool,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let found = self.find(change.tenant, name).await?;
        let _alone = self.alone(change.tenant, &found.name).await;
        let present = self.find_at(change.tenant, name, if_match).await?;
        let (state, action) = match (enabled, present.state) {
            (true, InstallationState::Enabled) | (false, InstallationState::Disabled) => return Ok(present),
            (_, InstallationState::PendingConsent) => {
                let permissions = present.release.manifest.permissions.beyond(&present.grant);
                return Err(ExtensionError::ConsentRequired {
                    name: name.to_owned(),
                    permissions,
                });
            }
            (true, InstallationState::Disabled) => (InstallationState::Enabled, "extension.enable"),
            (false, InstallationState::Enabled) => (InstallationState::Disabled, "extension.disable"),
        };
        let next = Installation { state, ..present.clone() };
        if enabled {
            config::validate(&config::open(&self.shared.sealer, &next)?, &next.release)?;
            self.rehearse(&next, change.tenant_name, false).await?;
        }
        self.commit(&change, next, present.revision, action).await
    }

    /// Replaces the configuration. Secrets that are left out or masked stay; `null` removes one.
    ///
    /// # Errors
    /// When the principal may not, or schema or extension do not accept it.
    pub async fn configure(
        &self,
        principal: &Principal,
        name: &str,
        new: Value,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let found = self.find(change.tenant, name).await?;
        let _alone = self.alone(change.tenant, &found.name).await;
        let present = self.find_at(change.tenant, name, if_match).await?;
        let mut opened = new;
        if opened.is_object() {
            config::keep_secrets(&mut opened, &config::open(&self.shared.sealer, &present)?, &present.release);
        }
        config::validate(&opened, &present.release)?;
        let sealed = config::seal(&self.shared.sealer, change.tenant, &present.release, opened);
        let next = Installation {
            config: sealed,
            ..present.clone()
        };
        if next.state != InstallationState::PendingConsent {
            self.rehearse(&next, change.tenant_name, true).await?;
        }
        self.commit(&change, next, present.revision, "extension.configure").await
    }

    /// Sets limits that win over the manifest's; absent axes go back to the manifest's.
    ///
    /// # Errors
    /// When the principal may not, or an axis is above the server's ceiling.
    pub async fn set_limits(
        &self,
        principal: &Principal,
        name: &str,
        limits: LimitsRequest,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let axes = Limits::above(&limits, &self.shared.options.ceiling);
        if !axes.is_empty() {
            return Err(ExtensionError::LimitsInvalid { axes });
        }
        let found = self.find(change.tenant, name).await?;
        let _alone = self.alone(change.tenant, &found.name).await;
        let present = self.find_at(change.tenant, name, if_match).await?;
        let next = Installation { limits, ..present.clone() };
        self.commit(&change, next, present.revision, "extension.set_limits").await
    }

    /// Removes an installation with all that the extension kept for the tenant.
    ///
    /// # Errors
    /// When the principal may not, or another extension depends on it.
    pub async fn uninstall(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<(), ExtensionError> {
        let change = Change::by(principal)?;
        let found = self.find(change.tenant, name).await?;
        let _alone = self.alone(change.tenant, &found.name).await;
        let present = self.find_at(change.tenant, name, if_match).await?;
        self.check_dependents(change.tenant, name, None).await?;
        let audit = self.audit(&change, "extension.uninstall", &present);
        match self
            .shared
            .stores
            .installations
            .delete(change.tenant, name, present.revision, audit)
            .await
        {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => return Err(ExtensionError::Conflict { name: name.to_owned() }),
            Err(error) => return Err(error.into()),
        }
        self.handle(change.tenant, change.tenant_name, &present.name).clear();
        for package in packages(&present) {
            self.forget_package(package).await;
        }
        Ok(())
    }

    /// `present` moved to another release: its configuration carried over, the present release kept for a rollback.
    fn moved(&self, present: &Installation, release: Release, grant: Permissions) -> Result<Installation, ExtensionError> {
        let opened = config::open(
            &self.shared.sealer,
            &Installation {
                release: present.release.clone(),
                ..present.clone()
            },
        )?;
        // A disabled installation may wait for a configuration that the new release needs.
        if present.state == InstallationState::Enabled {
            config::validate(&opened, &release)?;
        }
        let config = config::seal(&self.shared.sealer, present.tenant, &release, opened);
        let former = FormerRelease {
            release: present.release.clone(),
            grant: present.grant.clone(),
            config: present.config.clone(),
        };
        Ok(Installation {
            release,
            grant,
            config,
            previous: Some(former),
            pending: None,
            ..present.clone()
        })
    }

    /// Starts one instance of what is about to take effect, so that a release that traps in `initialize` never
    /// replaces one that works; with `check_config` the extension judges its configuration, too.
    async fn rehearse(&self, next: &Installation, tenant_name: &TenantName, check_config: bool) -> Result<(), ExtensionError> {
        let opened = config::open(&self.shared.sealer, next)?;
        let limits = active::limits(&next.release, &next.limits, &self.shared.options.ceiling);
        let wait = limits.start_timeout.0;
        let pool = active::pool(&self.shared, next, tenant_name, limits, &opened);
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
    async fn commit(&self, change: &Change<'_>, next: Installation, expected: u64, action: &str) -> Result<Installation, ExtensionError> {
        let next = Installation {
            revision: expected + 1,
            updated_at: self.shared.clock.now(),
            ..next
        };
        let audit = self.audit(change, action, &next);
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
        Ok(next)
    }

    fn put_in_force(&self, change: &Change<'_>, installation: &Installation) {
        let handle = self.handle(change.tenant, change.tenant_name, &installation.name);
        match handle.set(installation.clone()) {
            Ok(_) | Err(ExtensionError::Disabled { .. } | ExtensionError::ConsentRequired { .. }) => {}
            Err(error) => tracing::error!(extension = %installation.name, %error, "a committed change does not take effect"),
        }
    }

    fn audit(&self, change: &Change<'_>, action: &str, installation: &Installation) -> NewAudit {
        let details = json!({
            "extension": installation.name,
            "version": installation.release.manifest.version,
            "package": installation.release.package,
            "state": installation.state,
            "grant": installation.grant,
            "pending": installation.pending.as_ref().map(|release| &release.manifest.version),
            "revision": installation.revision,
        });
        change
            .actor
            .did(self.shared.clock.now(), action, installation.id.to_string(), details)
    }

    async fn alone(&self, tenant: TenantId, name: &ExtensionName) -> tokio::sync::OwnedMutexGuard<()> {
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

    async fn find_at(&self, tenant: TenantId, name: &str, if_match: Option<u64>) -> Result<Installation, ExtensionError> {
        let found = self.find(tenant, name).await?;
        match if_match {
            Some(wanted) if wanted != found.revision => Err(ExtensionError::Precondition {
                name: name.to_owned(),
                actual: found.revision,
            }),
            _ => Ok(found),
        }
    }

    async fn check_dependencies(&self, tenant: TenantId, release: &Release) -> Result<(), ExtensionError> {
        for (name, range) in &release.manifest.dependencies {
            let there = self.shared.stores.installations.get(tenant, name.as_str()).await?;
            let version = there.map(|installation| installation.release.manifest.version);
            if version.as_ref().is_some_and(|version| range.matches(version)) {
                continue;
            }
            return Err(ExtensionError::DependencyMissing {
                name: release.manifest.name.to_string(),
                requirement: format!("`{name}` {range}"),
                found: version.map_or_else(|| "none".to_owned(), |version| version.to_string()),
            });
        }
        Ok(())
    }

    /// Refuses to take `name` away (or to move it to `version`) while another extension needs it otherwise.
    async fn check_dependents(&self, tenant: TenantId, name: &str, version: Option<&semver::Version>) -> Result<(), ExtensionError> {
        let mut page = PageRequest {
            limit: PageRequest::MAX_LIMIT,
            cursor: None,
        };
        loop {
            let installations = self.shared.stores.installations.list(tenant, page.clone()).await?;
            for other in &installations.items {
                let Some(range) = other.release.manifest.dependencies.get(name) else {
                    continue;
                };
                if !version.is_some_and(|version| range.matches(version)) {
                    return Err(ExtensionError::DependencyInUse {
                        name: name.to_owned(),
                        dependent: other.name.to_string(),
                        requirement: range.to_string(),
                    });
                }
            }
            match installations.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    /// Deletes the packages that `next` no longer needs of those that `present` had.
    async fn forget_left_behind(&self, present: &Installation, next: &Installation) {
        let kept = packages(next);
        for package in packages(present) {
            if !kept.contains(&package) {
                self.forget_package(package).await;
            }
        }
    }
}

fn packages(installation: &Installation) -> Vec<oriel_model::Digest> {
    let mut packages = vec![installation.release.package];
    packages.extend(installation.previous.as_ref().map(|former| former.release.package));
    packages.extend(installation.pending.as_ref().map(|release| release.package));
    packages
}
