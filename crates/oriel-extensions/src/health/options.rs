//! What an operator may say about health, and what installations say otherwise.

use std::collections::BTreeMap;
use std::time::Duration;

use oriel_model::health_policy::HealthPolicy;
use oriel_model::installation::Installation;
use oriel_model::name::ExtensionName;

/// When an installation counts as ill, and what is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthOptions {
    /// Crashes in a row that trip the breaker; 0: crashes in a row do not.
    pub crashes: u32,
    /// The time over which calls are counted.
    pub window: Duration,
    /// Calls in the window below which no share of them means anything.
    pub min_calls: u32,
    /// The share of failing calls in the window, in percent, above which the breaker trips; 100: never.
    pub error_rate: u32,
    /// The share of failing calls in the window, in percent, above which an installation is degraded.
    pub degraded_rate: u32,
    /// How long the breaker stays tripped the first time; twice as long each further time.
    pub backoff_min: Duration,
    /// The longest that it stays tripped.
    pub backoff_max: Duration,
    /// Whether back-offs are shortened by up to a quarter at random, so that what tripped together is not tried together.
    pub jitter: bool,
    /// Calls that must be answered in a row before the breaker closes.
    pub probes: u32,
    /// Trips in a row, or within an hour, that end in quarantine; 0: none do.
    pub quarantine_trips: u32,
    /// After what time quarantine ends by itself; absent: never.
    pub quarantine_for: Option<Duration>,
    /// How often an installation that is called is asked for its own health check; zero: never.
    pub check_interval: Duration,
    /// What holds otherwise for extensions of these names in all tenants, until an installation says something itself.
    pub by_extension: BTreeMap<ExtensionName, HealthPolicy>,
    /// What holds where neither says anything, of what is no number above.
    pub policy: HealthPolicy,
}

impl Default for HealthOptions {
    fn default() -> Self {
        Self {
            crashes: 5,
            window: Duration::from_secs(10),
            min_calls: 20,
            error_rate: 50,
            degraded_rate: 10,
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(300),
            jitter: true,
            probes: 3,
            quarantine_trips: 8,
            quarantine_for: None,
            check_interval: Duration::from_secs(30),
            by_extension: BTreeMap::new(),
            policy: HealthPolicy::default(),
        }
    }
}

impl HealthOptions {
    /// Nothing trips and nothing is asked: for tests that crash guests on purpose.
    #[must_use]
    pub fn off() -> Self {
        Self {
            crashes: 0,
            error_rate: 100,
            quarantine_trips: 0,
            check_interval: Duration::ZERO,
            ..Self::default()
        }
    }

    /// What an installation says, then what the operator says of extensions of its name, then of all.
    pub(crate) fn policy_of(&self, installation: &Installation) -> HealthPolicy {
        let named = self.by_extension.get(&installation.name);
        let own = &installation.health_policy;
        named.map_or_else(|| own.clone(), |named| own.over(named)).over(&self.policy)
    }

    /// These with what a policy says otherwise.
    pub(crate) fn with(&self, policy: &HealthPolicy) -> Self {
        let quarantine_for = match policy.quarantine_for {
            Some(span) => Some(span.0).filter(|span| !span.is_zero()),
            None => self.quarantine_for,
        };
        Self {
            crashes: policy.crashes.unwrap_or(self.crashes),
            min_calls: policy.min_calls.unwrap_or(self.min_calls),
            error_rate: policy.error_rate.unwrap_or(self.error_rate),
            degraded_rate: policy.degraded_rate.unwrap_or(self.degraded_rate),
            backoff_min: policy.backoff.map_or(self.backoff_min, |span| span.0),
            backoff_max: policy.backoff_max.map_or(self.backoff_max, |span| span.0),
            probes: policy.probes.unwrap_or(self.probes),
            quarantine_trips: policy.quarantine_trips.unwrap_or(self.quarantine_trips),
            quarantine_for,
            // The rest is nothing that a policy speaks of; the lists are of no use to one installation.
            by_extension: BTreeMap::new(),
            policy: HealthPolicy::default(),
            ..*self
        }
    }

    /// How long the breaker stays tripped after `earlier` trips in a row.
    pub(crate) fn backoff(&self, earlier: u32) -> Duration {
        let doubled = self.backoff_min.saturating_mul(1 << earlier.min(20));
        let rest = doubled.min(self.backoff_max.max(self.backoff_min));
        if self.jitter { rest - rest.mul_f64(chance() / 4.0) } else { rest }
    }
}

/// A number from 0 to 1 by chance.
pub(crate) fn chance() -> f64 {
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}
