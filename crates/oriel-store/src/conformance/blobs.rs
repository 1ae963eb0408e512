//! Package files.

use bytes::Bytes;
use oriel_model::Digest;

use super::fixtures::tenant_id;
use crate::Stores;

/// Kept, read, kept again for free, forgotten; unknown content is nothing, forgetting it is quiet.
pub async fn blobs_live(stores: &Stores) {
    let small = Bytes::from(tenant_id().to_string());
    let large: Bytes = (0_u32..1 << 18).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
    for bytes in [Bytes::new(), small, large] {
        let digest = Digest::of(&bytes);
        stores.blobs.delete(digest).await.unwrap();
        assert_eq!(stores.blobs.get(digest).await.unwrap(), None);
        for _ in 0..2 {
            stores.blobs.put(digest, bytes.clone()).await.unwrap();
            assert_eq!(stores.blobs.get(digest).await.unwrap(), Some(bytes.clone()));
        }
        stores.blobs.delete(digest).await.unwrap();
        assert_eq!(stores.blobs.get(digest).await.unwrap(), None);
    }
    // Many at once, of the same content and of others.
    let digests: Vec<_> = (0..16_u8)
        .map(|number| {
            let stores = stores.clone();
            tokio::spawn(async move {
                let bytes = Bytes::from(vec![number / 2; 100_000]);
                let digest = Digest::of(&bytes);
                stores.blobs.put(digest, bytes.clone()).await.unwrap();
                assert_eq!(stores.blobs.get(digest).await.unwrap(), Some(bytes));
            })
        })
        .collect();
    for task in digests {
        task.await.unwrap();
    }
}
