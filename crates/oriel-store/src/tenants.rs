//! The port of tenants.

use async_trait::async_trait;
use oriel_model::access::Tenant;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, Result};

/// Tenants by id and by name.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// Adds a tenant; `audit` goes into the new tenant's own log.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the name is taken.
    async fn create(&self, tenant: Tenant, audit: NewAudit) -> Result<()>;

    /// The tenant with this id.
    async fn get(&self, id: TenantId) -> Result<Option<Tenant>>;

    /// The tenant with this name.
    async fn by_name(&self, name: &str) -> Result<Option<Tenant>>;

    /// By name, ascending.
    async fn list(&self, page: PageRequest) -> Result<Page<Tenant>>;
}
