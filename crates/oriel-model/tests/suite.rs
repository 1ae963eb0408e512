//! Integration tests of the ground crate.

#[path = "suite/manifest.rs"]
mod manifest;
