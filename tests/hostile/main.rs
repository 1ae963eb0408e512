//! The hostile suite: each test is one attack on a real `oriel serve`, by a real guest or a real request, with a stable name
//! (`h01` …) that docs/book/security.md repeats beside the guarantee that it proves.
//!
//! Each asserts that the attack gets nothing, with which code it is refused, what the audit log says of it where somebody was
//! refused something, and that the victim goes on. What smaller units prove stands beside them (`tests/suite` of each crate) and is not
//! repeated here.
#![expect(clippy::unwrap_used, reason = "in tests a panic is the way to fail")]

mod access;
mod calls;
mod data;
mod load;
mod network;
mod outside;
mod packages;
mod requests;
mod routes;
mod secrets;
mod walk;
mod wire;
mod work;
mod world;
