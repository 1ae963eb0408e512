//! Integration tests of the ground crate.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "suite/manifest.rs"]
mod manifest;
