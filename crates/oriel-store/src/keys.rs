//! The port of API keys.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::access::ApiKey;
use oriel_model::id::{KeyId, TenantId};
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, Result};

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// Whose it is.
    pub tenant: TenantId,
    /// What may be shown of it.
    pub key: ApiKey,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
}

/// API keys. Revoked keys stay, so that the log and their refusals can name them.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Adds a key.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the id is taken.
    async fn create(&self, key: StoredKey, audit: NewAudit) -> Result<()>;

    /// The key with this id, of whichever tenant: authentication starts here.
    async fn find(&self, id: KeyId) -> Result<Option<StoredKey>>;

    /// A tenant's keys, newest first, revoked and expired ones included.
    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<ApiKey>>;

    /// Notes that a key was used at `at`. Nothing that is audited.
    async fn used(&self, tenant: TenantId, id: KeyId, at: Timestamp) -> Result<()>;

    /// Revokes a key of this tenant and answers it as it is now. A key revoked before keeps its first moment
    /// and `audit` is not written. Nothing when the tenant has no such key.
    ///
    /// With `keep_an_owner`, refuses with [`crate::StoreError::Conflict`] to revoke the tenant's last owner key
    /// that is neither revoked nor expired at `at` and carries no scopes, unless a proven owner among its users remains.
    async fn revoke(&self, tenant: TenantId, id: KeyId, at: Timestamp, keep_an_owner: bool, audit: NewAudit) -> Result<Option<ApiKey>>;
}
