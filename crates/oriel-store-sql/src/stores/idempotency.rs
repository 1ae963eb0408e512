use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::id::TenantId;
use oriel_model::{Digest, Timestamp};
use oriel_store::{Begin, Idempotency, Result, StoredReply};

use super::Store;
use crate::db::params;

#[async_trait]
impl Idempotency for Store {
    async fn begin(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: Digest,
        now: Timestamp,
        stale_before: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Begin> {
        let place = || params![tenant.to_string(), key.as_bytes()];
        loop {
            let claim = "INSERT INTO idempotency (tenant, key, fingerprint, begun_at, expires_at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (tenant, key) DO UPDATE SET fingerprint = excluded.fingerprint, begun_at = excluded.begun_at,
                expires_at = excluded.expires_at, status = NULL, content_type = NULL, body = NULL
                WHERE idempotency.expires_at <= $4 OR (idempotency.status IS NULL AND idempotency.begun_at < $6)";
            let mut params = place();
            params.extend(params![&fingerprint.bytes()[..], now, expires_at, stale_before]);
            if self.db.write(claim, params).await? > 0 {
                return Ok(Begin::New);
            }
            let find = "SELECT fingerprint, status, content_type, body FROM idempotency WHERE tenant = $1 AND key = $2";
            // Given back or purged between the two statements: then it is free after all.
            let Some(row) = self.db.row(find, place()).await? else { continue };
            return Ok(match row.maybe_int(1)? {
                _ if row.blob(0)? != fingerprint.bytes() => Begin::Other,
                None => Begin::InProgress,
                Some(_) => Begin::Done(StoredReply {
                    status: row.count(1)?,
                    content_type: row.text(2)?.to_owned(),
                    body: Bytes::copy_from_slice(row.blob(3)?),
                }),
            });
        }
    }

    async fn renew(&self, tenant: TenantId, key: &str, mark: Timestamp, now: Timestamp) -> Result<bool> {
        let renew = "UPDATE idempotency SET begun_at = $4
            WHERE tenant = $1 AND key = $2 AND begun_at = $3 AND status IS NULL";
        let params = params![tenant.to_string(), key.as_bytes(), mark, now];
        Ok(self.db.write(renew, params).await? > 0)
    }

    async fn finish(&self, tenant: TenantId, key: &str, mark: Timestamp, reply: StoredReply) -> Result<()> {
        let finish = "UPDATE idempotency SET status = $4, content_type = $5, body = $6
            WHERE tenant = $1 AND key = $2 AND begun_at = $3 AND status IS NULL";
        let params = params![
            tenant.to_string(),
            key.as_bytes(),
            mark,
            i64::from(reply.status),
            reply.content_type,
            reply.body,
        ];
        self.db.write(finish, params).await.map(drop)
    }

    async fn abandon(&self, tenant: TenantId, key: &str, mark: Timestamp) -> Result<()> {
        let abandon = "DELETE FROM idempotency WHERE tenant = $1 AND key = $2 AND begun_at = $3 AND status IS NULL";
        let params = params![tenant.to_string(), key.as_bytes(), mark];
        self.db.write(abandon, params).await.map(drop)
    }

    async fn purge_expired(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let purge = "DELETE FROM idempotency WHERE (tenant, key) IN
            (SELECT tenant, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";
        self.db.write(purge, params![now, limit]).await
    }
}
