//! The HTTP face of the platform, and the place where everything is put together.
//!
//! What lives here: the configuration, the composition root, the REST API with its OpenAPI document, and what surrounds
//! every request (authentication, limits, idempotency, problems, traces, metrics). What does not: any rule about
//! extensions, tasks or access, which are the services'; and any SQL.
//!
//! Start reading at [`Server::start`], then `operations.rs` (every operation with what it needs and what it can answer),
//! `edge.rs` (what every request passes) and `api/` (the handlers).

mod api;
mod app;
mod completions;
pub mod config;
mod edge;
mod extract;
mod metrics;
mod openapi;
mod operations;
mod problem;
mod server;
mod standing;
mod telemetry;

pub use self::config::{Config, ConfigError, RoutesOrigin, Setting};
pub use self::openapi::document as openapi_document;
pub use self::server::{RunningServer, Server, ServerError};
pub use self::telemetry::Telemetry;
