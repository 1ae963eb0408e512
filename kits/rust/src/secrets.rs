//! Secrets that an administrator has set. Needs them under `secrets` of `[permissions]` in extension.toml.

use crate::bindings::imports::oriel::extension::secrets as host;
use crate::error::{Result, from_wire};

/// A text that stands for the secret in this instance: write it into a header of an outbound request, and the host puts the secret in its
/// place. Ask for it where it is used.
///
/// # Errors
/// [`Error::Denied`](crate::Error::Denied) when the grant does not name the secret, [`Error::Unavailable`](crate::Error::Unavailable)
/// when nobody has set it.
pub fn placeholder(name: &str) -> Result<String> {
    host::placeholder(name).map_err(from_wire)
}
