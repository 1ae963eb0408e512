//! Programs of other extensions in the same tenant. Needs them under `call` of `[permissions]` in extension.toml.
//!
//! ```ignore
//! let place: Place = call::program("geo", "lookup", &city)?;
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::oriel::extension::call as host;
use crate::error::{Error, Result, from_wire};
use crate::json::{parse, write};

/// What another extension's program answers to this input.
///
/// # Errors
/// Those of the program; [`Error::Denied`] when the grant does not name it or the call would be a cycle, [`Error::Unavailable`] when the
/// extension cannot be called, [`Error::Internal`] when the answer does not fit `O`.
pub fn program<O: DeserializeOwned>(extension: &str, program: &str, input: &impl Serialize) -> Result<O> {
    let answer = host::execute(extension, program, &write(input)?).map_err(from_wire)?;
    parse(&answer).map_err(|problem| Error::internal(format_args!("the answer of {extension}/{program}: {problem}")))
}
