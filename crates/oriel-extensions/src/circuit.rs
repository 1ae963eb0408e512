//! The circuit breaker of one release: plain state, told what happens and when.
//!
//! It trips when calls keep crashing, when too many of them fail, or when it is told to. While it is tripped nobody is let
//! in. After a back-off that doubles from trip to trip it lets one call at a time through; some successes close it again,
//! a failure trips it again. What trips too often ends in quarantine, which only somebody outside ends.

use std::collections::VecDeque;
use std::time::Duration;

use oriel_model::health::HealthState;
use oriel_sandbox::CallError;

use crate::HealthOptions;
use crate::moment::nanos;

/// Trips within so long count together.
const MEMORY: Duration = Duration::from_secs(3_600);
/// The share of the calls of a window, as one in so many, that must crash in a row where that is more than the setting: among
/// a hundred thousand good calls, five bad ones side by side say little.
const PROPORTION: u64 = 100;
/// More than one in so many slow calls is poor: the time that 95 of 100 calls stay below is then too long.
const SLOW: u64 = 20;

/// How a call ended, as far as the health of its guest goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The guest did what it should.
    Good,
    /// It answered that something it needs did not work: a bad sign, but no reason not to call it.
    Poor,
    /// It answered that it failed.
    Failure,
    /// It crashed or was stopped at a limit.
    Crash,
    /// It tells nothing about the guest.
    Neutral,
}

impl Verdict {
    /// `hurried`: the caller gave less time than the limit does.
    pub(crate) const fn of(error: Option<&CallError>, hurried: bool) -> Self {
        match error {
            // Guests that refuse an input, or a caller, do their work.
            None | Some(CallError::Rejected { .. } | CallError::Denied { .. }) => Self::Good,
            Some(CallError::Timeout { .. }) if hurried => Self::Neutral,
            Some(CallError::Failed { .. }) => Self::Failure,
            Some(CallError::Unavailable { .. } | CallError::LimitExceeded { .. }) => Self::Poor,
            Some(error) if error.is_excess() => Self::Crash,
            Some(_) => Self::Neutral,
        }
    }

    pub(crate) const fn is_failure(self) -> bool {
        matches!(self, Self::Failure | Self::Crash)
    }
}

/// What was seen in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Calls that tell something.
    pub(crate) calls: u64,
    /// Those that failed or crashed.
    pub(crate) failures: u64,
    /// Those that did neither, but ended poorly.
    pub(crate) poor: u64,
    /// Those that took long.
    pub(crate) slow: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.poor += other.poor;
        self.slow += other.slow;
    }
}

/// Why something degraded, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Calls fail or are slow, or did so a moment ago.
    Calls = 1,
    /// Its own health check says so.
    Check = 2,
    /// It is over a budget.
    Budget = 4,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    /// Calls go through.
    Closed,
    Tripped {
        until: u64,
    },
    Probing {
        passed: u32,
        /// Whether a call is on its way.
        out: bool,
    },
    Quarantined,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shut {
    Tripped { retry_after: Duration },
    Quarantined,
}

/// The pass of a call that is no probe.
pub(crate) const PLAIN: u32 = 0;

#[derive(Debug)]
pub(crate) struct Circuit {
    phase: Phase,
    causes: u8,
    /// When calls last did poorly.
    poorly_at: u64,
    /// Trips since it was last healthy.
    in_a_row: u32,
    /// When it tripped within the last hour, the oldest first.
    trips: VecDeque<u64>,
    /// Tells the probes of one time of probing from those of another. Never [`PLAIN`].
    epoch: u32,
}

impl Circuit {
    pub(crate) const fn new() -> Self {
        Self {
            phase: Phase::Starting,
            causes: 0,
            poorly_at: 0,
            in_a_row: 0,
            trips: VecDeque::new(),
            epoch: PLAIN,
        }
    }

    pub(crate) const fn state(&self) -> HealthState {
        match self.phase {
            Phase::Starting => HealthState::Starting,
            Phase::Closed if self.causes == 0 => HealthState::Healthy,
            Phase::Closed => HealthState::Degraded,
            Phase::Tripped { .. } => HealthState::Tripped,
            Phase::Probing { .. } => HealthState::Probing,
            Phase::Quarantined => HealthState::Quarantined,
        }
    }

    /// Whether calls need not ask.
    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Starting | Phase::Closed)
    }

    /// How long it is still left alone.
    pub(crate) fn rests(&self, now: u64) -> Option<Duration> {
        match self.phase {
            Phase::Tripped { until } => Some(Duration::from_nanos(until.saturating_sub(now))),
            _ => None,
        }
    }

    /// Trips since it was last healthy, and within the last hour.
    pub(crate) fn trips(&self, now: u64) -> (u32, usize) {
        let recent = self.trips.iter().filter(|at| now.saturating_sub(**at) < nanos(MEMORY));
        (self.in_a_row, recent.count())
    }

    /// Whether it is worth waiting for an instance.
    pub(crate) fn open(&self, now: u64, options: &HealthOptions) -> Result<(), Shut> {
        match self.phase {
            Phase::Starting | Phase::Closed | Phase::Probing { out: false, .. } => Ok(()),
            Phase::Tripped { until } if now >= until => Ok(()),
            Phase::Tripped { until } => Err(Shut::Tripped {
                retry_after: Duration::from_nanos(until - now),
            }),
            Phase::Probing { out: true, .. } => Err(Shut::Tripped {
                retry_after: options.backoff_min,
            }),
            Phase::Quarantined => Err(Shut::Quarantined),
        }
    }

    /// Lets a call in, or not. The first after the back-off is a probe.
    pub(crate) fn enter(&mut self, now: u64, options: &HealthOptions) -> Result<u32, Shut> {
        self.open(now, options)?;
        self.rest_is_over(now);
        match &mut self.phase {
            Phase::Probing { out, .. } => {
                *out = true;
                Ok(self.epoch)
            }
            _ => Ok(PLAIN),
        }
    }

    /// Goes over to probing once the back-off has passed.
    pub(crate) fn rest_is_over(&mut self, now: u64) -> bool {
        let over = matches!(self.phase, Phase::Tripped { until } if now >= until);
        if over {
            self.phase = Phase::Probing { passed: 0, out: false };
            self.epoch = self.epoch.wrapping_add(1).max(PLAIN + 1);
        }
        over
    }

    /// A probe came to nothing: the next call may be one.
    pub(crate) fn abandon(&mut self, pass: u32) {
        if let Phase::Probing { out, .. } = &mut self.phase
            && pass == self.epoch
        {
            *out = false;
        }
    }

    /// A call ended. `streak` crashes came in a row, this one included. Answers why the state changed, if it did.
    pub(crate) fn left(
        &mut self,
        pass: u32,
        verdict: Verdict,
        streak: u32,
        seen: Seen,
        now: u64,
        options: &HealthOptions,
    ) -> Option<String> {
        match &mut self.phase {
            Phase::Probing { passed, out } if pass == self.epoch => {
                *out = false;
                match verdict {
                    Verdict::Failure | Verdict::Crash => Some(self.trip(now, options, "it failed again when it was tried")),
                    Verdict::Neutral => None,
                    Verdict::Good | Verdict::Poor => {
                        *passed += 1;
                        if *passed < options.probes {
                            return None;
                        }
                        self.phase = Phase::Closed;
                        self.causes |= Cause::Calls as u8;
                        self.poorly_at = now;
                        Some(format!("{} calls in a row were answered", options.probes.max(1)))
                    }
                }
            }
            Phase::Starting | Phase::Closed => self.judge(verdict, streak, seen, now, options),
            // What began before the trip tells nothing new.
            Phase::Probing { .. } | Phase::Tripped { .. } | Phase::Quarantined => None,
        }
    }

    fn judge(&mut self, verdict: Verdict, streak: u32, seen: Seen, now: u64, options: &HealthOptions) -> Option<String> {
        let enough = seen.calls >= u64::from(options.min_calls.max(1));
        let window = options.window.as_secs_f64();
        if verdict == Verdict::Crash && options.crashes > 0 && u64::from(streak) >= u64::from(options.crashes).max(seen.calls / PROPORTION)
        {
            return Some(self.trip(now, options, &format!("it crashed {streak} times in a row")));
        }
        if verdict.is_failure() && enough && seen.failures * 100 > seen.calls * u64::from(options.error_rate) {
            let Seen { calls, failures, .. } = seen;
            return Some(self.trip(now, options, &format!("{failures} of {calls} calls failed within {window} s")));
        }
        let failing = enough && (seen.failures + seen.poor) * 100 > seen.calls * u64::from(options.degraded_rate);
        let slow = enough && seen.slow * SLOW > seen.calls;
        if self.phase == Phase::Starting && !verdict.is_failure() && verdict != Verdict::Neutral {
            self.phase = Phase::Closed;
            if !failing && !slow {
                return Some("it answered".to_owned());
            }
        }
        if failing || slow {
            self.poorly_at = now;
            self.phase = Phase::Closed;
            let reason = if failing {
                format!("{} of {} calls failed within {window} s", seen.failures + seen.poor, seen.calls)
            } else {
                format!("{} of {} calls took almost all the time that they had", seen.slow, seen.calls)
            };
            return self.blame(Cause::Calls, reason);
        }
        let recovered = seen.calls > seen.failures + seen.poor && now.saturating_sub(self.poorly_at) >= nanos(options.window);
        if recovered {
            return self.clear(Cause::Calls, "calls are answered well again");
        }
        None
    }

    /// Looks at the clock: what no call brings about.
    pub(crate) fn tick(&mut self, seen: Seen, now: u64, options: &HealthOptions) -> Option<String> {
        if self.rest_is_over(now) {
            return Some("the back-off has passed".to_owned());
        }
        match self.phase {
            Phase::Closed => self.judge(Verdict::Neutral, 0, seen, now, options),
            _ => None,
        }
    }

    /// Trips whatever it did; answers why.
    pub(crate) fn trip(&mut self, now: u64, options: &HealthOptions, why: &str) -> String {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.trips.retain(|at| now.saturating_sub(*at) < nanos(MEMORY));
        self.trips.push_back(now);
        let most = options.quarantine_trips;
        let (in_a_row, recent) = (self.in_a_row, self.trips.len());
        if most > 0 && (in_a_row >= most || recent >= most as usize) {
            self.phase = Phase::Quarantined;
            let count = if in_a_row >= most {
                format!("trip {in_a_row} in a row")
            } else {
                format!("trip {recent} within an hour")
            };
            return format!("{why}; {count}");
        }
        let rest = options.backoff(in_a_row - 1);
        self.phase = Phase::Tripped {
            until: now.saturating_add(nanos(rest)),
        };
        why.to_owned()
    }

    /// Notes a cause of doing poorly; answers the reason if it is a new one.
    pub(crate) fn blame(&mut self, cause: Cause, reason: String) -> Option<String> {
        let new = self.causes & cause as u8 == 0;
        self.causes |= cause as u8;
        if self.phase == Phase::Starting {
            self.phase = Phase::Closed;
        }
        (new && self.is_closed()).then_some(reason)
    }

    /// A cause is no more; answers the reason if that changes something.
    pub(crate) fn clear(&mut self, cause: Cause, reason: &str) -> Option<String> {
        let there = self.causes & cause as u8 != 0;
        self.causes &= !(cause as u8);
        if self.phase == Phase::Closed && self.causes == 0 {
            self.in_a_row = 0;
        }
        (there && self.causes == 0 && self.is_closed()).then(|| reason.to_owned())
    }

    /// Somebody else put it in quarantine.
    pub(crate) fn quarantine(&mut self) {
        self.phase = Phase::Quarantined;
    }

    /// Somebody let it out: it begins anew.
    pub(crate) fn release(&mut self) {
        let epoch = self.epoch;
        *self = Self { epoch, ..Self::new() };
    }
}

#[cfg(test)]
mod tests;
