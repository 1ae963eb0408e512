//! Integration tests of packages.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "suite/directory.rs"]
mod directory;
#[path = "suite/documents.rs"]
mod documents;
#[path = "suite/fixture.rs"]
mod fixture;
#[path = "suite/hostile.rs"]
mod hostile;
#[path = "suite/layout.rs"]
mod layout;
#[path = "suite/sbom.rs"]
mod sbom;
