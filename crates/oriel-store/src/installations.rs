//! The port of installations and releases.

use async_trait::async_trait;
use oriel_model::Digest;
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, Release};
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, Result};

/// What each tenant has installed.
#[async_trait]
pub trait Installations: Send + Sync {
    /// Adds an installation at its revision.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the tenant has one of this name.
    async fn insert(&self, installation: Installation, audit: NewAudit) -> Result<()>;

    /// The tenant's installation of this name.
    async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<Installation>>;

    /// By name, ascending.
    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Installation>>;

    /// Replaces the installation (same tenant and name) if its stored revision is `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not, or the installation is gone.
    async fn update(&self, installation: Installation, expected: u64, audit: NewAudit) -> Result<()>;

    /// Removes the installation if its stored revision is `expected`, together with the tenant's key-value
    /// entries, log lines, bindings and canary tallies of that extension.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not, or the installation is gone.
    async fn delete(&self, tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> Result<()>;

    /// Notes that this tenant knows this release, so that its version can never mean other content. Quiet when
    /// the same content is known.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the version is known with another package digest.
    async fn record_release(&self, tenant: TenantId, release: &Release) -> Result<()>;

    /// Whether any installation of any tenant runs, keeps, tries out or awaits this package: asked before a blob is deleted.
    async fn uses_package(&self, package: Digest) -> Result<bool>;
}
