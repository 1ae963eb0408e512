//! What a guest can reach: each interface in a file of its own.

mod call;
mod collections;
mod config;
mod context;
mod http;
mod key_value;
pub(crate) mod log;
mod metrics;
mod model;
mod queue;
pub(crate) mod secrets;
mod stdio;
pub(crate) mod wasi;

use wasmtime::Engine;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::{Everything, executions, types};
use crate::error::SandboxError;
use crate::state::State;

impl types::Host for State {}
impl executions::Host for State {}

/// Binds every interface once. A component takes from it what it imports.
pub(crate) fn linker(engine: &Engine) -> Result<Linker<State>, SandboxError> {
    let mut linker = Linker::new(engine);
    bind(&mut linker).map_err(|error| SandboxError::Engine {
        reason: format!("{error:#}"),
    })?;
    Ok(linker)
}

fn bind(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Everything::add_to_linker::<_, HasSelf<State>>(linker, |state| state)?;
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}
