//! Drives real servers over HTTP: real stores, real sandbox, real guests. Every reply is checked against the OpenAPI
//! document (`suite/host.rs`).
#![expect(clippy::unwrap_used, reason = "in tests a panic is the way to fail")]

mod suite {
    mod access;
    mod anomalies;
    mod bindings;
    mod canary;
    mod collections;
    mod compression;
    mod documents;
    mod executions;
    mod extensions;
    mod governance;
    mod health;
    mod host;
    mod idempotency;
    mod jobs;
    mod lifecycle;
    mod metrics;
    mod models;
    mod requests;
    mod routes;
    mod secrets;
    mod sign_in;
    mod streams;
}
