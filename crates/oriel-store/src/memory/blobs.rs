use std::collections::HashMap;

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Digest;
use parking_lot::Mutex;

use crate::{Blobs, Result, StoreError};

#[derive(Default)]
pub(super) struct MemoryBlobs {
    by_digest: Mutex<HashMap<Digest, Bytes>>,
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn put(&self, digest: Digest, bytes: Bytes) -> Result<()> {
        self.by_digest.lock().entry(digest).or_insert(bytes);
        Ok(())
    }

    async fn get(&self, digest: Digest) -> Result<Option<Bytes>> {
        let found = self.by_digest.lock().get(&digest).cloned();
        match found {
            Some(bytes) if Digest::of(&bytes) != digest => Err(StoreError::Corrupt {
                what: format!("package {digest}"),
            }),
            found => Ok(found),
        }
    }

    async fn delete(&self, digest: Digest) -> Result<()> {
        self.by_digest.lock().remove(&digest);
        Ok(())
    }
}
