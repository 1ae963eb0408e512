//! The port of quotas.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::quota::Quotas as Values;

use crate::{NewAudit, Result};

/// What a tenant's use is counted to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consumption {
    /// Extensions that are installed.
    pub extensions: u64,
    /// Tasks.
    pub tasks: u64,
    /// Keys that are neither revoked nor expired.
    pub keys: u64,
    /// Bytes in key-value stores, as their own quota counts them.
    pub stored_bytes: u64,
}

/// What tenants may use, and what they do use.
#[async_trait]
pub trait Quotas: Send + Sync {
    /// The quotas of a tenant and their revision; nothing where none were set.
    async fn get(&self, tenant: TenantId) -> Result<Option<(Values, u64)>>;

    /// Sets the quotas that are at revision `expected` (0 for none set yet). The next revision is one higher.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when another revision is current.
    async fn put(&self, tenant: TenantId, quotas: Values, expected: u64, audit: NewAudit) -> Result<()>;

    /// Counts what the tenant uses at `now`.
    async fn usage(&self, tenant: TenantId, now: Timestamp) -> Result<Consumption>;
}
