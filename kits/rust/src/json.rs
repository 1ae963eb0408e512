//! Between JSON text and `serde` types, with the place of whatever does not fit.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// The caller's JSON as `T`.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    parse(text).map_err(Error::InvalidInput)
}

/// A named part of what the caller gave, as `T`.
pub(crate) fn read_part<T: DeserializeOwned>(part: &str, text: &str) -> Result<T, Error> {
    parse(text).map_err(|problem| Error::InvalidInput(format!("{part}: {problem}")))
}

/// A part that may be absent.
pub(crate) fn read_some<T: DeserializeOwned>(part: &str, text: Option<&String>) -> Result<Option<T>, Error> {
    text.map(|text| read_part(part, text)).transpose()
}

/// What a function answered, as JSON.
pub(crate) fn write(answer: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(answer).map_err(|error| Error::internal(format_args!("output: {error}")))
}

/// The problem names its place, unless that is the whole.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if path == "." {
            inner.to_string()
        } else {
            format!("at `{path}`: {inner}")
        }
    })?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}
