//! The installation's configuration, valid against `[config]` of extension.toml.

use serde::de::DeserializeOwned;

use crate::Error;

/// The whole configuration as `T`; `{}` is read when nothing is configured.
///
/// # Errors
/// [`Error::Internal`] with the place when the configuration does not fit `T`.
pub fn get<T: DeserializeOwned>() -> Result<T, Error> {
    let text = crate::bindings::imports::oriel::extension::config::get();
    let mut reader = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Error::internal(format_args!("configuration at `{}`: {}", error.path(), error.inner())))
}
