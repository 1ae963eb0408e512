//! The port of idempotency keys.

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::id::TenantId;
use oriel_model::{Digest, Timestamp};

use crate::Result;

/// A reply that a repeated request gets again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReply {
    /// HTTP status.
    pub status: u16,
    /// Value of `Content-Type`.
    pub content_type: String,
    /// The body as it was sent.
    pub body: Bytes,
}

/// What `begin` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begin {
    /// Nobody used the key: the caller goes on and ends with `finish` or `abandon`.
    New,
    /// The same request is still running.
    InProgress,
    /// The same request was answered.
    Done(StoredReply),
    /// The key was used for another request.
    Other,
}

/// Replies by tenant and idempotency key.
#[async_trait]
pub trait Idempotency: Send + Sync {
    /// Claims a key for the request with this fingerprint until `expires_at`. An expired claim or reply counts
    /// as absent; so does a claim that was begun or renewed before `stale_before` and never ended (its node died).
    /// `now` is the claim's mark: who claims names it to the methods below, which do nothing for a claim that
    /// somebody else has taken over.
    async fn begin(
        &self,
        tenant: TenantId,
        key: &str,
        fingerprint: Digest,
        now: Timestamp,
        stale_before: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Begin>;

    /// Shows that a claim is alive; its mark is `now` from then on. Answers whether it was still this one.
    async fn renew(&self, tenant: TenantId, key: &str, mark: Timestamp, now: Timestamp) -> Result<bool>;

    /// Keeps the reply of a claimed key.
    async fn finish(&self, tenant: TenantId, key: &str, mark: Timestamp, reply: StoredReply) -> Result<()>;

    /// Gives a claimed key back: the request left nothing behind and may be sent again.
    async fn abandon(&self, tenant: TenantId, key: &str, mark: Timestamp) -> Result<()>;

    /// Deletes at most `limit` expired entries of all tenants; answers how many.
    async fn purge_expired(&self, now: Timestamp, limit: u32) -> Result<u64>;
}
