use async_trait::async_trait;
use oriel_model::hook::Hook;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Hooks, NewAudit, Result, StoreError, Versioned, cursor};

use super::Store;
use super::audit::Audited;
use super::versions::{self, HOOKS};
use crate::db::params;
use crate::error::{corrupt, named};

const CONFLICT: StoreError = StoreError::Conflict { what: "hook" };

#[async_trait]
impl Hooks for Store {
    async fn put(&self, tenant: TenantId, hook: Hook, expected: Option<u64>, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let mut params = params![
            tenant.to_string(),
            hook.name.as_str(),
            hook.revision,
            serde_json::to_string(&hook).map_err(corrupt)?,
        ];
        match expected {
            None => {
                let insert = "INSERT INTO hooks (tenant, name, revision, body) VALUES ($1, $2, $3, $4)";
                let inserted = audited.transaction.execute(insert, params).await;
                inserted.map_err(|error| named(error, "hook"))?;
            }
            Some(expected) => {
                let update = "UPDATE hooks SET revision = $3, body = $4 WHERE tenant = $1 AND name = $2 AND revision = $5";
                params.push(expected.into());
                if audited.transaction.execute(update, params).await? == 0 {
                    return Err(CONFLICT);
                }
            }
        }
        versions::bump(&mut audited.transaction, tenant, HOOKS).await?;
        audited.commit(audit).await.map(drop)
    }

    async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<Hook>> {
        let get = "SELECT body FROM hooks WHERE tenant = $1 AND name = $2";
        let row = self.db.row(get, params![tenant.to_string(), name]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Hook>> {
        let after = cursor::decode("hooks", &page)?.unwrap_or_default();
        let list = "SELECT body FROM hooks WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3";
        let params = params![tenant.to_string(), after, cursor::limit(&page) + 1];
        let rows = self.db.rows(list, params).await?;
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Hook>>>()?;
        Ok(cursor::page("hooks", &page, items, |hook| hook.name.as_str().to_owned()))
    }

    async fn all(&self, tenant: TenantId) -> Result<Versioned<Hook>> {
        // One statement, so that the version and the hooks are of one moment.
        let all = "SELECT v.version, h.body FROM list_versions v LEFT JOIN hooks h ON h.tenant = v.tenant
            WHERE v.tenant = $1 AND v.list = 'hooks' ORDER BY h.name";
        versions::read(&self.db.rows(all, params![tenant.to_string()]).await?)
    }

    async fn version(&self, tenant: TenantId) -> Result<u64> {
        versions::version(&self.db, tenant, HOOKS).await
    }

    async fn delete(&self, tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let delete = "DELETE FROM hooks WHERE tenant = $1 AND name = $2 AND revision = $3";
        let params = params![tenant.to_string(), name, expected];
        if audited.transaction.execute(delete, params).await? == 0 {
            return Err(CONFLICT);
        }
        versions::bump(&mut audited.transaction, tenant, HOOKS).await?;
        audited.commit(audit).await.map(drop)
    }
}
