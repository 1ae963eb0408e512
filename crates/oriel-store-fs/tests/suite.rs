//! The ports' suite over a directory, and what only files can do wrong.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use bytes::Bytes;
use oriel_model::Digest;
use oriel_store::{Blobs, StoreError, Stores, conformance, memory};
use oriel_store_fs::FsBlobs;

async fn open() -> (tempfile::TempDir, FsBlobs) {
    let directory = tempfile::tempdir().unwrap();
    let blobs = FsBlobs::open(directory.path().join("blobs")).await.unwrap();
    (directory, blobs)
}

#[tokio::test]
async fn blobs_live() {
    let (_directory, blobs) = open().await;
    let stores = Stores {
        blobs: std::sync::Arc::new(blobs),
        ..memory::stores()
    };
    conformance::blobs::blobs_live(&stores).await;
}

#[tokio::test]
async fn content_survives_reopening_and_leftovers_do_not() {
    let (directory, blobs) = open().await;
    let bytes = Bytes::from_static(b"package");
    let digest = Digest::of(&bytes);
    blobs.put(digest, bytes.clone()).await.unwrap();
    let leftover = directory.path().join("blobs/tmp/half");
    std::fs::write(&leftover, b"pack").unwrap();
    let again = FsBlobs::open(directory.path().join("blobs")).await.unwrap();
    assert!(!leftover.exists());
    assert_eq!(again.get(digest).await.unwrap(), Some(bytes));
}

#[tokio::test]
async fn damage_is_told_and_mended_by_putting_again() {
    let (directory, blobs) = open().await;
    let bytes = Bytes::from_static(b"package");
    let digest = Digest::of(&bytes);
    blobs.put(digest, bytes.clone()).await.unwrap();
    let hex = digest.hex();
    let file = directory.path().join("blobs").join(&hex[..2]).join(&hex[2..]);
    for damage in [&b"packagE"[..], b"", b"package and more"] {
        std::fs::write(&file, damage).unwrap();
        assert!(matches!(blobs.get(digest).await, Err(StoreError::Corrupt { .. })));
        blobs.put(digest, bytes.clone()).await.unwrap();
        assert_eq!(blobs.get(digest).await.unwrap(), Some(bytes.clone()));
    }
}

#[tokio::test]
async fn a_file_in_the_way_of_the_directory_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let refused = FsBlobs::open(&file).await;
    assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
}
