//! The port of content-addressed files.

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Digest;

use crate::Result;

/// Package files by their SHA-256.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Keeps `bytes` under `digest` (which the caller computed from them); whole or not at all, durable on `Ok`.
    /// Keeping the same content again is free.
    async fn put(&self, digest: Digest, bytes: Bytes) -> Result<()>;

    /// The content, verified against `digest`; nothing when it is unknown.
    ///
    /// # Errors
    /// [`crate::StoreError::Corrupt`] when the content no longer matches.
    async fn get(&self, digest: Digest) -> Result<Option<Bytes>>;

    /// Forgets the content; quiet when it is unknown.
    async fn delete(&self, digest: Digest) -> Result<()>;
}
