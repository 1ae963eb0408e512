use async_trait::async_trait;
use oriel_model::id::TenantId;
use oriel_model::policy::Policy;
use oriel_store::{NewAudit, Policies, Result, StoreError};

use super::Store;
use super::audit::Audited;
use crate::db::params;
use crate::error::{corrupt, named};

const CONFLICT: StoreError = StoreError::Conflict { what: "policy" };

#[async_trait]
impl Policies for Store {
    async fn all(&self, tenant: TenantId) -> Result<Vec<Policy>> {
        let all = "SELECT body FROM policies WHERE tenant = $1 ORDER BY id";
        let rows = self.db.rows(all, params![tenant.to_string()]).await?;
        rows.iter().map(|row| row.json(0)).collect()
    }

    async fn get(&self, tenant: TenantId, id: &str) -> Result<Option<Policy>> {
        let get = "SELECT body FROM policies WHERE tenant = $1 AND id = $2";
        let row = self.db.row(get, params![tenant.to_string(), id]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn put(&self, tenant: TenantId, policy: Policy, expected: Option<u64>, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let body = serde_json::to_string(&policy).map_err(corrupt)?;
        let mut params = params![tenant.to_string(), policy.id.as_str(), policy.revision, body];
        match expected {
            None => {
                let insert = "INSERT INTO policies (tenant, id, revision, body) VALUES ($1, $2, $3, $4)";
                let inserted = audited.transaction.execute(insert, params).await;
                inserted.map_err(|error| named(error, "policy"))?;
            }
            Some(expected) => {
                let update = "UPDATE policies SET revision = $3, body = $4 WHERE tenant = $1 AND id = $2 AND revision = $5";
                params.push(expected.into());
                if audited.transaction.execute(update, params).await? == 0 {
                    return Err(CONFLICT);
                }
            }
        }
        audited.commit(audit).await.map(drop)
    }

    async fn delete(&self, tenant: TenantId, id: &str, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let delete = "DELETE FROM policies WHERE tenant = $1 AND id = $2 AND revision = $3";
        let params = params![tenant.to_string(), id, expected];
        if audited.transaction.execute(delete, params).await? == 0 {
            return Err(CONFLICT);
        }
        audited.commit(audit).await.map(drop)
    }
}
