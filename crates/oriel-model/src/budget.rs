//! How much an installation may use over a while, and what happens when it uses more.
//!
//! Limits ([`crate::limits`]) are about one call and are never crossed. Budgets are about all calls of a window of time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::{ByteSize, TimeSpan};
use crate::money::Money;

/// What happens when a budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum BudgetAction {
    /// The installation shows as `degraded`, and its history says why.
    Warn,
    /// Calls are refused with `extension.budget_exceeded` until there is room again.
    Throttle,
    /// The circuit breaker trips, as after too many failures.
    Trip,
    /// The installation is disabled.
    Disable,
}

/// A thing that a budget is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BudgetAxis {
    /// The time that 95 of 100 calls stay below.
    LatencyP95,
    /// The share of calls that fail by the extension's fault.
    ErrorRate,
    /// Time that guest code runs.
    Cpu,
    /// The most memory that one instance holds.
    Memory,
    /// Calls.
    Calls,
    /// Bytes of bodies sent and got over HTTP.
    OutboundBytes,
    /// What completions of the model cost.
    ModelSpend,
}

impl BudgetAxis {
    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LatencyP95 => "latencyP95",
            Self::ErrorRate => "errorRate",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Calls => "calls",
            Self::OutboundBytes => "outboundBytes",
            Self::ModelSpend => "modelSpend",
        }
    }
}

impl std::fmt::Display for BudgetAxis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! budgets {
    ($($(#[doc = $doc:literal])+ $name:ident, $limit:ty, $what:literal;)*) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
            #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub struct $name {
                #[doc = $what]
                pub limit: $limit,
                /// The time that is looked back on, 1 s to 24 h.
                #[serde(default = "a_minute")]
                pub window: TimeSpan,
                /// What happens when it is used up.
                pub action: BudgetAction,
            }
        )*
    };
}

budgets! {
    /// A budget of time.
    TimeBudget, TimeSpan, "The most, in the window.";
    /// A budget of failures.
    RateBudget, f64, "The highest share of calls that may fail, above 0 and at most 1.";
    /// A budget of bytes.
    BytesBudget, ByteSize, "The most, in the window.";
    /// A budget of calls.
    CallsBudget, u64, "The most, in the window.";
    /// A budget of money.
    SpendBudget, Money, "The most, in the window, in the operator's currency.";
}

const fn a_minute() -> TimeSpan {
    TimeSpan(Duration::from_secs(60))
}

/// The budgets of an installation, on each node; an axis that is absent has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Budgets {
    /// How long calls take: 95 of 100 must stay below. Judged from 20 calls on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_p95: Option<TimeBudget>,
    /// How many calls fail by the extension's fault. Judged from 20 calls on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_rate: Option<RateBudget>,
    /// Time that guest code runs, all calls together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<TimeBudget>,
    /// Memory that one instance holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<BytesBudget>,
    /// Calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<CallsBudget>,
    /// Bytes of bodies sent and got over HTTP, all calls together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outbound_bytes: Option<BytesBudget>,
    /// What completions of the model cost, all calls together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_spend: Option<SpendBudget>,
}

/// A budget whose numbers make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{axis}`: {problem}")]
pub struct BudgetError {
    /// Where.
    pub axis: BudgetAxis,
    /// What is wrong there.
    pub problem: &'static str,
}

impl Budgets {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Windows, actions and axes of the budgets that there are.
    #[must_use]
    pub fn all(&self) -> Vec<(BudgetAxis, TimeSpan, BudgetAction)> {
        let all = [
            self.latency_p95
                .map(|budget| (BudgetAxis::LatencyP95, budget.window, budget.action)),
            self.error_rate.map(|budget| (BudgetAxis::ErrorRate, budget.window, budget.action)),
            self.cpu.map(|budget| (BudgetAxis::Cpu, budget.window, budget.action)),
            self.memory.map(|budget| (BudgetAxis::Memory, budget.window, budget.action)),
            self.calls.map(|budget| (BudgetAxis::Calls, budget.window, budget.action)),
            self.outbound_bytes
                .map(|budget| (BudgetAxis::OutboundBytes, budget.window, budget.action)),
            self.model_spend
                .map(|budget| (BudgetAxis::ModelSpend, budget.window, budget.action)),
        ];
        all.into_iter().flatten().collect()
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// The first that makes no sense.
    pub fn check(&self) -> Result<(), BudgetError> {
        const WINDOW: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3_600);
        for (axis, window, _) in self.all() {
            if !WINDOW.contains(&window.0) {
                let problem = "`window` must be 1s to 24h";
                return Err(BudgetError { axis, problem });
            }
        }
        let zero = [
            (
                BudgetAxis::LatencyP95,
                self.latency_p95.is_some_and(|budget| budget.limit.0.is_zero()),
            ),
            (BudgetAxis::Cpu, self.cpu.is_some_and(|budget| budget.limit.0.is_zero())),
            (BudgetAxis::Memory, self.memory.is_some_and(|budget| budget.limit.0 == 0)),
            (BudgetAxis::Calls, self.calls.is_some_and(|budget| budget.limit == 0)),
            (
                BudgetAxis::OutboundBytes,
                self.outbound_bytes.is_some_and(|budget| budget.limit.0 == 0),
            ),
            (BudgetAxis::ModelSpend, self.model_spend.is_some_and(|budget| budget.limit.0 == 0)),
        ];
        if let Some((axis, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            let problem = "`limit` must be above 0";
            return Err(BudgetError { axis, problem });
        }
        match self.error_rate {
            Some(budget) if !(budget.limit > 0.0 && budget.limit <= 1.0) => Err(BudgetError {
                axis: BudgetAxis::ErrorRate,
                problem: "`limit` must be above 0 and at most 1",
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_strictly() {
        let read = |text: &str| serde_json::from_str::<Budgets>(text);
        let budgets =
            read(r#"{"cpu": {"limit": "500ms", "action": "throttle"}, "calls": {"limit": 9, "window": "1h", "action": "warn"}}"#).unwrap();
        assert_eq!(budgets.cpu.unwrap().window, a_minute());
        assert_eq!(budgets.check(), Ok(()));
        assert_eq!(
            serde_json::from_value::<Budgets>(serde_json::to_value(&budgets).unwrap()).unwrap(),
            budgets
        );
        for wrong in [
            r#"{"cpus": {"limit": "1s", "action": "warn"}}"#,
            r#"{"cpu": {"limit": 5, "action": "warn"}}"#,
            r#"{"cpu": {"limit": "1s"}}"#,
            r#"{"cpu": {"limit": "1s", "action": "beat"}}"#,
            r#"{"calls": {"limit": -1, "action": "warn"}}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for (senseless, axis) in [
            (r#"{"cpu": {"limit": "0ms", "action": "warn"}}"#, BudgetAxis::Cpu),
            (r#"{"cpu": {"limit": "1s", "window": "10ms", "action": "warn"}}"#, BudgetAxis::Cpu),
            (r#"{"calls": {"limit": 1, "window": "25h", "action": "warn"}}"#, BudgetAxis::Calls),
            (r#"{"errorRate": {"limit": 1.5, "action": "warn"}}"#, BudgetAxis::ErrorRate),
            (r#"{"memory": {"limit": 0, "action": "trip"}}"#, BudgetAxis::Memory),
            (r#"{"modelSpend": {"limit": 0, "action": "throttle"}}"#, BudgetAxis::ModelSpend),
        ] {
            assert_eq!(read(senseless).unwrap().check().unwrap_err().axis, axis, "{senseless}");
        }
    }
}
