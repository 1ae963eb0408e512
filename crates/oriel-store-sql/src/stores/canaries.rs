use async_trait::async_trait;
use oriel_model::id::{CanaryId, TenantId};
use oriel_store::{CanaryTallies, CanaryTally, Result};

use super::Store;
use crate::db::params;

#[async_trait]
impl CanaryTallies for Store {
    async fn put(&self, tenant: TenantId, tally: CanaryTally) -> Result<()> {
        let put = "INSERT INTO canary_tallies (tenant, extension, canary, node, body) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (tenant, extension, canary, node) DO UPDATE SET body = excluded.body";
        let params = params![
            tenant.to_string(),
            tally.extension.as_str(),
            tally.canary.to_string(),
            tally.node,
            tally.body,
        ];
        self.db.write(put, params).await.map(drop)
    }

    async fn list(&self, tenant: TenantId, extension: &str, canary: CanaryId) -> Result<Vec<CanaryTally>> {
        let list = "SELECT extension, node, body FROM canary_tallies WHERE tenant = $1 AND extension = $2 AND canary = $3 ORDER BY node";
        let rows = self
            .db
            .rows(list, params![tenant.to_string(), extension, canary.to_string()])
            .await?;
        rows.iter()
            .map(|row| {
                Ok(CanaryTally {
                    extension: row.parse(0)?,
                    canary,
                    node: row.text(1)?.to_owned(),
                    body: row.text(2)?.to_owned(),
                })
            })
            .collect()
    }

    async fn forget(&self, tenant: TenantId, extension: &str) -> Result<()> {
        let forget = "DELETE FROM canary_tallies WHERE tenant = $1 AND extension = $2";
        self.db.write(forget, params![tenant.to_string(), extension]).await.map(drop)
    }
}
