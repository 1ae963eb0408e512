//! Canaries: a release is tried out beside the running one on a share of the calls of tasks, compared with it, and promoted or
//! rolled back.
//!
//! Where to start reading: [`Extensions::start_canary`] for the life of one, `trial.rs` for who gets which call, `tally.rs` for what
//! is counted and how it is judged, `judge.rs` for who does it and when.

mod judge;
mod tally;
mod trial;

use std::sync::atomic::Ordering;

use bytes::Bytes;
use oriel_access::Access;
use oriel_model::access::{Principal, Scope};
use oriel_model::canary::{Canary, CanaryComparison, CanaryEnd, CanaryOutcome, CanaryPolicy, share_problem};
use oriel_model::id::{CanaryId, TenantId};
use oriel_model::installation::{Installation, InstallationState, Release};
use oriel_model::name::ExtensionName;
use oriel_model::permissions::Permissions;
use serde_json::json;

pub(crate) use self::judge::start as start_judge;
pub(crate) use self::trial::{Aside, Registry};
pub use self::trial::{Chosen, Trial};
use crate::change::Change;
use crate::install::Consent;
use crate::{ExtensionError, Extensions, config, remote};

/// A canary and what there is to say of it.
#[derive(Debug, Clone)]
pub struct CanaryStatus {
    /// The installation's revision.
    pub revision: u64,
    /// Whether the installation answers calls.
    pub state: InstallationState,
    /// The canary that runs, compared with the running release.
    pub running: Option<(Canary, CanaryComparison)>,
    /// What came of the one before.
    pub last: Option<CanaryOutcome>,
}

/// What to change of a canary that runs. What it is measured by is settled when it begins, because a measure that is changed
/// after looking proves nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CanaryChange {
    /// The share of calls that it takes.
    pub share: Option<f64>,
    /// Calls that it must have had before the comparison decides.
    pub min_calls: Option<u64>,
    /// Calls after which it is promoted.
    pub promote_after: Option<u64>,
    /// Crashes in a row that end it.
    pub hard_failures: Option<u32>,
    /// Whether the platform acts on its own.
    pub auto: Option<bool>,
}

/// What became of canaries since the service started, and how many are called here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CanaryCounts {
    /// Canaries that are called on this node.
    pub running: u64,
    /// Canaries that this node promoted, by itself or because somebody asked.
    pub promoted: u64,
    /// Canaries that it rolled back or replaced.
    pub rolled_back: u64,
}

impl Extensions {
    /// Runs a release beside the installed one. A canary that runs already is replaced.
    ///
    /// # Errors
    /// When the principal may not, the package is not valid or is the running one, the installation never ran or waits for consent, the
    /// release wants more than the grant, lacks a program that the running one has, does not fit the configuration or does not start.
    pub async fn start_canary(
        &self,
        principal: &Principal,
        name: &str,
        package: Bytes,
        share: f64,
        policy: CanaryPolicy,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        if let Some(problem) = share_problem(share).or_else(|| policy.problem()) {
            return Err(ExtensionError::CanaryInvalid {
                reason: problem.to_owned(),
            });
        }
        self.find(change.tenant, name).await?;
        let prepared = self.prepare(package).await?;
        let release = prepared.release.clone();
        if release.manifest.name.as_str() != name {
            return Err(ExtensionError::OtherExtension {
                package: release.manifest.name.to_string(),
                installed: name.to_owned(),
            });
        }
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        remote::same_kind(&present, &release)?;
        Self::same_collections(&present, &release)?;
        let grant = self.accept(&present, &release)?;
        self.check_dependencies(change.tenant, &release).await?;
        self.check_dependents(change.tenant, name, Some(&release.manifest.version)).await?;
        let opened = config::open(&self.shared.sealer, &present)?;
        config::validate(&opened, &release)?;
        let now = self.shared.clock.now();
        let canary = Canary {
            id: CanaryId::new(now),
            release,
            grant,
            share,
            policy,
            since: now,
        };
        let replaced = match &present.canary {
            Some(before) => {
                let comparison = self.comparison(&present, before).await?;
                let reason = format!("{} took its place", canary.release.manifest.version);
                Some(self.outcome(before, CanaryEnd::Replaced, false, reason, comparison))
            }
            None => None,
        };
        let next = Installation {
            canary: Some(Box::new(canary)),
            last_canary: replaced.clone().or_else(|| present.last_canary.clone()),
            ..present.clone()
        };
        // In boxes: callers do not carry the room that these take.
        Box::pin(self.rehearse_canary(&next, change.tenant_name, true)).await?;
        let committed = self.commit_with(&change, &prepared, next, present.revision, "extension.canary_start");
        let next = Box::pin(committed).await?;
        if replaced.is_some() {
            self.canary_is_over(CanaryEnd::Replaced, &present, &next).await;
        }
        Ok(next)
    }

    /// The grant of a release as a canary of `present`, if it can be one.
    fn accept(&self, present: &Installation, release: &Release) -> Result<Permissions, ExtensionError> {
        let name = present.name.to_string();
        let invalid = |reason: String| Err(ExtensionError::CanaryInvalid { reason });
        if present.state == InstallationState::PendingConsent {
            return Err(ExtensionError::ConsentRequired {
                name,
                permissions: present.release.manifest.permissions.beyond(&present.grant),
            });
        }
        if let Some(pending) = &present.pending {
            let version = &pending.manifest.version;
            return invalid(format!(
                "an upgrade to {version} waits for consent; consent to it or upgrade to another release first"
            ));
        }
        if release.package == present.release.package {
            return invalid(format!(
                "{} is the running release; there is nothing to compare it with",
                release.manifest.version
            ));
        }
        let missing = present.release.manifest.programs.iter().find(|program| {
            let mut offered = release.manifest.programs.iter();
            !offered.any(|other| other.name == program.name)
        });
        if let Some(program) = missing {
            return invalid(format!(
                "{} lacks the program `{}` that the running release has, so it cannot take its calls; use `oriel upgrade`",
                release.manifest.version, program.name
            ));
        }
        let wanted = release.manifest.permissions.beyond(&present.grant);
        match self.decide(release, &present.grant, &Consent::Withheld)? {
            Some(grant) => Ok(grant),
            None => Err(ExtensionError::CanaryWider {
                name,
                version: release.manifest.version.to_string(),
                permissions: wanted,
            }),
        }
    }

    /// Changes the share or the terms of a canary that runs.
    ///
    /// # Errors
    /// When the principal may not, no canary runs, or a value is out of range.
    pub async fn change_canary(
        &self,
        principal: &Principal,
        name: &str,
        wanted: CanaryChange,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let canary = running(&present)?;
        let policy = CanaryPolicy {
            min_calls: wanted.min_calls.unwrap_or(canary.policy.min_calls),
            promote_after: wanted.promote_after.unwrap_or(canary.policy.promote_after),
            hard_failures: wanted.hard_failures.unwrap_or(canary.policy.hard_failures),
            auto: wanted.auto.unwrap_or(canary.policy.auto),
            ..canary.policy
        };
        let share = wanted.share.unwrap_or(canary.share);
        if let Some(problem) = share_problem(share).or_else(|| policy.problem()) {
            return Err(ExtensionError::CanaryInvalid {
                reason: problem.to_owned(),
            });
        }
        let notes = json!({ "canary": canary.release.manifest.version, "share": share, "policy": policy });
        let next = Installation {
            canary: Some(Box::new(Canary {
                share,
                policy,
                ..canary.clone()
            })),
            ..present.clone()
        };
        self.commit_noting(&change, next, present.revision, "extension.canary_change", notes)
            .await
    }

    /// Makes the canary the running release, whatever the numbers say.
    ///
    /// # Errors
    /// When the principal may not, no canary runs, or another extension needs the present version.
    pub async fn promote_canary(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<Installation, ExtensionError> {
        self.end_canary(principal, name, CanaryEnd::Promoted, if_match).await
    }

    /// Takes the canary away, whatever the numbers say. Calls in flight end on it.
    ///
    /// # Errors
    /// When the principal may not, or no canary runs.
    pub async fn roll_back_canary(&self, principal: &Principal, name: &str, if_match: Option<u64>) -> Result<Installation, ExtensionError> {
        self.end_canary(principal, name, CanaryEnd::RolledBack, if_match).await
    }

    async fn end_canary(
        &self,
        principal: &Principal,
        name: &str,
        end: CanaryEnd,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let comparison = self.comparison(&present, running(&present)?).await?;
        let reason = "somebody decided it".to_owned();
        self.end(&change, &present, end, false, reason, comparison).await
    }

    /// The canary that runs, compared with the running release by what all nodes have seen, and what came of the one before.
    ///
    /// # Errors
    /// When the principal may not, or nothing of this name is installed.
    pub async fn canary(&self, principal: &Principal, name: &str) -> Result<CanaryStatus, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        self.canary_of(principal.tenant, name).await
    }

    /// The same for another service, which has asked already who may know.
    ///
    /// # Errors
    /// When nothing of this name is installed.
    pub async fn canary_of(&self, tenant: TenantId, name: &str) -> Result<CanaryStatus, ExtensionError> {
        let present = self.find(tenant, name).await?;
        let running = match &present.canary {
            Some(canary) => Some(((**canary).clone(), self.comparison(&present, canary).await?)),
            None => None,
        };
        Ok(CanaryStatus {
            revision: present.revision,
            state: present.state,
            running,
            last: present.last_canary.map(|outcome| *outcome),
        })
    }

    /// Takes a validator's score of an execution in, from 0 to 1. It counts while a canary runs that `version` is part of, and each
    /// execution should be told once.
    pub fn observe_score(&self, tenant: TenantId, extension: &ExtensionName, version: &semver::Version, score: f64) {
        self.shared.canaries.score(tenant, extension, version, score);
    }

    /// What became of canaries since the service started.
    #[must_use]
    pub fn canary_counts(&self) -> CanaryCounts {
        let canaries = &self.shared.canaries;
        CanaryCounts {
            running: canaries.all().len() as u64,
            promoted: canaries.promoted.load(Ordering::Relaxed),
            rolled_back: canaries.rolled_back.load(Ordering::Relaxed),
        }
    }

    /// Refuses what would change the release that a canary is compared with.
    pub(crate) fn refuse_beside_canary(present: &Installation) -> Result<(), ExtensionError> {
        match &present.canary {
            None => Ok(()),
            Some(canary) => Err(ExtensionError::CanaryRunning {
                name: present.name.to_string(),
                version: canary.release.manifest.version.to_string(),
            }),
        }
    }

    /// Tries a canary out as it is about to run; nothing without one.
    pub(crate) async fn rehearse_canary(
        &self,
        next: &Installation,
        tenant_name: &oriel_model::name::TenantName,
        check_config: bool,
    ) -> Result<(), ExtensionError> {
        let Some(view) = view(next) else { return Ok(()) };
        // Secrets are opened by the schema that they were sealed by.
        let opened = config::open(&self.shared.sealer, next)?;
        config::validate(&opened, &view.release)?;
        self.rehearse_opened(&view, &opened, tenant_name, check_config).await
    }
}

/// The installation as its canary sees it.
pub(crate) fn view(installation: &Installation) -> Option<Installation> {
    let canary = installation.canary.as_deref()?;
    Some(Installation {
        release: canary.release.clone(),
        grant: canary.grant.clone(),
        canary: None,
        ..installation.clone()
    })
}

fn running(present: &Installation) -> Result<&Canary, ExtensionError> {
    present.canary.as_deref().ok_or_else(|| ExtensionError::NoCanary {
        name: present.name.to_string(),
    })
}
