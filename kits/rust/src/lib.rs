//! Write Oriel extensions in Rust: a program is a function from one `serde` type to another.
//!
//! ```ignore
//! use oriel_extension::{Error, log, programs};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Flight { delay: f64 }
//!
//! #[derive(Serialize)]
//! struct Verdict { late: bool }
//!
//! fn classify(flight: Flight) -> Result<Verdict, Error> {
//!     log::info!("classified", delay = flight.delay);
//!     Ok(Verdict { late: flight.delay > 15.0 })
//! }
//!
//! programs! { "classify" => classify }
//! ```
//!
//! Start with [`programs!`]; other kinds of contribution are made with [`validators!`], [`samplers!`], [`event_handlers!`],
//! [`hooks!`] and [`jobs!`]. Then [`lifecycle!`], [`log`], [`config`], [`kv`], [`collections`], [`context`], [`call`], [`secrets`], [`queue`], [`model`], [`metrics`] and, with the feature
//! `http`, `http`. This crate is deliberately synchronous: one instance serves one call at a time.

mod bindings;
pub mod call;
pub mod collections;
pub mod config;
pub mod context;
mod error;
mod event;
mod execution;
mod hook;
#[cfg(feature = "http")]
pub mod http;
mod job;
mod json;
pub mod kv;
mod lifecycle;
pub mod log;
pub mod metrics;
pub mod model;
mod program;
pub mod queue;
mod sampler;
pub mod secrets;
mod validator;
mod verdict;

pub use error::{Error, Result};
pub use event::{Data, Event};
pub use execution::{Execution, Failure};
pub use hook::{Answer, Decision, HookCall, HookKind, IntoAnswer, Item, Payload};
pub use job::{JobRun, Trigger};
pub use lifecycle::{ConfigProblem, Health, Lifecycle};
pub use sampler::{Choice, History};
pub use validator::Subject;
pub use verdict::Verdict;

#[cfg(all(feature = "allocator", target_arch = "wasm32", target_os = "unknown"))]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// What the macros use. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::event_handler::export as export_event_handler;
    pub use crate::bindings::hook::export as export_hook;
    pub use crate::bindings::imports::oriel::extension::executions::Execution as WireExecution;
    pub use crate::bindings::imports::oriel::extension::types::Verdict as WireVerdict;
    pub use crate::bindings::job::export as export_job;
    pub use crate::bindings::lifecycle::export as export_lifecycle;
    pub use crate::bindings::program::export as export_program;
    pub use crate::bindings::sampler::export as export_sampler;
    pub use crate::bindings::validator::export as export_validator;
    pub use crate::bindings::{event_handler, hook, job, lifecycle, program, sampler, validator};
    pub use crate::error::Wire;
    pub use crate::event::handle;
    pub use crate::hook::fire;
    pub use crate::job::run_job;
    pub use crate::lifecycle::{check_config, health_check, initialize};
    pub use crate::program::{catch_panics, run, unknown};
    pub use crate::sampler::sample;
    pub use crate::validator::validate;
    pub use std::string::String;
    pub use std::vec::Vec;
}
