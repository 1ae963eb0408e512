//! What one installation's circuit breaker does otherwise than the server's settings say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::anomaly::AnomalyAction;
use crate::limits::TimeSpan;

/// When an installation counts as ill, and what is done about it. What is absent is as the server's settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthPolicy {
    /// Crashes in a row that trip the breaker; 0: crashes in a row do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crashes: Option<u32>,
    /// Calls in the window below which no share of them means anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_calls: Option<u32>,
    /// The share of calls, in percent, that may fail before the breaker trips; 100: it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
    pub error_rate: Option<u32>,
    /// The share of calls, in percent, that may fail before it shows as degraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(maximum = 100))]
    pub degraded_rate: Option<u32>,
    /// From which time on a call is slow; four fifths of the time limit unless said. More than one slow call in twenty is degraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<TimeSpan>,
    /// How long it is left alone at first; twice as long each further time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<TimeSpan>,
    /// The longest that it is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff_max: Option<TimeSpan>,
    /// Calls that it must answer in a row before all calls are let through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub probes: Option<u32>,
    /// Trips in a row, or within an hour, that end in quarantine; 0: none do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_trips: Option<u32>,
    /// After what time quarantine ends by itself; `0ms`: only somebody ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_for: Option<TimeSpan>,
    /// The least role that may let it out of quarantine, beside the scope `extensions:write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_role: Option<Role>,
    /// What is done about an anomaly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_anomaly: Option<AnomalyAction>,
}

/// A policy whose numbers make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {problem}")]
pub struct HealthPolicyError {
    /// Where.
    pub field: &'static str,
    /// What is wrong there.
    pub problem: &'static str,
}

impl HealthPolicy {
    /// The longest back-off, quarantine and latency that can be set.
    pub const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This one, and where it says nothing, `other`.
    #[must_use]
    pub fn over(&self, other: &Self) -> Self {
        Self {
            crashes: self.crashes.or(other.crashes),
            min_calls: self.min_calls.or(other.min_calls),
            error_rate: self.error_rate.or(other.error_rate),
            degraded_rate: self.degraded_rate.or(other.degraded_rate),
            latency: self.latency.or(other.latency),
            backoff: self.backoff.or(other.backoff),
            backoff_max: self.backoff_max.or(other.backoff_max),
            probes: self.probes.or(other.probes),
            quarantine_trips: self.quarantine_trips.or(other.quarantine_trips),
            quarantine_for: self.quarantine_for.or(other.quarantine_for),
            release_role: self.release_role.or(other.release_role),
            on_anomaly: self.on_anomaly.or(other.on_anomaly),
        }
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn check(&self) -> Result<(), HealthPolicyError> {
        let wrong = |field, problem| Err(HealthPolicyError { field, problem });
        for (field, share) in [("errorRate", self.error_rate), ("degradedRate", self.degraded_rate)] {
            if share.is_some_and(|share| share > 100) {
                return wrong(field, "it is a percentage, at most 100");
            }
        }
        if self.probes == Some(0) {
            return wrong("probes", "it must be at least 1");
        }
        for (field, span) in [
            ("latency", self.latency),
            ("backoff", self.backoff),
            ("backoffMax", self.backoff_max),
        ] {
            if span.is_some_and(|span| span.0.is_zero()) {
                return wrong(field, "it must be above 0");
            }
        }
        for (field, span) in [
            ("latency", self.latency),
            ("backoff", self.backoff),
            ("backoffMax", self.backoff_max),
            ("quarantineFor", self.quarantine_for),
        ] {
            if span.is_some_and(|span| span.0 > Self::LONGEST) {
                return wrong(field, "it must be at most 366 days");
            }
        }
        if let (Some(first), Some(longest)) = (self.backoff, self.backoff_max)
            && first.0 > longest.0
        {
            return wrong("backoffMax", "it must not be below `backoff`");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_strictly_and_checked() {
        let read = |text: &str| serde_json::from_str::<HealthPolicy>(text);
        let policy = read(r#"{"errorRate": 20, "backoff": "5s", "releaseRole": "owner", "onAnomaly": "quarantine"}"#).unwrap();
        assert_eq!((policy.check(), policy.is_empty()), (Ok(()), false));
        assert_eq!(
            serde_json::from_value::<HealthPolicy>(serde_json::to_value(&policy).unwrap()).unwrap(),
            policy
        );
        for wrong in [
            r#"{"errorrate": 20}"#,
            r#"{"errorRate": -1}"#,
            r#"{"errorRate": 20.5}"#,
            r#"{"backoff": 5}"#,
            r#"{"releaseRole": "king"}"#,
            r#"{"onAnomaly": "explode"}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for (senseless, field) in [
            (r#"{"errorRate": 101}"#, "errorRate"),
            (r#"{"probes": 0}"#, "probes"),
            (r#"{"backoff": "0ms"}"#, "backoff"),
            (r#"{"latency": "0ms"}"#, "latency"),
            (r#"{"quarantineFor": "9999h"}"#, "quarantineFor"),
            (r#"{"backoff": "2s", "backoffMax": "1s"}"#, "backoffMax"),
        ] {
            assert_eq!(read(senseless).unwrap().check().unwrap_err().field, field, "{senseless}");
        }
        assert_eq!(
            read(r#"{"quarantineFor": "0ms", "crashes": 0, "quarantineTrips": 0}"#)
                .unwrap()
                .check(),
            Ok(())
        );
    }

    #[test]
    fn what_an_installation_does_not_say_is_as_elsewhere() {
        let own = HealthPolicy {
            crashes: Some(1),
            ..HealthPolicy::default()
        };
        let other = HealthPolicy {
            crashes: Some(2),
            probes: Some(3),
            ..HealthPolicy::default()
        };
        let both = own.over(&other);
        assert_eq!((both.crashes, both.probes, both.latency), (Some(1), Some(3), None));
    }
}
