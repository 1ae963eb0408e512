//! Where a call runs. Built only for a guest that asks.

use crate::bindings::context::{CallContext, CallingExtension, Host};
use crate::state::State;

impl Host for State {
    fn current(&mut self) -> wasmtime::Result<CallContext> {
        self.host_call(0)?;
        let call = &self.call;
        let left = self.left().unwrap_or_default();
        let deadline = self.options.clock.unix_time() + left;
        Ok(CallContext {
            tenant: self.spec.tenant_name.to_string(),
            principal: call.principal.map(|id| id.to_string()),
            extension: self.spec.extension.to_string(),
            version: self.spec.version.to_string(),
            execution_id: call.execution.map(|id| id.to_string()).unwrap_or_default(),
            task: call.task.map(|id| id.to_string()),
            traceparent: (!call.traceparent.is_empty()).then(|| call.traceparent.clone()),
            deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX),
        })
    }

    fn user(&mut self) -> wasmtime::Result<Option<String>> {
        self.host_call(0)?;
        Ok(self.call.user.as_deref().map(str::to_owned))
    }

    fn caller(&mut self) -> wasmtime::Result<Option<CallingExtension>> {
        self.host_call(0)?;
        Ok(self.call.caller.as_ref().map(|caller| CallingExtension {
            extension: caller.extension().to_string(),
            version: caller.version().to_string(),
            principal: caller.principal().map(|id| id.to_string()),
        }))
    }

    fn remaining_ms(&mut self) -> wasmtime::Result<u64> {
        self.host_call(0)?;
        let left = self.left().unwrap_or_default();
        // Rounded up: 0 means that the deadline has passed.
        Ok(u64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}
