//! Changes to an installation: each checked whole, committed in one transaction, then put in force.

use bytes::Bytes;
use oriel_model::access::Principal;
use oriel_model::budget::Budgets;
use oriel_model::canary::CanaryEnd;
use oriel_model::health::Quarantine;
use oriel_model::health_policy::HealthPolicy;
use oriel_model::id::InstallationId;
use oriel_model::installation::{FormerRelease, Installation, InstallationState, Release};
use oriel_model::limits::{Limits, LimitsRequest};
use oriel_model::permissions::Permissions;
use oriel_store::StoreError;
use serde_json::{Value, json};

use crate::change::Change;
use crate::install::{Consent, InstallOptions, Prepared};
use crate::remote::WithSigningSecret;
use crate::{ExtensionError, Extensions, config, remote};

impl Extensions {
    /// Installs a package. Without enough consent the installation waits in `pending-consent`; when it needs a
    /// configuration first, or `enable` is false, it waits in `disabled`. Whether it starts is tried all the same.
    ///
    /// # Errors
    /// When the principal may not, the package is not valid, the name is installed already, a dependency is
    /// missing, or the extension does not start.
    pub async fn install(
        &self,
        principal: &Principal,
        package: Bytes,
        consent: Consent,
        enable: bool,
    ) -> Result<Installation, ExtensionError> {
        let options = InstallOptions::new(consent, enable);
        // In a box, as below: callers do not carry the room that an install takes.
        let installed = Box::pin(self.install_with(principal, package, options)).await?;
        Ok(installed.installation)
    }

    /// The same for every kind of extension: of a remote one, it may say where the service runs, and answers the secret that its
    /// requests are signed with. Without an address the installation waits in `disabled`.
    ///
    /// # Errors
    /// As for [`Extensions::install`]; also when an address is given for an extension that is a component.
    pub async fn install_with(
        &self,
        principal: &Principal,
        package: Bytes,
        options: InstallOptions,
    ) -> Result<WithSigningSecret, ExtensionError> {
        let change = Change::by(principal)?;
        let prepared = self.prepare(package).await?;
        Box::pin(self.install_prepared(&change, prepared, options)).await
    }

    pub(crate) async fn install_prepared(
        &self,
        change: &Change<'_>,
        prepared: Prepared,
        options: InstallOptions,
    ) -> Result<WithSigningSecret, ExtensionError> {
        let InstallOptions {
            consent,
            enable,
            remote_url,
        } = options;
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
        let grant = self.decide(&release, &Permissions::default(), &consent)?;
        let now = self.shared.clock.now();
        let (remote, secret) = self.new_service(change.tenant, &release, remote_url, now)?.unzip();
        let placed = release.manifest.remote.is_none() || remote.as_ref().is_some_and(|service| service.url.is_some());
        let configured = placed && config::validate(&json!({}), &release).is_ok();
        let runnable = grant.is_some() && configured;
        let state = match (&grant, configured && enable) {
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
            canary: None,
            last_canary: None,
            secrets: std::collections::BTreeMap::new(),
            budgets: Budgets::default(),
            remote,
            health_policy: HealthPolicy::default(),
            quarantine: None,
            revision: 1,
            created_at: now,
            updated_at: now,
        };
        self.set_up(None, &installation, change.tenant_name, runnable.then_some(false))
            .await?;
        let kept = self.shared.packages.read().await;
        let inserted = async {
            self.keep(change.tenant, &prepared).await?;
            let audit = self.audit(change, "extension.install", &installation);
            let inserted = self.shared.stores.installations.insert(installation.clone(), audit).await;
            inserted.map_err(|error| match error {
                StoreError::Exists { .. } => ExtensionError::Conflict { name: name.to_string() },
                error => error.into(),
            })
        };
        let inserted = inserted.await;
        drop(kept);
        if let Err(error) = inserted {
            self.forget_package(installation.release.package).await;
            // Where another node was faster, they are its own.
            if !matches!(error, ExtensionError::Conflict { .. }) {
                Box::pin(self.return_collections(None, &installation)).await;
            }
            return Err(error);
        }
        self.put_in_force(change, &installation);
        self.tell(change, &installation, "extension.install");
        Ok(WithSigningSecret { installation, secret })
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
        Box::pin(self.upgrade_prepared(&change, name, prepared, &consent, if_match)).await
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
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        if present.release.package == release.package {
            return Ok(present);
        }
        remote::same_kind(&present, &release)?;
        Self::refuse_beside_canary(&present)?;
        self.check_dependencies(change.tenant, &release).await?;
        self.check_dependents(change.tenant, name, Some(&release.manifest.version)).await?;
        let Some(grant) = self.decide(&release, &present.grant, consent)? else {
            let replaced = present.pending.as_ref().map(|pending| pending.package);
            let next = Installation {
                pending: Some(release),
                ..present.clone()
            };
            let next = self
                .commit_with(change, &prepared, next, present.revision, "extension.upgrade_pending")
                .await?;
            if let Some(package) = replaced {
                self.forget_package(package).await;
            }
            return Ok(next);
        };
        let next = self.moved(&present, release, grant)?;
        let rehearse = (next.state == InstallationState::Enabled).then_some(true);
        self.set_up(Some(&present), &next, change.tenant_name, rehearse).await?;
        let committed = self
            .commit_with(change, &prepared, next.clone(), present.revision, "extension.upgrade")
            .await;
        let next = self.or_return(committed, &present, &next).await?;
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
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
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
        // It must not be allowed more than what it is compared with.
        if present
            .canary
            .as_ref()
            .is_some_and(|canary| !canary.grant.beyond(&grant).is_empty())
        {
            Self::refuse_beside_canary(&present)?;
        }
        let next = if present.pending.is_some() {
            Self::refuse_beside_canary(&present)?;
            self.moved(&present, release, grant)?
        } else {
            let state = if first {
                begins(&config::open(&self.shared.sealer, &present)?, &present.release, &present)
            } else {
                present.state
            };
            Installation {
                grant,
                state,
                ..present.clone()
            }
        };
        let rehearse = (next.state == InstallationState::Enabled).then_some(false);
        self.set_up(Some(&present), &next, change.tenant_name, rehearse).await?;
        let committed = self.commit(&change, next.clone(), present.revision, "extension.consent").await;
        let next = self.or_return(committed, &present, &next).await?;
        self.forget_left_behind(&present, &next).await;
        Ok(next)
    }

    /// Returns to the release that ran before, with its grant and configuration.
    ///
    /// # Errors
    /// When the principal may not, or there is no former release.
    pub async fn roll_back(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let former = present
            .previous
            .clone()
            .ok_or_else(|| ExtensionError::NothingToRollBack { name: name.to_owned() })?;
        self.check_dependents(change.tenant, name, Some(&former.release.manifest.version))
            .await?;
        // Going back is for emergencies and waits for nobody: a canary goes with the release that it was compared with.
        let ended = match &present.canary {
            Some(canary) => {
                let comparison = self.comparison(&present, canary).await?;
                let reason = "the release that it was compared with was rolled back".to_owned();
                Some(self.outcome(canary, CanaryEnd::RolledBack, false, reason, comparison))
            }
            None => None,
        };
        let next = Installation {
            release: former.release,
            grant: former.grant,
            config: former.config,
            previous: None,
            pending: None,
            quarantine: self.quarantine_after(&present),
            canary: None,
            last_canary: ended.clone().or_else(|| present.last_canary.clone()),
            ..present.clone()
        };
        // Its documents were good enough for it once; what was written since and does not fit stays as it is.
        Box::pin(self.move_collections(Some(&present), &next, true)).await?;
        let committed = self.commit(&change, next.clone(), present.revision, "extension.rollback").await;
        let next = self.or_return(committed, &present, &next).await?;
        match ended {
            Some(_) => self.canary_is_over(CanaryEnd::RolledBack, &present, &next).await,
            None => self.forget_left_behind(&present, &next).await,
        }
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
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
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
            remote::require_url(&next)?;
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
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
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
            self.rehearse_canary(&next, change.tenant_name, true).await?;
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
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let next = Installation { limits, ..present.clone() };
        self.commit(&change, next, present.revision, "extension.set_limits").await
    }

    /// Removes an installation with all that the extension kept for the tenant.
    ///
    /// # Errors
    /// When the principal may not, or another extension depends on it.
    pub async fn uninstall(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<(), ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
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
        if let Err(error) = Box::pin(self.forget_collections(&present)).await {
            // The next installation of this name finds that they are not its own and drops them.
            tracing::warn!(extension = %present.name, error = &error as &dyn std::error::Error, "documents of an extension that is gone stay on disk");
        }
        self.refresh_bindings(change.tenant).await;
        self.cancel_jobs_of(change.tenant, &present.name).await;
        for package in packages(&present) {
            self.forget_package(package).await;
        }
        Ok(())
    }

    /// `present` moved to another release: its configuration carried over, the present release kept for a rollback.
    pub(crate) fn moved(&self, present: &Installation, release: Release, grant: Permissions) -> Result<Installation, ExtensionError> {
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
        // What nobody ever granted has not run and is not to be returned to.
        let (state, previous) = if present.state == InstallationState::PendingConsent {
            (begins(&opened, &release, present), None)
        } else {
            let former = FormerRelease {
                release: present.release.clone(),
                grant: present.grant.clone(),
                config: present.config.clone(),
            };
            (present.state, Some(former))
        };
        let config = config::seal(&self.shared.sealer, present.tenant, &release, opened);
        Ok(Installation {
            state,
            release,
            grant,
            config,
            previous,
            pending: None,
            // It was the release before that kept failing.
            quarantine: self.quarantine_after(present),
            ..present.clone()
        })
    }

    /// What another release leaves of a quarantine: nothing, unless the health policy names a role that must end it.
    fn quarantine_after(&self, present: &Installation) -> Option<Quarantine> {
        let held = self.policy_of(present).release_role.is_some();
        present.quarantine.clone().filter(|_| held)
    }

    /// Commits what holds a new release, together with the release's bytes; without the one, the other is not kept.
    pub(crate) async fn commit_with(
        &self,
        change: &Change<'_>,
        prepared: &Prepared,
        next: Installation,
        expected: u64,
        action: &str,
    ) -> Result<Installation, ExtensionError> {
        let kept = self.shared.packages.read().await;
        let committed = match self.keep(change.tenant, prepared).await {
            Ok(()) => self.commit(change, next, expected, action).await,
            Err(error) => Err(error),
        };
        drop(kept);
        if committed.is_err() {
            self.forget_package(prepared.release.package).await;
        }
        committed
    }

    /// Deletes the packages that `next` no longer needs of those that `present` had.
    pub(crate) async fn forget_left_behind(&self, present: &Installation, next: &Installation) {
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
    packages.extend(installation.canary.as_ref().map(|canary| canary.release.package));
    packages
}

/// The state of an installation whose first release has just been granted: it waits where it still needs configuration.
fn begins(opened: &Value, release: &Release, present: &Installation) -> InstallationState {
    if remote::is_reachable(present) && config::validate(opened, release).is_ok() {
        InstallationState::Enabled
    } else {
        InstallationState::Disabled
    }
}
