//! The thread that moves the engine's epoch.
//!
//! It is an OS thread of its own because a task on the runtime would starve exactly when guests keep the
//! runtime's threads busy, which is when it is needed.

use std::time::Duration;

use wasmtime::Engine;

use crate::error::SandboxError;

/// Starts it. It ends by itself within one tick after the engine is gone.
pub(crate) fn start(engine: &Engine, tick: Duration) -> Result<(), SandboxError> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("oriel-ticker".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(tick);
                let Some(engine) = engine.upgrade() else { break };
                engine.increment_epoch();
            }
        })
        .map(drop)
        .map_err(|error| SandboxError::Engine {
            reason: format!("cannot start the ticker thread: {error}"),
        })
}
