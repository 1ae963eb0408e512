//! Reading `extension.toml`.

use serde_json::Value;

use super::{Diagnostics, Manifest};

/// Reads a manifest. `resolve` answers the text of a file that the manifest refers to by a path relative to
/// itself (schemas); pass one that refuses when there is no directory.
///
/// # Errors
/// Every problem found, with line and column in `text`.
pub fn parse(text: &str, resolve: &dyn Fn(&str) -> Result<String, String>) -> Result<Manifest, Diagnostics> {
    let _ = (text, resolve);
    todo!()
}

/// The published JSON Schema of `extension.toml`.
#[must_use]
pub fn json_schema() -> Value {
    todo!()
}
