use async_trait::async_trait;
use oriel_model::access::Tenant;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};
use oriel_store::{NewAudit, Result, Tenants, cursor};

use super::Store;
use super::audit::Audited;
use crate::db::params;
use crate::error::{corrupt, named};

#[async_trait]
impl Tenants for Store {
    async fn create(&self, tenant: Tenant, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant.id).await?;
        let body = serde_json::to_string(&tenant).map_err(corrupt)?;
        let insert = "INSERT INTO tenants (id, name, body) VALUES ($1, $2, $3)";
        let params = params![tenant.id.to_string(), tenant.name.as_str(), body];
        audited
            .transaction
            .execute(insert, params)
            .await
            .map_err(|error| named(error, "tenant"))?;
        audited.commit(audit).await.map(drop)
    }

    async fn get(&self, id: TenantId) -> Result<Option<Tenant>> {
        let row = self
            .db
            .row("SELECT body FROM tenants WHERE id = $1", params![id.to_string()])
            .await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn by_name(&self, name: &str) -> Result<Option<Tenant>> {
        let row = self.db.row("SELECT body FROM tenants WHERE name = $1", params![name]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn list(&self, page: PageRequest) -> Result<Page<Tenant>> {
        let after = cursor::decode("tenants", &page)?.unwrap_or_default();
        let list = "SELECT body FROM tenants WHERE name > $1 ORDER BY name LIMIT $2";
        let rows = self.db.rows(list, params![after, cursor::limit(&page) + 1]).await?;
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Tenant>>>()?;
        Ok(cursor::page("tenants", &page, items, |tenant| tenant.name.as_str().to_owned()))
    }
}
