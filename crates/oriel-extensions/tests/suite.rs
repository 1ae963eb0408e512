//! Behaviour of installations and dispatch, with real guests.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "suite/config.rs"]
mod config;
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
#[path = "suite/support.rs"]
mod support;
#[path = "suite/watch.rs"]
mod watch;
