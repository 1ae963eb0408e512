//! Executions, as validators and samplers see them.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::imports::oriel::extension::executions as wire;
use crate::error::Result;
use crate::json::{read_part, read_some};

/// One execution: what a program was asked, and what came of it.
///
/// `I` and `O` are the types that its input and output are read as. Where they do not fit, the function is not called and the
/// caller is told (`invalid-input`): with types of your own only executions of one kind of program can be looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Execution<I = Value, O = Value> {
    /// `exec_…`
    pub id: String,
    /// `task_…`; absent when a program was called directly.
    pub task: Option<String>,
    /// The extension that answered.
    pub extension: String,
    /// Its version.
    pub version: String,
    /// The program that answered.
    pub program: String,
    /// What it was asked.
    pub input: I,
    /// What it answered; absent when it failed.
    pub output: Option<O>,
    /// Why it failed; absent when it succeeded.
    pub failure: Option<Failure>,
    /// When it started, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// From the lease of an instance to its answer, in microseconds.
    pub wall_us: u64,
    /// Time that guest code ran, in microseconds.
    pub guest_cpu_us: u64,
}

/// Why an execution failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Stable code, such as `execution.timeout`.
    pub code: String,
    /// One line for people.
    pub message: String,
}

pub(crate) fn execution<I: DeserializeOwned, O: DeserializeOwned>(given: wire::Execution) -> Result<Execution<I, O>> {
    Ok(Execution {
        input: read_part("input", &given.input)?,
        output: read_some("output", given.output.as_ref())?,
        failure: given.failure.map(|failure| Failure {
            code: failure.code,
            message: failure.message,
        }),
        id: given.id,
        task: given.task,
        extension: given.extension,
        version: given.version,
        program: given.program,
        started_ms: given.started_ms,
        wall_us: given.wall_us,
        guest_cpu_us: given.guest_cpu_us,
    })
}
