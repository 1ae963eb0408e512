//! The health of one release of one installation: the gate before its pools, fed by the end of every call.
//!
//! A call of a healthy installation passes two atomic loads, one short lock of its own thread's part of the feed, and that
//! is all. Everything else (the breaker, budgets, the history) is behind a lock that is taken only when something is not as
//! it should be, or when the installation has budgets.

mod checks;
mod feed;
mod gate;
mod keeper;
mod options;
mod record;
mod report;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use oriel_model::Digest;
use oriel_model::budget::{BudgetAction, Budgets};
use oriel_model::contribution::ContributionKind;
use oriel_model::health::HealthState;
use oriel_model::id::{InstallationId, TenantId};
use oriel_model::installation::Installation;
use oriel_model::limits::Limits;
use oriel_model::name::ExtensionName;
use oriel_model::time::Clock;
use oriel_sandbox::{CallError, Spent};
use parking_lot::Mutex;

use self::checks::Checks;
use self::feed::Feed;
pub(crate) use self::keeper::start as start_keeper;
pub use self::options::HealthOptions;
pub use self::record::{HealthEvent, HealthEvents};
pub(crate) use self::record::{Hub, Record};
pub use self::report::{HealthNumbers, HealthReport, PolicyReport, WindowCounts};
use crate::baseline::Sums;
use crate::budget::{BudgetWatch, Use};
use crate::circuit::{Cause, Circuit, Seen, Verdict};
use crate::moment::{Stopwatch, nanos};

/// Calls must ask before they begin.
const GUARDED: u32 = 1;
/// Calls must be looked at when they end.
const UNSETTLED: u32 = 2;
/// There are budgets.
const BUDGETED: u32 = 4;

/// A call is slow when it takes more than so many percent of its time limit.
const SLOW: u128 = 80;
/// Which release of which installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReleaseKey {
    pub(crate) installation: InstallationId,
    pub(crate) package: Digest,
}

impl ReleaseKey {
    pub(crate) const fn of(installation: &Installation) -> Self {
        Self {
            installation: installation.id,
            package: installation.release.package,
        }
    }
}

/// What all installations of a service share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) options: HealthOptions,
    pub(crate) stopwatch: Arc<dyn Stopwatch>,
    pub(crate) hub: Hub,
}

/// What must be written down on the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    Quarantine { reason: String },
    Disable { reason: String },
}

/// The health of one release.
pub(crate) struct Health {
    pub(crate) key: ReleaseKey,
    common: Arc<Common>,
    clock: Arc<dyn Clock>,
    record: Arc<Record>,
    flags: AtomicU32,
    /// Crashes since the last call that did not crash.
    streak: AtomicU32,
    /// Begins anew when earlier counts must no longer matter.
    era: AtomicU32,
    /// Microseconds from which on a call is slow.
    slow_us: AtomicU64,
    /// Another release took over: what this one still does is nobody's news.
    retired: AtomicBool,
    feed: Feed,
    core: Mutex<Core>,
}

struct Core {
    /// What holds for this installation.
    options: HealthOptions,
    circuit: Circuit,
    budgets: Option<BudgetWatch>,
    want: Option<Want>,
    /// Whether the installation, as it is stored, is in quarantine.
    quarantine_stored: bool,
    checks: Checks,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Health {
    pub(crate) fn new(common: &Arc<Common>, clock: Arc<dyn Clock>, record: Arc<Record>, key: ReleaseKey) -> Self {
        let due = common.stopwatch.now() + nanos(common.options.check_interval.mul_f64(0.5 + options::chance() / 2.0));
        Self {
            key,
            clock,
            record,
            flags: AtomicU32::new(UNSETTLED),
            streak: AtomicU32::new(0),
            era: AtomicU32::new(0),
            slow_us: AtomicU64::new(u64::MAX),
            retired: AtomicBool::new(false),
            feed: Feed::new(common.options.window),
            core: Mutex::new(Core {
                options: common.options.clone(),
                circuit: Circuit::new(),
                budgets: None,
                want: None,
                quarantine_stored: false,
                checks: Checks { due, ..Checks::default() },
            }),
            common: common.clone(),
        }
    }

    /// Follows what the installation says now: limits, budgets, whether it is in quarantine.
    pub(crate) fn follow(&self, installation: &Installation, limits: &Limits) {
        let policy = self.common.options.policy_of(installation);
        let share = limits.timeout.0.as_micros() * SLOW / 100;
        let slow = policy.latency.map_or(share, |latency| latency.0.as_micros());
        self.slow_us.store(u64::try_from(slow).unwrap_or(u64::MAX), Ordering::Relaxed);
        let mut core = self.core.lock();
        core.options = self.common.options.with(&policy);
        let before = core.circuit.state();
        let mut reason = None;
        if core.budgets.as_ref().is_none_or(|watch| !watch.is_of(&installation.budgets)) {
            core.budgets = watch(&installation.budgets);
            reason = core.circuit.clear(Cause::Budget, "its budgets were changed");
        }
        match &installation.quarantine {
            Some(quarantine) => {
                core.quarantine_stored = true;
                core.want = None;
                core.circuit.quarantine();
                reason = Some(quarantine.reason.clone());
            }
            // What is decided here but not written yet is no release.
            None if core.quarantine_stored => {
                core.quarantine_stored = false;
                core.circuit.release();
                core.checks.unhealthy = 0;
                reason = Some("it was released from quarantine".to_owned());
            }
            None => {}
        }
        self.turned(&mut core, before, reason);
        if core.circuit.state() == HealthState::Starting {
            self.note(HealthState::Starting, "it takes calls", false);
        }
    }

    /// Another release takes over.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
    }

    /// Of which tenant and extension it is.
    pub(crate) fn whose(&self) -> (TenantId, &ExtensionName) {
        self.record.whose()
    }

    fn now(&self) -> u64 {
        self.common.stopwatch.now()
    }

    fn seen(&self, now: u64) -> Seen {
        self.feed.seen(now, self.era.load(Ordering::Relaxed))
    }

    fn note(&self, to: HealthState, reason: &str, again: bool) {
        if !self.retired.load(Ordering::Relaxed) {
            let at = self.clock.now();
            let hub = &self.common.hub;
            self.record.note(hub, self.key.installation, at, to, reason.to_owned(), again);
        }
    }

    /// Does what follows from what the breaker has just been told.
    fn turned(&self, core: &mut Core, before: HealthState, reason: Option<String>) {
        let after = core.circuit.state();
        let mut flags = if core.budgets.is_some() { BUDGETED } else { 0 };
        if !core.circuit.is_closed() {
            flags |= GUARDED;
        }
        if after != HealthState::Healthy {
            flags |= UNSETTLED;
        }
        self.flags.store(flags, Ordering::Release);
        if after == before {
            return;
        }
        let reason = reason.unwrap_or_default();
        match after {
            HealthState::Tripped | HealthState::Quarantined => {
                self.begin_anew();
                core.checks.unhealthy = 0;
                if !core.quarantine_stored {
                    self.common.hub.trips.fetch_add(1, Ordering::Relaxed);
                }
            }
            HealthState::Degraded => {
                if before == HealthState::Probing {
                    self.begin_anew();
                }
                // It is asked soon how it does itself.
                core.checks.due = core.checks.due.min(self.now() + nanos(core.options.backoff_min));
            }
            _ => {}
        }
        if after == HealthState::Quarantined && !core.quarantine_stored {
            self.common.hub.quarantines.fetch_add(1, Ordering::Relaxed);
            core.want = Some(Want::Quarantine { reason: reason.clone() });
            self.common.hub.wake.notify_one();
        }
        self.note(after, &reason, false);
    }

    /// Counts from now on; what was before no longer matters.
    fn begin_anew(&self) {
        self.streak.store(0, Ordering::Relaxed);
        self.era.fetch_add(1, Ordering::Relaxed);
    }

    /// Does what follows when budgets are crossed, or kept again.
    fn look_at_budgets(&self, core: &mut Core, now: u64, before: HealthState) {
        let Some(budgets) = &mut core.budgets else { return };
        let mut turned = None;
        for crossing in budgets.crossed(now) {
            let reason = crossing.reason;
            match crossing.action {
                BudgetAction::Warn | BudgetAction::Throttle => {
                    let degraded = core.circuit.state() == HealthState::Degraded;
                    match core.circuit.blame(Cause::Budget, reason.clone()) {
                        // It was degraded already: the history still tells of the budget.
                        Some(reason) if degraded => self.note(HealthState::Degraded, &reason, true),
                        Some(reason) => turned = Some(reason),
                        None => {}
                    }
                }
                BudgetAction::Trip if core.circuit.is_closed() => {
                    let Core { circuit, options, .. } = core;
                    turned = Some(circuit.trip(now, options, &reason));
                }
                BudgetAction::Trip => {}
                BudgetAction::Disable => core.want = Some(Want::Disable { reason }),
            }
        }
        if core.want.is_some() {
            self.common.hub.wake.notify_one();
        }
        if !core.budgets.as_ref().is_some_and(BudgetWatch::is_over) {
            turned = turned.or_else(|| core.circuit.clear(Cause::Budget, "it keeps its budgets again"));
        }
        self.turned(core, before, turned);
    }

    /// The end of a call that may change something.
    fn judge(&self, now: u64, pass: u32, verdict: Verdict, spent: &Spent<'_>) {
        let streak = match verdict {
            Verdict::Crash => self.streak.fetch_add(1, Ordering::Relaxed) + 1,
            Verdict::Neutral => self.streak.load(Ordering::Relaxed),
            Verdict::Good | Verdict::Poor | Verdict::Failure => {
                self.streak.store(0, Ordering::Relaxed);
                0
            }
        };
        let seen = self.seen(now);
        let mut core = self.core.lock();
        let Core { circuit, options, .. } = &mut *core;
        let before = circuit.state();
        let reason = circuit.left(pass, verdict, streak, seen, now, options);
        let reason = reason.map(|reason| match spent.error {
            Some(error) if verdict.is_failure() => format!("{reason}; lastly: {}", brief(error)),
            _ => reason,
        });
        self.turned(&mut core, before, reason);
        if core.budgets.is_some() {
            let before = core.circuit.state();
            if let Some(budgets) = &mut core.budgets {
                budgets.add(
                    now,
                    Use {
                        judged: verdict != Verdict::Neutral,
                        failed: verdict.is_failure(),
                        wall_us: spent.resources.wall_us,
                        cpu_us: spent.resources.guest_cpu_us,
                        memory: spent.resources.peak_memory,
                        outbound_bytes: spent.outbound_bytes,
                        model_spend: spent.model.spend,
                    },
                );
            }
            self.look_at_budgets(&mut core, now, before);
        }
    }

    /// Looks at the clock.
    pub(crate) fn tick(&self) {
        let now = self.now();
        let seen = self.seen(now);
        let mut core = self.core.lock();
        let Core { circuit, options, .. } = &mut *core;
        let before = circuit.state();
        let reason = circuit.tick(seen, now, options);
        self.turned(&mut core, before, reason);
        let before = core.circuit.state();
        self.look_at_budgets(&mut core, now, before);
    }

    /// What is to be written down, until it is done.
    pub(crate) fn wanted(&self) -> Option<Want> {
        self.core.lock().want.clone()
    }

    /// It is written down, or no longer to be.
    pub(crate) fn satisfied(&self, want: &Want) {
        let mut core = self.core.lock();
        if core.want.as_ref() == Some(want) {
            core.want = None;
        }
    }

    /// What calls took since the last time.
    pub(crate) fn take_bills(&self) -> Vec<(ContributionKind, Box<str>, Sums)> {
        self.feed.take_bills()
    }
}

fn watch(budgets: &Budgets) -> Option<BudgetWatch> {
    (!budgets.is_empty()).then(|| BudgetWatch::new(budgets))
}

/// An error in a line, for histories.
fn brief(error: &CallError) -> String {
    shortened(&error.to_string())
}

/// The guest's words, as far as a line goes.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 200;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
