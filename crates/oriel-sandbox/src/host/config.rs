//! The installation's configuration.

use crate::bindings::config::Host;
use crate::state::State;

impl Host for State {
    fn get(&mut self) -> wasmtime::Result<String> {
        self.host_call(self.spec.config.len())?;
        Ok(self.spec.config.as_ref().to_owned())
    }

    fn binding(&mut self) -> wasmtime::Result<String> {
        let binding = self.call.binding.as_deref().unwrap_or("{}");
        self.host_call(binding.len())?;
        Ok(binding.to_owned())
    }
}
