//! One call and what comes back.

use std::time::Duration;

use oriel_model::access::PrincipalId;
use oriel_model::execution::Resources;
use oriel_model::id::{ExecutionId, TaskId};

use crate::ask::Ask;
use crate::error::CallError;

/// One call of a program.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// One of the programs that the manifest declares.
    pub program: &'a str,
    /// A JSON document. Passed on as it is.
    pub input: &'a str,
    /// The call's id.
    pub execution: ExecutionId,
    /// The task that the host called.
    pub task: Option<TaskId>,
    /// Who caused the call.
    pub principal: Option<PrincipalId>,
    /// On whose behalf: a user of the host's product.
    pub user: Option<&'a str>,
    /// W3C trace context of the caller.
    pub traceparent: Option<&'a str>,
    /// Less time than the `timeout` limit; more is cut to the limit.
    pub timeout: Option<Duration>,
}

impl<'a> Call<'a> {
    /// The same without its input.
    pub(crate) const fn ask(&self) -> Ask<'a> {
        Ask {
            name: self.program,
            execution: self.execution,
            task: self.task,
            principal: self.principal,
            user: self.user,
            traceparent: self.traceparent,
            timeout: self.timeout,
            binding: None,
            dry_run: false,
            caller: None,
        }
    }
}

/// How a call ended and what it cost.
#[derive(Debug)]
pub struct Outcome<T = String> {
    /// What was answered. Of a program it is text that claims to be JSON, so parse it before believing it.
    pub result: Result<T, CallError>,
    /// What it cost, also when it failed.
    pub resources: Resources,
}

/// What a guest says of its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it believes that it can serve.
    pub healthy: bool,
    /// One line for an administrator.
    pub detail: Option<String>,
}

/// What a guest finds wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// JSON pointer into the configuration; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}
