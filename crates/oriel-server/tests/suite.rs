//! Drives real servers over HTTP: real stores, real sandbox, real guests. Every reply is checked against the OpenAPI
//! document (`suite/host.rs`).
#![expect(clippy::unwrap_used, reason = "in tests a panic is the way to fail")]

mod suite {
    mod access;
    mod bindings;
    mod canary;
    mod compression;
    mod documents;
    mod executions;
    mod extensions;
    mod governance;
    mod health;
    mod host;
    mod idempotency;
    mod lifecycle;
    mod metrics;
    mod requests;
    mod routes;
    mod secrets;
    mod sign_in;
    mod streams;
}
