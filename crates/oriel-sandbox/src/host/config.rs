//! The installation's configuration.

use crate::bindings::config::Host;
use crate::state::State;

impl Host for State {
    fn get(&mut self) -> wasmtime::Result<String> {
        self.host_call(self.spec.config.len())?;
        Ok(self.spec.config.as_ref().to_owned())
    }
}
