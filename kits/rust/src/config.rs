//! The installation's configuration, valid against `[config]` of extension.toml, and the binding's.

use serde::de::DeserializeOwned;

use crate::Error;
use crate::bindings::imports::oriel::extension::config as host;

/// The whole configuration as `T`; `{}` is read when nothing is configured.
///
/// # Errors
/// [`Error::Internal`] with the place when the configuration does not fit `T`.
pub fn get<T: DeserializeOwned>() -> Result<T, Error> {
    read("configuration", &host::get())
}

/// The configuration of the binding by which the call in progress came, as `T`; `{}` is read when it has none, or came by none.
/// Its schema is the contribution's `config_schema` in extension.toml.
///
/// # Errors
/// [`Error::Internal`] with the place when the configuration does not fit `T`.
pub fn binding<T: DeserializeOwned>() -> Result<T, Error> {
    read("the binding's configuration", &host::binding())
}

fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| Error::internal(format_args!("{what} at `{}`: {}", error.path(), error.inner())))
}
