//! Calls the services of remote extensions: one signed HTTP request for each call.
//!
//! What it is for: signing by the Standard Webhooks scheme, resolving and checking the service's address, and reading its answer
//! within a limit and a deadline. [`HttpService`] is what `oriel-sandbox` asks for as [`Remote`](oriel_sandbox::Remote).
//!
//! What it deliberately is not: it does not know what a call is about. Questions and answers are bytes here; their JSON, limits and
//! host calls are the sandbox's. There are no proxies, no redirects, no compressed answers and no retries of a request that may
//! have arrived.
//!
//! Start reading at `connection.rs` for one exchange, and at `signing.rs` for what the service verifies.

mod connection;
mod service;
mod signing;

pub use self::service::HttpService;
pub use self::signing::{Headers, SecretError, Signer, SigningSecret, TOLERANCE};
