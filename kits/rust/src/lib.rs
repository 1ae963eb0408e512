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
//! Start with [`programs!`], then [`lifecycle!`], [`log`], [`config`], [`kv`], [`context`] and, with the feature
//! `http`, `http`. This crate is deliberately synchronous: one instance serves one call at a time.

mod bindings;
pub mod config;
pub mod context;
mod error;
#[cfg(feature = "http")]
pub mod http;
pub mod kv;
mod lifecycle;
pub mod log;
mod program;

pub use error::{Error, Result};
pub use lifecycle::{ConfigProblem, Health, Lifecycle};

#[cfg(all(feature = "allocator", target_arch = "wasm32", target_os = "unknown"))]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// What the macros use. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::lifecycle::export as export_lifecycle;
    pub use crate::bindings::program::export as export_program;
    pub use crate::bindings::{lifecycle, program};
    pub use crate::error::Wire;
    pub use crate::lifecycle::{check_config, health_check, initialize};
    pub use crate::program::{catch_panics, run, unknown};
    pub use std::string::String;
    pub use std::vec::Vec;
}
