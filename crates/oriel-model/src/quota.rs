//! How much a tenant or a key may use.

use serde::{Deserialize, Serialize};

/// How often somebody may ask: a rate with room for a burst, per node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimit {
    /// Requests in a second, in the long run.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000))]
    pub requests_per_second: u32,
    /// Requests at once after a rest; as many as a second allows when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000))]
    pub burst: Option<u32>,
}

impl RateLimit {
    /// The highest rate and burst that can be set.
    pub const MAX: u32 = 1_000_000;

    /// Requests at once after a rest.
    #[must_use]
    pub fn burst(self) -> u32 {
        self.burst.unwrap_or(self.requests_per_second)
    }

    /// Whether both numbers are in range.
    #[must_use]
    pub fn is_valid(self) -> bool {
        (1..=Self::MAX).contains(&self.requests_per_second) && (1..=Self::MAX).contains(&self.burst())
    }
}

/// What a tenant may use at most. What is absent is not limited here; the server's own limits hold in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quotas {
    /// How often it may ask, all its keys and users together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// Requests that are worked on at once, on each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub concurrent_requests: Option<u32>,
    /// Extensions that are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extensions: Option<u32>,
    /// Tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// API keys that are neither revoked nor expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub keys: Option<u32>,
    /// Bytes that its extensions keep in key-value stores, keys included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_bytes: Option<u64>,
}
