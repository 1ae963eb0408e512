//! Behaviour of installations and dispatch, with real guests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::needless_pass_by_value, reason = "helpers take what is at hand")]

#[path = "suite/anomalies.rs"]
mod anomalies;
#[path = "suite/bindings.rs"]
mod bindings;
#[path = "suite/canary.rs"]
mod canary;
#[path = "suite/collections.rs"]
mod collections;
#[path = "suite/config.rs"]
mod config;
#[path = "suite/guest_calls.rs"]
mod guest_calls;
#[path = "suite/health.rs"]
mod health;
#[path = "suite/health_policy.rs"]
mod health_policy;
#[path = "suite/jobs.rs"]
mod jobs;
#[path = "suite/lifecycle.rs"]
mod lifecycle;
#[path = "suite/logs.rs"]
mod logs;
#[path = "suite/nodes.rs"]
mod nodes;
#[path = "suite/refused.rs"]
mod refused;
#[path = "suite/reload.rs"]
mod reload;
#[path = "suite/secrets.rs"]
mod secrets;
#[path = "suite/support.rs"]
mod support;
#[path = "suite/usage.rs"]
mod usage;
#[path = "suite/watch.rs"]
mod watch;
