//! The port of declared hooks.

use async_trait::async_trait;
use oriel_model::hook::Hook;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, Result, Versioned};

/// Hooks by name.
#[async_trait]
pub trait Hooks: Send + Sync {
    /// Writes a hook: a new one when nothing is `expected`, else in place of the one whose stored revision is `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when nothing is expected and the tenant has one of this name,
    /// [`crate::StoreError::Conflict`] when the stored revision is another or the hook is gone.
    async fn put(&self, tenant: TenantId, hook: Hook, expected: Option<u64>, audit: NewAudit) -> Result<()>;

    /// The tenant's hook of this name.
    async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<Hook>>;

    /// By name, ascending.
    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Hook>>;

    /// All of the tenant's hooks by name, and the version as of which this is so.
    async fn all(&self, tenant: TenantId) -> Result<Versioned<Hook>>;

    /// The present version: another than the one known means that something changed.
    async fn version(&self, tenant: TenantId) -> Result<u64>;

    /// Removes the hook if its stored revision is `expected`. Bindings to it stay.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not or the hook is gone.
    async fn delete(&self, tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> Result<()>;
}
