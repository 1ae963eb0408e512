use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::access::ApiKey;
use oriel_model::id::TenantId;
use oriel_model::quota::Quotas as Values;
use oriel_store::{Consumption, NewAudit, Quotas, Result, StoreError};

use super::Store;
use super::audit::Audited;
use crate::db::params;
use crate::error::corrupt;

#[async_trait]
impl Quotas for Store {
    async fn get(&self, tenant: TenantId) -> Result<Option<(Values, u64)>> {
        let get = "SELECT body, revision FROM quotas WHERE tenant = $1";
        let row = self.db.row(get, params![tenant.to_string()]).await?;
        row.map(|row| Ok((row.json(0)?, row.count(1)?))).transpose()
    }

    async fn put(&self, tenant: TenantId, quotas: Values, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let body = serde_json::to_string(&quotas).map_err(corrupt)?;
        let put = "INSERT INTO quotas (tenant, revision, body) VALUES ($1, $2 + 1, $3)
            ON CONFLICT (tenant) DO UPDATE SET revision = $2 + 1, body = $3 WHERE quotas.revision = $2";
        // A new row begins at 1, so it may only come where none was expected.
        let there = "SELECT revision FROM quotas WHERE tenant = $1";
        let present = audited.transaction.row(there, params![tenant.to_string()]).await?;
        let present: u64 = present.map(|row| row.count(0)).transpose()?.unwrap_or(0);
        let params = params![tenant.to_string(), expected, body];
        if present != expected || audited.transaction.execute(put, params).await? == 0 {
            return Err(StoreError::Conflict { what: "quotas" });
        }
        audited.commit(audit).await.map(drop)
    }

    async fn usage(&self, tenant: TenantId, now: Timestamp) -> Result<Consumption> {
        let counts = "SELECT
            (SELECT count(*) FROM installations WHERE tenant = $1),
            (SELECT count(*) FROM tasks WHERE tenant = $1),
            (SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT) FROM kv_scopes WHERE tenant = $1)";
        let row = self.db.row(counts, params![tenant.to_string()]).await?;
        let row = row.ok_or_else(|| corrupt("counting answers nothing"))?;
        let live = "SELECT body FROM api_keys WHERE tenant = $1 AND revoked_at IS NULL";
        let mut keys = 0;
        for row in self.db.rows(live, params![tenant.to_string()]).await? {
            keys += u64::from(row.json::<ApiKey>(0)?.is_live(now));
        }
        Ok(Consumption {
            extensions: row.count(0)?,
            tasks: row.count(1)?,
            stored_bytes: row.count(2)?,
            keys,
        })
    }
}
