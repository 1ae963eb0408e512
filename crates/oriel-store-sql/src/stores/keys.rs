use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::access::ApiKey;
use oriel_model::id::{KeyId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Keys, NewAudit, Result, StoreError, StoredKey, cursor};

use super::Store;
use super::audit::Audited;
use super::members::has_owner;
use crate::db::params;
use crate::error::{corrupt, named};

#[async_trait]
impl Keys for Store {
    async fn create(&self, key: StoredKey, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, key.tenant).await?;
        let insert = "INSERT INTO api_keys (id, tenant, secret_hash, revoked_at, body) VALUES ($1, $2, $3, $4, $5)";
        let params = params![
            key.key.id.to_string(),
            key.tenant.to_string(),
            &key.secret_hash[..],
            key.key.revoked_at,
            serde_json::to_string(&key.key).map_err(corrupt)?,
        ];
        audited
            .transaction
            .execute(insert, params)
            .await
            .map_err(|error| named(error, "key"))?;
        audited.commit(audit).await.map(drop)
    }

    async fn find(&self, id: KeyId) -> Result<Option<StoredKey>> {
        let find = "SELECT tenant, secret_hash, body FROM api_keys WHERE id = $1";
        let Some(row) = self.db.row(find, params![id.to_string()]).await? else {
            return Ok(None);
        };
        Ok(Some(StoredKey {
            tenant: row.parse(0)?,
            secret_hash: row.blob(1)?.try_into().map_err(corrupt)?,
            key: row.json(2)?,
        }))
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<ApiKey>> {
        let limit = cursor::limit(&page) + 1;
        let rows = match cursor::decode("keys", &page)? {
            None => {
                let list = "SELECT body FROM api_keys WHERE tenant = $1 ORDER BY id DESC LIMIT $2";
                self.db.rows(list, params![tenant.to_string(), limit]).await?
            }
            Some(place) => {
                let before: KeyId = place.parse().map_err(|_| StoreError::Cursor)?;
                let list = "SELECT body FROM api_keys WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
                self.db.rows(list, params![tenant.to_string(), before.to_string(), limit]).await?
            }
        };
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<ApiKey>>>()?;
        Ok(cursor::page("keys", &page, items, |key| key.id.to_string()))
    }

    async fn used(&self, tenant: TenantId, id: KeyId, at: Timestamp) -> Result<()> {
        // Behind the same lock as a revocation, whose row it must not bring back as it was.
        let audited = Audited::begin(&self.db, tenant).await?;
        let mut transaction = audited.transaction;
        let find = "SELECT body FROM api_keys WHERE tenant = $1 AND id = $2";
        let row = transaction.row(find, params![tenant.to_string(), id.to_string()]).await?;
        let Some(row) = row else { return Ok(()) };
        let mut key: ApiKey = row.json(0)?;
        key.last_used_at = key.last_used_at.max(Some(at));
        let note = "UPDATE api_keys SET body = $3 WHERE tenant = $1 AND id = $2";
        let body = serde_json::to_string(&key).map_err(corrupt)?;
        transaction.execute(note, params![tenant.to_string(), id.to_string(), body]).await?;
        transaction.commit().await
    }

    async fn revoke(&self, tenant: TenantId, id: KeyId, at: Timestamp, keep_an_owner: bool, audit: NewAudit) -> Result<Option<ApiKey>> {
        // Revocations of one tenant take turns here, so two of them cannot both find another owner left.
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let find = "SELECT body FROM api_keys WHERE tenant = $1 AND id = $2";
        let row = audited.transaction.row(find, params![tenant.to_string(), id.to_string()]).await?;
        let Some(row) = row else { return Ok(None) };
        let mut key: ApiKey = row.json(0)?;
        if key.revoked_at.is_some() {
            return Ok(Some(key));
        }
        if keep_an_owner && key.is_full_owner(at) {
            let others = "SELECT body FROM api_keys WHERE tenant = $1 AND id <> $2 AND revoked_at IS NULL";
            let rows = audited
                .transaction
                .rows(others, params![tenant.to_string(), id.to_string()])
                .await?;
            let others = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<ApiKey>>>()?;
            let another = others.iter().any(|other| other.is_full_owner(at));
            if !another && !has_owner(&mut audited.transaction, tenant, "").await? {
                return Err(StoreError::Conflict { what: "key" });
            }
        }
        key.revoked_at = Some(at);
        let revoke = "UPDATE api_keys SET revoked_at = $3, body = $4 WHERE tenant = $1 AND id = $2";
        let body = serde_json::to_string(&key).map_err(corrupt)?;
        let params = params![tenant.to_string(), id.to_string(), at, body];
        audited.transaction.execute(revoke, params).await?;
        audited.commit(audit).await?;
        Ok(Some(key))
    }
}
