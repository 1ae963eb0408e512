//! What an operator may say about health.

use std::time::Duration;

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
