//! One thread that ends what has been idle for long, for all pools together.

use std::sync::Weak;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::error::SandboxError;
use crate::meter;
use crate::running::Running;
use crate::sandbox::Shared;

/// Starts it. It ends when the sandbox is gone and its graves are filled.
pub(crate) fn start(sandbox: Weak<Shared>, graves: Receiver<Running>, idle_after: Duration) -> Result<(), SandboxError> {
    let failed = |error: std::io::Error| SandboxError::Engine {
        reason: format!("cannot start the reaper thread: {error}"),
    };
    // `shutdown` functions run here: on a runtime of their own they keep nobody waiting.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let pause = (idle_after / 4).clamp(Duration::from_millis(10), Duration::from_secs(5));
    std::thread::Builder::new()
        .name("oriel-reaper".to_owned())
        .spawn(move || {
            #[cfg(target_os = "linux")]
            // Unmapping can wait a little; a system that refuses leaves the thread as it is.
            let _ = rustix::process::nice(10);
            let mut next = Instant::now() + pause;
            loop {
                match graves.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(instance) => runtime.block_on(instance.shutdown()),
                    Err(RecvTimeoutError::Timeout) => {
                        let Some(sandbox) = sandbox.upgrade() else { break };
                        for instance in sandbox.reap(meter::now().saturating_sub(meter::nanos(idle_after))) {
                            runtime.block_on(instance.shutdown());
                        }
                        next = Instant::now() + pause;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
        })
        .map(drop)
        .map_err(failed)
}
