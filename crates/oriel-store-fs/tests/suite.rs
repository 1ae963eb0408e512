//! The ports' suite over a directory, and what only files can do wrong.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use bytes::Bytes;
use oriel_model::Digest;
use oriel_store::{Blobs, Journal, StoreError, Stores, conformance, memory};
use oriel_store_fs::{FsBlobs, FsJournal};

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

fn frames(journal: &FsJournal) -> Vec<String> {
    let parts = journal.left().unwrap().into_iter();
    let frames = parts.flat_map(|part| journal.read(part).unwrap());
    frames.map(|frame| String::from_utf8(frame).unwrap()).collect()
}

#[test]
fn a_journal_keeps_frames_until_their_part_is_forgotten() {
    for sync in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let journal = FsJournal::open(directory.path(), sync).unwrap();
        assert_eq!(journal.waits_for_disk(), sync);
        journal.append(b"one").unwrap();
        journal.append(b"").unwrap();
        assert!(frames(&journal).is_empty(), "the present part is not left behind");
        let first = journal.cut().unwrap();
        journal.append(b"two").unwrap();
        assert_eq!(frames(&journal), ["one", ""]);
        let again = FsJournal::open(directory.path(), sync).unwrap();
        assert_eq!(frames(&again), ["one", "", "two"], "as a process that died leaves it");
        journal.forget(first).unwrap();
        assert_eq!(frames(&again), ["two"]);
        again.append(b"three").unwrap();
        let second = again.cut().unwrap();
        again.forget(second).unwrap();
        assert!(frames(&again).is_empty());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_journal_that_was_cut_short_holds_what_was_promised() {
    let directory = tempfile::tempdir().unwrap();
    let journal = FsJournal::open(directory.path(), false).unwrap();
    for frame in ["one", "two", "three"] {
        journal.append(frame.as_bytes()).unwrap();
    }
    let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&file).unwrap();
    let ends: Vec<usize> = [0, 3, 3, 5]
        .iter()
        .scan(0, |end, n| {
            *end += if *n == 0 { 0 } else { 8 + n };
            Some(*end)
        })
        .collect();
    for length in 0..=whole.len() {
        std::fs::write(&file, &whole[..length]).unwrap();
        let again = FsJournal::open(directory.path(), false).unwrap();
        let promised = ends.iter().filter(|end| **end <= length).count() - 1;
        assert_eq!(frames(&again).len(), promised, "cut at {length}");
    }
    let mut zeros = whole.clone();
    zeros.resize(whole.len() + 100, 0);
    std::fs::write(&file, &zeros).unwrap();
    let again = FsJournal::open(directory.path(), false).unwrap();
    assert_eq!(
        frames(&again),
        ["one", "two", "three"],
        "zeros are what a power loss leaves, and no frames"
    );
    assert!(!file.with_extension("damaged").exists(), "nothing that was promised is missing");
}

#[test]
fn a_damaged_frame_of_a_journal_costs_only_itself_and_the_file_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let journal = FsJournal::open(directory.path(), false).unwrap();
    for frame in ["one", "two", "three"] {
        journal.append(frame.as_bytes()).unwrap();
    }
    let file = directory.path().join("0000000000000001.journal");
    let whole = std::fs::read(&file).unwrap();
    for (frame, contents) in [(0, ["two", "three"]), (1, ["one", "three"]), (2, ["one", "two"])] {
        // In the checksum, then in the content; both begin at fixed places, for each frame is 11 bytes but the last.
        for at in [frame * 11 + 4, frame * 11 + 8] {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            std::fs::write(&file, &damaged).unwrap();
            let again = FsJournal::open(directory.path(), false).unwrap();
            assert_eq!(frames(&again), contents, "damaged at {at}");
            let part = again.cut().unwrap();
            again.forget(part).unwrap();
            assert!(!file.exists());
            assert_eq!(std::fs::read(file.with_extension("damaged")).unwrap(), damaged);
        }
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&file, &damaged).unwrap();
        let again = FsJournal::open(directory.path(), false).unwrap();
        let left = frames(&again);
        assert!(left.len() < 3, "damaged at {at}: {left:?}");
        assert!(left.iter().all(|frame| ["one", "two", "three"].contains(&frame.as_str())));
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(FsJournal::open(file.join("journal"), false).is_err());
}
