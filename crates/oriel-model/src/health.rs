//! How an installation does, in the words that people see.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How an installation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// It answers calls, but has not yet answered one since the server started, the release changed or somebody let it
    /// out of quarantine.
    Starting,
    /// It answers.
    Healthy,
    /// It answers, but poorly: too many calls fail or are slow, it says so itself, or it is over a budget.
    Degraded,
    /// It failed so much that it is left alone for a while; calls are refused with `extension.tripped`.
    Tripped,
    /// The while is over: one call at a time is let through to see how it does.
    Probing,
    /// It kept failing; calls are refused with `extension.quarantined` until it is released.
    Quarantined,
    /// It is disabled or waits for consent.
    Stopped,
}

impl HealthState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Healthy,
        Self::Degraded,
        Self::Tripped,
        Self::Probing,
        Self::Quarantined,
        Self::Stopped,
    ];

    /// The text of the API, such as `tripped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Tripped => "tripped",
            Self::Probing => "probing",
            Self::Quarantined => "quarantined",
            Self::Stopped => "stopped",
        }
    }
}

impl std::fmt::Display for HealthState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why and since when an installation is no longer called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Who put it there: `system`, or a key or user.
    pub by: String,
    /// When it is let out by itself; absent: when somebody does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// One change of how an installation does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HealthChange {
    /// When.
    pub at: Timestamp,
    /// How it did before.
    pub from: HealthState,
    /// How it does since. The same as `from` where only the reason is new.
    pub to: HealthState,
    /// Why.
    pub reason: String,
}
