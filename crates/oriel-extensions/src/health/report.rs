//! What people see of health.

use std::time::Duration;

use oriel_access::Access;
use oriel_model::Timestamp;
use oriel_model::access::{Principal, Role, Scope};
use oriel_model::budget::Budgets;
use oriel_model::health::{HealthChange, HealthState, Quarantine};
use oriel_model::health_policy::HealthPolicy;
use oriel_model::installation::{Installation, InstallationState};
use oriel_model::limits::TimeSpan;
use std::sync::atomic::Ordering;

use super::{Health, HealthEvents, HealthOptions};
use crate::budget::{BudgetUse, BudgetWatch};
use crate::change::Change;
use crate::circuit::Seen;
use crate::{ExtensionError, Extensions};

/// How an installation does on this node.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthReport {
    /// How.
    pub state: HealthState,
    /// Why, in a line.
    pub reason: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What its own health check said last.
    pub detail: Option<String>,
    /// Why it is not called, if it is in quarantine.
    pub quarantine: Option<Quarantine>,
    /// How long it is still left alone, if it has tripped.
    pub retry_after: Option<Duration>,
    /// Trips since it was last healthy.
    pub trips_in_a_row: u32,
    /// Trips within the last hour.
    pub trips_within_an_hour: u64,
    /// Calls within the window that the breaker looks at.
    pub window: WindowCounts,
    /// Its budgets and what is used of them.
    pub budgets: Budgets,
    /// What is used of each.
    pub used: Vec<BudgetUse>,
    /// The last changes since the server started, the newest first.
    pub history: Vec<HealthChange>,
}

/// What an installation's circuit breaker does otherwise than the server's settings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReport {
    /// The installation's revision.
    pub revision: u64,
    /// What it says itself.
    pub own: HealthPolicy,
    /// What holds after all. Without a latency, four fifths of the time limit.
    pub effective: HealthPolicy,
}

/// Calls within a window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WindowCounts {
    /// How long it is.
    pub span: Duration,
    /// Calls that tell something of the extension.
    pub calls: u64,
    /// Those that failed by its fault.
    pub failures: u64,
    /// Those in which it could not do what it should, by its own words.
    pub poor: u64,
    /// Those that took most of the time that they had.
    pub slow: u64,
}

/// Numbers of all installations that this node has loaded since it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthNumbers {
    /// Installations in each state.
    pub states: Vec<(HealthState, u64)>,
    /// How often a breaker tripped.
    pub trips: u64,
    /// How often one ended in quarantine.
    pub quarantines: u64,
    /// Calls that a breaker refused.
    pub refused: u64,
    /// Anomalies that were raised.
    pub anomalies: u64,
}

impl Health {
    /// What it knows, for a report.
    fn fill(&self, report: &mut HealthReport) {
        let now = self.now();
        let Seen {
            calls,
            failures,
            poor,
            slow,
        } = self.seen(now);
        report.window = WindowCounts {
            span: self.common.options.window,
            calls,
            failures,
            poor,
            slow,
        };
        let core = self.core.lock();
        report.detail.clone_from(&core.checks.detail);
        report.retry_after = core.circuit.rests(now);
        let (in_a_row, recent) = core.circuit.trips(now);
        report.trips_in_a_row = in_a_row;
        report.trips_within_an_hour = recent as u64;
        report.used = core.budgets.as_ref().map(|budgets| budgets.used(now)).unwrap_or_default();
    }
}

impl Extensions {
    /// How an installation does on this node, and how it came to that.
    ///
    /// # Errors
    /// When the principal may not, or nothing of this name is installed.
    pub async fn health(&self, principal: &Principal, name: &str) -> Result<HealthReport, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let installation = self.find(principal.tenant, name).await?;
        Ok(self.report(principal, &installation))
    }

    /// The same of an installation that is at hand.
    pub(crate) fn report(&self, principal: &Principal, installation: &Installation) -> HealthReport {
        let handle = self.handle(principal.tenant, &principal.tenant_name, &installation.name);
        let record = handle.record();
        let now = record.now();
        let stopped = installation.state != InstallationState::Enabled;
        let (state, reason, since) = match (&installation.quarantine, now) {
            _ if stopped => (HealthState::Stopped, None, None),
            (Some(quarantine), _) => (HealthState::Quarantined, Some(quarantine.reason.clone()), Some(quarantine.since)),
            // Nobody has called it since the server started.
            (None, None) => (HealthState::Starting, None, None),
            (None, Some(now)) if now.to == HealthState::Stopped => (HealthState::Starting, None, None),
            (None, Some(now)) => (now.to, Some(now.reason), Some(now.at)),
        };
        let mut report = HealthReport {
            state,
            reason,
            since,
            detail: None,
            quarantine: installation.quarantine.clone(),
            retry_after: None,
            trips_in_a_row: 0,
            trips_within_an_hour: 0,
            window: WindowCounts {
                span: self.shared.health.options.window,
                ..WindowCounts::default()
            },
            budgets: installation.budgets.clone(),
            used: Vec::new(),
            history: record.changes(),
        };
        match handle.health() {
            Some(health) if !stopped => health.fill(&mut report),
            _ => report.used = BudgetWatch::new(&installation.budgets).used(0),
        }
        report
    }

    /// Replaces the budgets of an installation; what was used so far is forgotten.
    ///
    /// # Errors
    /// When the principal may not, nothing of this name is installed, or a budget makes no sense.
    pub async fn set_budgets(
        &self,
        principal: &Principal,
        name: &str,
        budgets: Budgets,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        budgets.check()?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let next = Installation {
            budgets,
            ..present.clone()
        };
        self.commit(&change, next, present.revision, "extension.set_budgets").await
    }

    /// Replaces what an installation's circuit breaker does otherwise than the server's settings say. It holds for calls that end from
    /// now on; what was counted so far stays.
    ///
    /// # Errors
    /// When the principal may not, nothing of this name is installed, a number makes no sense, or the role that may release it would be
    /// above the principal's own: nobody locks themselves out, or lets themselves in.
    pub async fn set_health_policy(
        &self,
        principal: &Principal,
        name: &str,
        policy: HealthPolicy,
        if_match: Option<u64>,
    ) -> Result<Installation, ExtensionError> {
        let change = Change::by(principal)?;
        policy.check()?;
        let (_alone, present) = self.hold(change.tenant, name, if_match).await?;
        let roles = [self.policy_of(&present).release_role, policy.release_role];
        if let Some(least) = roles.into_iter().flatten().find(|least| principal.role < *least) {
            return Err(ExtensionError::QuarantineHeld {
                name: present.name.to_string(),
                least,
            });
        }
        let next = Installation {
            health_policy: policy,
            ..present.clone()
        };
        self.commit(&change, next, present.revision, "extension.set_health_policy").await
    }

    /// What an installation's circuit breaker does otherwise, and what holds after all.
    ///
    /// # Errors
    /// When the principal may not, or nothing of this name is installed.
    pub async fn health_policy(&self, principal: &Principal, name: &str) -> Result<PolicyReport, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        let installation = self.find(principal.tenant, name).await?;
        let policy = self.policy_of(&installation);
        let options = self.policy_options(&installation);
        Ok(PolicyReport {
            revision: installation.revision,
            own: installation.health_policy,
            effective: HealthPolicy {
                crashes: Some(options.crashes),
                min_calls: Some(options.min_calls),
                error_rate: Some(options.error_rate),
                degraded_rate: Some(options.degraded_rate),
                latency: policy.latency,
                backoff: Some(TimeSpan(options.backoff_min)),
                backoff_max: Some(TimeSpan(options.backoff_max)),
                probes: Some(options.probes),
                quarantine_trips: Some(options.quarantine_trips),
                quarantine_for: Some(TimeSpan(options.quarantine_for.unwrap_or_default())),
                release_role: Some(policy.release_role.unwrap_or(Role::Admin)),
                on_anomaly: Some(policy.on_anomaly.unwrap_or_default()),
            },
        })
    }

    pub(crate) fn policy_of(&self, installation: &Installation) -> HealthPolicy {
        self.shared.health.options.policy_of(installation)
    }

    pub(crate) fn policy_options(&self, installation: &Installation) -> HealthOptions {
        let options = &self.shared.health.options;
        options.with(&options.policy_of(installation))
    }

    /// Listens to how installations change on this node.
    #[must_use]
    pub fn health_events(&self) -> HealthEvents {
        self.shared.health.hub.events.subscribe()
    }

    /// Numbers of all installations, for who watches the server.
    #[must_use]
    pub fn health_numbers(&self) -> HealthNumbers {
        let mut states: Vec<(HealthState, u64)> = HealthState::ALL.map(|state| (state, 0)).to_vec();
        {
            let slots = self.shared.slots.read();
            let known = slots.values().flat_map(|slots| slots.values());
            for state in known.filter_map(|slot| slot.record().state()) {
                if let Some((_, count)) = states.iter_mut().find(|(one, _)| *one == state) {
                    *count += 1;
                }
            }
        }
        let hub = &self.shared.health.hub;
        HealthNumbers {
            states,
            trips: hub.trips.load(Ordering::Relaxed),
            quarantines: hub.quarantines.load(Ordering::Relaxed),
            refused: hub.refused.load(Ordering::Relaxed),
            anomalies: self.shared.raised.load(Ordering::Relaxed),
        }
    }
}
