//! The port of usage: what each contribution took, by the hour, for cost attribution and budgets.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::contribution::ContributionKind;
use oriel_model::id::TenantId;
use oriel_model::name::{ContributionName, ExtensionName};

use crate::Result;

/// What is counted. Sums stop at 2^63 - 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Calls.
    pub calls: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Time between call and answer, in microseconds.
    pub wall_us: u64,
    /// Guest CPU time, in microseconds.
    pub cpu_us: u64,
    /// Calls that guests made to the host.
    pub host_calls: u64,
    /// Bytes of outbound requests and their replies.
    pub outbound_bytes: u64,
    /// Tokens that went to the model.
    pub model_input_tokens: u64,
    /// Tokens that came from the model.
    pub model_output_tokens: u64,
    /// What completions cost, in millionths of the operator's currency.
    pub model_spend: u64,
}

impl Used {
    /// The most that is counted.
    pub const MAX: u64 = i64::MAX as u64;

    /// The sum, stopping at [`Used::MAX`].
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        let add = |a: u64, b: u64| a.saturating_add(b).min(Self::MAX);
        Self {
            calls: add(self.calls, more.calls),
            failures: add(self.failures, more.failures),
            wall_us: add(self.wall_us, more.wall_us),
            cpu_us: add(self.cpu_us, more.cpu_us),
            host_calls: add(self.host_calls, more.host_calls),
            outbound_bytes: add(self.outbound_bytes, more.outbound_bytes),
            model_input_tokens: add(self.model_input_tokens, more.model_input_tokens),
            model_output_tokens: add(self.model_output_tokens, more.model_output_tokens),
            model_spend: add(self.model_spend, more.model_spend),
        }
    }
}

/// What one contribution took within one hour: a row, or what is to be added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageDelta {
    /// Whose calls.
    pub tenant: TenantId,
    /// Of which extension.
    pub extension: ExtensionName,
    /// Which kind of contribution.
    pub kind: ContributionKind,
    /// Its name.
    pub contribution: ContributionName,
    /// The beginning of the hour; see [`UsageDelta::hour_of`].
    pub hour: Timestamp,
    /// How much.
    pub used: Used,
}

/// The order and identity of rows.
pub type UsagePlace = (TenantId, Timestamp, ExtensionName, ContributionKind, ContributionName);

impl UsageDelta {
    /// The beginning of the hour, in UTC, in which `at` lies.
    #[must_use]
    pub const fn hour_of(at: Timestamp) -> Timestamp {
        Timestamp::from_millis(at.millis() - at.millis().rem_euclid(3_600_000))
    }

    /// Which row it belongs to.
    #[must_use]
    pub fn place(&self) -> UsagePlace {
        (self.tenant, self.hour, self.extension.clone(), self.kind, self.contribution.clone())
    }

    /// The same with one delta per row, in the order of rows: what adapters write.
    #[must_use]
    pub fn merged(deltas: Vec<Self>) -> Vec<Self> {
        let mut rows = std::collections::BTreeMap::<UsagePlace, Self>::new();
        for delta in deltas {
            match rows.entry(delta.place()) {
                std::collections::btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(Self {
                        used: Used::default().plus(delta.used),
                        ..delta
                    });
                }
                std::collections::btree_map::Entry::Occupied(mut row) => row.get_mut().used = row.get().used.plus(delta.used),
            }
        }
        rows.into_values().collect()
    }
}

/// Usage per tenant, extension, contribution and hour. It stays when the extension is uninstalled.
#[async_trait]
pub trait Usage: Send + Sync {
    /// Adds to the rows, all or none.
    async fn add(&self, deltas: Vec<UsageDelta>) -> Result<()>;

    /// The tenant's rows of hours from `from` on and before `to`, by hour, extension, kind and name.
    async fn query(&self, tenant: TenantId, from: Timestamp, to: Timestamp) -> Result<Vec<UsageDelta>>;

    /// Deletes at most `limit` rows of all tenants with hours before `before`, the oldest first; answers how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
