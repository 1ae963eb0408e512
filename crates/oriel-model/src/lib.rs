//! The words of the platform, as types: ids, names, the manifest, permissions and limits, tasks and
//! executions, installations, principals, error codes.
//!
//! Everything here is plain data with pure functions. There is deliberately no I/O, no async and
//! no type of a database, web framework or sandbox: every other crate builds on this one, so this one builds
//! on nothing of ours.
//!
//! Start reading at [`manifest::Manifest`] (what an author writes), then [`installation::Installation`] (what
//! a tenant has) and [`execution::Execution`] (what a call leaves behind). Every error that a user can meet
//! has an [`ErrorCode`].

pub mod access;
pub mod anomaly;
pub mod audit;
pub mod binding;
pub mod budget;
pub mod canary;
pub mod collection;
pub mod comparison;
pub mod compliance;
pub mod contribution;
pub mod digest;
mod error_code;
pub mod execution;
pub mod health;
pub mod health_policy;
pub mod hook;
pub mod id;
pub mod incident;
pub mod installation;
pub mod job;
pub mod limits;
pub mod log;
pub mod manifest;
pub mod member;
pub mod money;
pub mod name;
pub mod page;
pub mod permissions;
pub mod policy;
pub mod quota;
pub mod recommendation;
pub mod remote;
pub mod route;
pub mod sample;
pub mod schema;
pub mod task;
pub mod time;
pub mod validation;
pub mod verdict;

pub use digest::Digest;
pub use error_code::{Blame, Coded, ErrorCode};
pub use time::Timestamp;
