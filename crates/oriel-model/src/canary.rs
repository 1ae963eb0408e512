//! A release tried out beside the running one, what judges it, and what came of it.

use serde::{Deserialize, Serialize};

use crate::id::CanaryId;
use crate::installation::Release;
use crate::permissions::Permissions;
use crate::time::Timestamp;

/// The largest share of calls that a policy lets a canary have by default.
pub const DEFAULT_SHARE: f64 = 0.2;

/// When a canary is promoted or rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CanaryPolicy {
    /// Calls that the canary must have had before the comparison decides anything.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, default = 20))]
    pub min_calls: u64,
    /// How likely a canary that is as good as the running release may be rolled back by mistake, over its whole life.
    #[cfg_attr(feature = "openapi", schema(exclusive_minimum = 0, maximum = 0.5, default = 0.01))]
    pub alpha: f64,
    /// Calls after which a canary that nothing speaks against is promoted.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, default = 1000))]
    pub promote_after: u64,
    /// By how much calls may become slower: 0.5 is half as long again.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1000, default = 0.5))]
    pub max_latency_increase: f64,
    /// By how much the mean score of validators, from 0 to 1, may drop; 1 leaves scores out.
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1, default = 0.05))]
    pub max_score_drop: f64,
    /// Crashes of the canary in a row that roll it back at once.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, default = 5))]
    pub hard_failures: u32,
    /// Whether the platform acts on its own; otherwise it only says what it would do.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub auto: bool,
}

impl Default for CanaryPolicy {
    fn default() -> Self {
        Self {
            min_calls: 20,
            alpha: 0.01,
            promote_after: 1_000,
            max_latency_increase: 0.5,
            max_score_drop: 0.05,
            hard_failures: 5,
            auto: true,
        }
    }
}

impl CanaryPolicy {
    /// What is wrong with it, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if self.min_calls == 0 {
            Some("`minCalls` must be at least 1")
        } else if !(self.alpha > 0.0 && self.alpha <= 0.5) {
            Some("`alpha` must be above 0 and at most 0.5")
        } else if self.promote_after < self.min_calls {
            Some("`promoteAfter` must be at least `minCalls`")
        } else if !(0.0..=1_000.0).contains(&self.max_latency_increase) {
            Some("`maxLatencyIncrease` must be from 0 to 1000")
        } else if !(0.0..=1.0).contains(&self.max_score_drop) {
            Some("`maxScoreDrop` must be from 0 to 1")
        } else if self.hard_failures == 0 {
            Some("`hardFailures` must be at least 1")
        } else {
            None
        }
    }
}

/// What is wrong with a share, if anything.
#[must_use]
pub fn share_problem(share: f64) -> Option<&'static str> {
    (!(share > 0.0 && share <= 1.0)).then_some("`share` must be above 0 and at most 1")
}

/// A release that runs beside the installed one and takes a share of the calls of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary {
    /// Its id: what is counted belongs to one canary, not to a version.
    pub id: CanaryId,
    /// The release.
    pub release: Release,
    /// What it may do: what it asks for, which is within the installation's grant.
    pub grant: Permissions,
    /// The share of calls that it takes, above 0 and at most 1.
    pub share: f64,
    /// When it is promoted or rolled back.
    pub policy: CanaryPolicy,
    /// When it began.
    pub since: Timestamp,
}

/// How a canary ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CanaryEnd {
    /// It became the running release.
    Promoted,
    /// It was taken away.
    RolledBack,
    /// Another canary took its place.
    Replaced,
}

/// What came of a canary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CanaryOutcome {
    /// Which canary.
    pub id: CanaryId,
    /// How it ended.
    pub end: CanaryEnd,
    /// Whether the platform decided it.
    pub automatic: bool,
    /// Why, for people.
    pub reason: String,
    /// When it began.
    pub since: Timestamp,
    /// When it ended.
    pub at: Timestamp,
    /// The numbers at that moment.
    pub comparison: CanaryComparison,
}

/// A rate with what can be said of the true one, at 95 % for one look.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// What was seen.
    pub rate: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// One of the two releases in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CanaryArm {
    /// Its version.
    #[cfg_attr(feature = "openapi", schema(value_type = String, example = "1.2.0"))]
    pub version: semver::Version,
    /// Calls that count: those that the platform itself failed are left out.
    pub calls: u64,
    /// How many of them succeeded.
    pub successes: u64,
    /// The success rate; absent without calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<Rate>,
    /// How many crashed.
    pub crashes: u64,
    /// Time of successful calls from the lease of an instance to the answer: half were faster, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p50_ms: Option<f64>,
    /// 95 of 100 were faster, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p95_ms: Option<f64>,
    /// 99 of 100 were faster, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p99_ms: Option<f64>,
    /// Executions that validators scored.
    pub scored: u64,
    /// Their mean score, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CanaryMeasure {
    /// How many calls succeed.
    Success,
    /// How long successful calls take.
    Latency,
    /// What validators say.
    Score,
}

/// One of the sequential tests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CanaryTest {
    /// What it compares.
    pub measure: CanaryMeasure,
    /// The evidence that the canary is worse: how many times likelier what was seen is then. Below 1 speaks for the canary.
    pub evidence: f64,
    /// The evidence at which it counts as worse.
    pub needed: f64,
    /// Whether that is reached.
    pub worse: bool,
    /// About how many more calls of the canary would reach it if it went on like this; absent when nothing points that way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_to_rollback: Option<u64>,
}

/// What the policy makes of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CanaryAdvice {
    /// Go on.
    Wait,
    /// Make it the running release.
    Promote,
    /// Take it away.
    Rollback,
}

/// Both releases, side by side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CanaryComparison {
    /// The running release.
    pub running: CanaryArm,
    /// The canary.
    pub canary: CanaryArm,
    /// The tests.
    pub tests: Vec<CanaryTest>,
    /// Crashes of the canary since its last call that did not crash.
    pub crashes_in_a_row: u32,
    /// What the policy makes of it.
    pub advice: CanaryAdvice,
    /// Why, for people.
    pub reason: String,
    /// Calls of the canary until it may be promoted.
    pub calls_to_promotion: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_out_of_range_says_so() {
        assert_eq!(CanaryPolicy::default().problem(), None);
        let bad = |change: &dyn Fn(&mut CanaryPolicy)| {
            let mut policy = CanaryPolicy::default();
            change(&mut policy);
            assert!(policy.problem().is_some(), "{policy:?}");
        };
        bad(&|policy| policy.alpha = 0.0);
        bad(&|policy| policy.alpha = f64::NAN);
        bad(&|policy| policy.alpha = 0.6);
        bad(&|policy| policy.min_calls = 0);
        bad(&|policy| policy.promote_after = 1);
        bad(&|policy| policy.max_latency_increase = -0.1);
        bad(&|policy| policy.max_score_drop = 1.1);
        bad(&|policy| policy.hard_failures = 0);
        for share in [0.0, -0.1, 1.01, f64::NAN] {
            assert!(share_problem(share).is_some(), "{share}");
        }
        assert_eq!(share_problem(1.0), None);
    }
}
