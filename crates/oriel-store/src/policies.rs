//! The port of policies.

use async_trait::async_trait;
use oriel_model::id::TenantId;
use oriel_model::policy::Policy;

use crate::{NewAudit, Result};

/// A tenant's own policies, few and always read together.
#[async_trait]
pub trait Policies: Send + Sync {
    /// All of a tenant's, by id.
    async fn all(&self, tenant: TenantId) -> Result<Vec<Policy>>;

    /// The policy with this id.
    async fn get(&self, tenant: TenantId, id: &str) -> Result<Option<Policy>>;

    /// Puts a policy in the place of the one at revision `expected`; without `expected`, where there is none.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when there is one and none was expected, [`crate::StoreError::Conflict`] when it has another
    /// revision or is gone.
    async fn put(&self, tenant: TenantId, policy: Policy, expected: Option<u64>, audit: NewAudit) -> Result<()>;

    /// Removes the policy at revision `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it has another revision or is gone.
    async fn delete(&self, tenant: TenantId, id: &str, expected: u64, audit: NewAudit) -> Result<()>;
}
