use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::name::ExtensionName;
use oriel_store::{ModelSpend, Result, SpendCaps, SpendDay, StoreError};

use super::Store;
use crate::db::params;
use crate::error::corrupt;

/// From a day on. The sum of BIGINTs is a NUMERIC on PostgreSQL.
const SPENT: &str = "SELECT CAST(coalesce(sum(amount), 0) AS BIGINT) FROM model_spend WHERE tenant = $1 AND extension = $2 AND day >= $3";

#[async_trait]
impl ModelSpend for Store {
    async fn set_aside(&self, tenant: TenantId, extension: &ExtensionName, on: SpendDay, amount: u64, caps: SpendCaps) -> Result<()> {
        let mut transaction = self.db.begin().await?;
        // The row of the day is locked from here on: whoever else sets aside for this extension waits, and sees this sum.
        let add = "INSERT INTO model_spend (tenant, extension, day, amount) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant, extension, day) DO UPDATE SET amount = model_spend.amount + excluded.amount";
        let place = |day: Timestamp| params![tenant.to_string(), extension.as_str(), day];
        let mut params = place(on.day);
        params.push(amount.into());
        transaction.execute(add, params).await?;
        for (what, cap, from) in [("spend_per_day", caps.day, on.day), ("spend_per_month", caps.month, on.month)] {
            let Some(cap) = cap else { continue };
            let row = transaction.row(SPENT, place(from)).await?;
            let spent: u64 = row.ok_or_else(|| corrupt("a sum answers nothing"))?.count(0)?;
            if spent > cap {
                return Err(StoreError::Quota { what });
            }
        }
        transaction.commit().await
    }

    async fn settle(&self, tenant: TenantId, extension: &ExtensionName, day: Timestamp, set_aside: u64, spent: u64) -> Result<()> {
        let settle = "UPDATE model_spend SET amount = CASE WHEN amount < $4 THEN 0 ELSE amount - $4 END + $5
            WHERE tenant = $1 AND extension = $2 AND day = $3";
        let params = params![tenant.to_string(), extension.as_str(), day, set_aside, spent];
        self.db.write(settle, params).await.map(drop)
    }

    async fn spent(&self, tenant: TenantId, extension: &ExtensionName, from: Timestamp) -> Result<u64> {
        let row = self.db.row(SPENT, params![tenant.to_string(), extension.as_str(), from]).await?;
        row.ok_or_else(|| corrupt("a sum answers nothing"))?.count(0)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let purge = "DELETE FROM model_spend WHERE (tenant, extension, day) IN
            (SELECT tenant, extension, day FROM model_spend WHERE day < $1 ORDER BY day LIMIT $2)";
        self.db.write(purge, params![before, limit]).await
    }
}
