//! The echo of `tests/guests/echo`, for Extism.

use extism_pdk::{FnResult, plugin_fn};

#[plugin_fn]
pub fn echo(input: String) -> FnResult<String> {
    Ok(input)
}
