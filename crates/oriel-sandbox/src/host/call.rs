//! Calls of other extensions: grant, cycles, number and deadline are checked here, the rest is the port's.
//!
//! The other program runs as a task of its own: neither its time on the processor nor its place in the lane of long calls is
//! its caller's, and its caller's instance does nothing but wait.

use std::sync::Arc;
use std::time::Duration;

use oriel_model::name::{ContributionName, ExtensionName};
use tokio::task::JoinHandle;

use crate::bindings::call::Host;
use crate::bindings::types::Error;
use crate::caller::Caller;
use crate::ports::{GuestCall, GuestError};
use crate::state::{GRACE, State};

/// Ends a task with whoever waits for it.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl State {
    /// The call, if everything that can be judged here allows it, and the time that is left in this one.
    fn outgoing(&mut self, extension: &str, program: &str, input: String) -> Result<(GuestCall, Duration), Error> {
        let not_a_name = |error: oriel_model::name::NameError| Error::InvalidInput(error.to_string());
        let extension = extension.parse::<ExtensionName>().map_err(not_a_name)?;
        let program = program.parse::<ContributionName>().map_err(not_a_name)?;
        if !self.spec.grant.allows_call(extension.as_str(), program.as_str()) {
            let what = format!("call {extension}/{program}");
            let message = format!("the grant does not cover {what}");
            self.refuse(what);
            return Err(Error::Denied(message));
        }
        if self.call.execution.is_none() {
            // A start is not part of the chain of those who wait, so a cycle through it would go unseen.
            return Err(Error::Unavailable(
                "other extensions can be called only while a call is in progress".to_owned(),
            ));
        }
        let left = self.left().ok_or(Error::DeadlineExceeded)?;
        let caller = Arc::clone(self.call.calls_as.get_or_insert_with(|| {
            let spec = &self.spec;
            let behind = self.call.caller.clone();
            let (name, version) = (spec.extension.clone(), spec.version.clone());
            Arc::new(Caller::new(name, version, self.call.principal, behind, spec.limits.host_calls))
        }));
        caller.admit(&extension)?;
        let call = GuestCall {
            extension,
            program,
            input,
            caller,
            principal: self.call.principal,
            user: self.call.user.clone(),
            traceparent: (!self.call.traceparent.is_empty()).then(|| self.call.traceparent.clone()),
            // A guest that does not end by itself is stopped a moment after its time, and this one still has to answer then.
            timeout: left.saturating_sub(GRACE.min(left / 2)),
            dry_run: self.call.dry_run,
        };
        Ok((call, left))
    }
}

impl Host for State {
    async fn execute(&mut self, extension: String, program: String, input: String) -> wasmtime::Result<Result<String, Error>> {
        self.host_call(extension.len() + program.len() + input.len())?;
        let (call, left) = match self.outgoing(&extension, &program, input) {
            Ok(ready) => ready,
            Err(error) => return Ok(Err(error)),
        };
        let calls = Arc::clone(&self.spec.services.calls);
        let mut task = Task(tokio::spawn(async move { calls.execute(call).await }));
        // The other one gives up by itself, and tells its accounts what it cost; this is for one that does not.
        let answer = match tokio::time::timeout(left + GRACE / 2, &mut task.0).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(GuestError::Internal(format!("the call of {extension}/{program} came to nothing"))),
            Err(_) => Err(GuestError::DeadlineExceeded),
        };
        // Whatever went wrong, a caller whose own time is up hears that.
        if answer.is_err() && self.left().is_none() {
            return Ok(Err(Error::DeadlineExceeded));
        }
        if let Ok(output) = &answer {
            self.host_bytes(output.len())?;
        }
        Ok(answer.map_err(Error::from))
    }
}
