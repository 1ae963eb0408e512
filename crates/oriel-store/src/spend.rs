//! The port of what extensions spend on the model: by the day, exact among nodes, and never forgotten by a crash.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;

use crate::Result;

/// The most that may be spent, in millionths of the operator's currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpendCaps {
    /// In the day.
    pub day: Option<u64>,
    /// In the month.
    pub month: Option<u64>,
}

/// One day of the calendar in UTC, and the month that it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpendDay {
    /// Its beginning.
    pub day: Timestamp,
    /// The beginning of its month.
    pub month: Timestamp,
}

/// What extensions spend. Set aside before the model is asked and corrected afterwards, so that what is spent is never above what
/// is counted. It stays when the extension is uninstalled: who installs it again spends on.
#[async_trait]
pub trait ModelSpend: Send + Sync {
    /// Counts `amount` millionths as spent on a day.
    ///
    /// # Errors
    /// [`crate::StoreError::Quota`] for `spend_per_day` or `spend_per_month` when the sum would be above the cap; nothing is counted
    /// then. However many set aside at once, the sum never is.
    async fn set_aside(&self, tenant: TenantId, extension: &ExtensionName, on: SpendDay, amount: u64, caps: SpendCaps) -> Result<()>;

    /// Puts what was really spent in the place of what was set aside on that day.
    async fn settle(&self, tenant: TenantId, extension: &ExtensionName, day: Timestamp, set_aside: u64, spent: u64) -> Result<()>;

    /// What was spent or is set aside from a day on.
    async fn spent(&self, tenant: TenantId, extension: &ExtensionName, from: Timestamp) -> Result<u64>;

    /// Deletes at most `limit` days of all tenants before `before`; answers how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
