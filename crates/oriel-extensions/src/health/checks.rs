//! An extension's own health check: when it is asked for, and what follows from its answer.

use oriel_model::health::HealthState;
use oriel_sandbox::CallError;

use super::{Core, Health, brief, options, shortened};
use crate::circuit::{Cause, Verdict};
use crate::moment::nanos;

/// Unhealthy checks in a row that trip the breaker.
const ILL: u32 = 3;

/// What its own health check said.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// When it is asked next.
    pub(super) due: u64,
    /// Calls when it was asked last.
    pub(super) calls: u64,
    pub(super) busy: bool,
    pub(super) unhealthy: u32,
    pub(super) detail: Option<String>,
}

impl Health {
    /// Whether it is time to ask for its own health check; whoever is told so must answer with [`Health::checked`].
    pub(crate) fn check_is_due(&self) -> bool {
        let interval = self.common.options.check_interval;
        if interval.is_zero() {
            return false;
        }
        let now = self.now();
        let calls = self.feed.calls();
        let mut core = self.core.lock();
        let state = core.circuit.state();
        // What nobody calls is left to fall asleep, and what is shut is left alone.
        let wanted = core.circuit.is_closed() && (state == HealthState::Degraded || calls != core.checks.calls);
        if core.checks.busy || now < core.checks.due || !wanted {
            return false;
        }
        core.checks.busy = true;
        core.checks.calls = calls;
        core.checks.due = now + nanos(interval.mul_f64(1.0 - options::chance() / 5.0));
        true
    }

    /// Whether its own health check may be asked for.
    pub(crate) fn may_be_asked(&self) -> bool {
        self.core.lock().circuit.is_closed()
    }

    /// What its own health check said. `counts`: unhealthy ones in a row trip the breaker.
    pub(crate) fn checked(&self, answer: &Result<oriel_sandbox::Health, CallError>, counts: bool) {
        let now = self.now();
        let mut core = self.core.lock();
        core.checks.busy &= !counts;
        let before = core.circuit.state();
        let ill = match answer {
            Ok(health) => {
                core.checks.detail = health.detail.as_deref().map(shortened);
                (!health.healthy).then(|| {
                    let detail = core.checks.detail.as_deref().unwrap_or("no more than that");
                    format!("its health check says that it is not well: {detail}")
                })
            }
            Err(error) if Verdict::of(Some(error), false) == Verdict::Neutral => return,
            Err(error) => {
                core.checks.detail = Some(brief(error));
                Some(format!("its health check failed: {}", brief(error)))
            }
        };
        let reason = match ill {
            None => {
                core.checks.unhealthy = 0;
                core.circuit.clear(Cause::Check, "its health check says that it is well again")
            }
            Some(reason) => {
                core.checks.unhealthy += u32::from(counts);
                if core.checks.unhealthy >= ILL && core.circuit.is_closed() {
                    let Core { circuit, options, .. } = &mut *core;
                    Some(circuit.trip(now, options, &reason))
                } else {
                    core.circuit.blame(Cause::Check, reason)
                }
            }
        };
        self.turned(&mut core, before, reason);
    }
}
