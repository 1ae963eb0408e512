use std::collections::HashMap;

use async_trait::async_trait;
use oriel_model::id::TenantId;
use oriel_model::{Digest, Timestamp};
use parking_lot::Mutex;

use crate::{Begin, Idempotency, Result, StoredReply};

struct Claim {
    fingerprint: Digest,
    begun_at: Timestamp,
    expires_at: Timestamp,
    reply: Option<StoredReply>,
}

impl Claim {
    /// Whether it is the claim with this mark and has not ended.
    fn is(&self, mark: Timestamp) -> bool {
        self.begun_at == mark && self.reply.is_none()
    }
}

#[derive(Default)]
pub(super) struct MemoryIdempotency {
    claims: Mutex<HashMap<(TenantId, String), Claim>>,
}

#[async_trait]
impl Idempotency for MemoryIdempotency {
    async fn begin(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: Digest,
        now: Timestamp,
        stale_before: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Begin> {
        let mut claims = self.claims.lock();
        let place = (tenant, key.to_owned());
        if let Some(claim) = claims.get(&place) {
            let stale = claim.reply.is_none() && claim.begun_at < stale_before;
            if claim.expires_at > now && !stale {
                return Ok(match &claim.reply {
                    _ if claim.fingerprint != fingerprint => Begin::Other,
                    Some(reply) => Begin::Done(reply.clone()),
                    None => Begin::InProgress,
                });
            }
        }
        let claim = Claim {
            fingerprint,
            begun_at: now,
            expires_at,
            reply: None,
        };
        claims.insert(place, claim);
        Ok(Begin::New)
    }

    async fn renew(&self, tenant: TenantId, key: &str, mark: Timestamp, now: Timestamp) -> Result<bool> {
        let mut claims = self.claims.lock();
        let claim = claims.get_mut(&(tenant, key.to_owned())).filter(|claim| claim.is(mark));
        Ok(claim.map(|claim| claim.begun_at = now).is_some())
    }

    async fn finish(&self, tenant: TenantId, key: &str, mark: Timestamp, reply: StoredReply) -> Result<()> {
        let mut claims = self.claims.lock();
        if let Some(claim) = claims.get_mut(&(tenant, key.to_owned())).filter(|claim| claim.is(mark)) {
            claim.reply = Some(reply);
        }
        Ok(())
    }

    async fn abandon(&self, tenant: TenantId, key: &str, mark: Timestamp) -> Result<()> {
        let mut claims = self.claims.lock();
        let place = (tenant, key.to_owned());
        if claims.get(&place).is_some_and(|claim| claim.is(mark)) {
            claims.remove(&place);
        }
        Ok(())
    }

    async fn purge_expired(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let mut left = u64::from(limit);
        self.claims.lock().retain(|_, claim| {
            let stays = left == 0 || claim.expires_at > now;
            left -= u64::from(!stays);
            stays
        });
        Ok(u64::from(limit) - left)
    }
}
