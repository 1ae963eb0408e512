//! How often and how many at once: a limiter for each tenant and key that has a limit, on this node.
//!
//! The rate is the generic cell rate algorithm (ITU-T I.371, the "virtual scheduling" form): one number, the moment at which the
//! next request would be on time, moved by compare-and-swap. Time comes from the clock that everything else uses, in whole
//! milliseconds, which is finer than any rate that is worth limiting needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};

use oriel_model::Timestamp;
use oriel_model::quota::RateLimit;

use crate::AccessError;

/// Nanoseconds in a millisecond.
const NS: i64 = 1_000_000;

/// The limits of one tenant or key.
#[derive(Debug)]
pub(crate) struct Gate {
    /// `tenant` or `key`: how replies name the limit.
    name: &'static str,
    rate: Option<Rate>,
    concurrent: Option<u32>,
    working: AtomicU32,
}

#[derive(Debug)]
struct Rate {
    limit: RateLimit,
    /// Nanoseconds between requests at the rate.
    interval: i64,
    /// Nanoseconds that a request may be early.
    tolerance: i64,
    /// When the next request would be on time, in nanoseconds since the epoch.
    next: AtomicI64,
}

/// How a limit stands after a request, for the headers of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateState {
    /// `tenant` or `key`.
    pub name: &'static str,
    /// The limit.
    pub limit: RateLimit,
    /// Requests that could follow at once.
    pub remaining: u32,
    /// Milliseconds until the next request is possible; 0 when `remaining` is not.
    pub wait_ms: u64,
}

impl RateState {
    /// Seconds in which a whole burst is possible again, rounded up: the window of the limit.
    #[must_use]
    pub fn window(&self) -> u32 {
        self.limit.burst().div_ceil(self.limit.requests_per_second).max(1)
    }
}

/// A request that was let in; it counts as being worked on until this is dropped.
#[derive(Debug, Default)]
pub struct Pass {
    working: [Option<Arc<Gate>>; 2],
    /// How the limits stand, the key's first.
    pub states: [Option<RateState>; 2],
}

impl Drop for Pass {
    fn drop(&mut self) {
        for gate in self.working.iter().flatten() {
            gate.working.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Gate {
    /// A gate with these limits; nothing when there is none.
    pub(crate) fn new(name: &'static str, rate: Option<RateLimit>, concurrent: Option<u32>) -> Option<Arc<Self>> {
        (rate.is_some() || concurrent.is_some()).then(|| {
            Arc::new(Self {
                name,
                rate: rate.map(Rate::new),
                concurrent,
                working: AtomicU32::new(0),
            })
        })
    }

    /// Whether this gate has these limits.
    pub(crate) fn is(&self, rate: Option<RateLimit>, concurrent: Option<u32>) -> bool {
        self.rate.as_ref().map(|rate| rate.limit) == rate && self.concurrent == concurrent
    }
}

impl Rate {
    fn new(limit: RateLimit) -> Self {
        let interval = (1_000 * NS / i64::from(limit.requests_per_second.max(1))).max(1);
        Self {
            limit,
            interval,
            tolerance: interval * (i64::from(limit.burst().max(1)) - 1),
            next: AtomicI64::new(0),
        }
    }

    /// Takes one request at `now`; how many could follow, or how many nanoseconds to wait.
    fn take(&self, now: i64) -> Result<i64, i64> {
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            // A clock that was set back must not shut the door until it has caught up.
            let due = if next > now + self.tolerance + self.interval {
                now
            } else {
                next.max(now)
            };
            let early = due - now;
            if early > self.tolerance {
                return Err(early - self.tolerance);
            }
            match self
                .next
                .compare_exchange_weak(next, due + self.interval, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok((self.tolerance - early) / self.interval),
                Err(other) => next = other,
            }
        }
    }
}

/// Lets a request pass the gates of its key and its tenant, in this order.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the burst, and a wait of seconds"
)]
pub(crate) fn enter(gates: [&Option<Arc<Gate>>; 2], now: Timestamp) -> Result<Pass, AccessError> {
    let mut pass = Pass::default();
    for (index, gate) in gates.into_iter().enumerate() {
        let Some(gate) = gate else { continue };
        if let Some(most) = gate.concurrent {
            let working = gate.working.fetch_add(1, Ordering::Relaxed);
            pass.working[index] = Some(gate.clone());
            if working >= most {
                return Err(AccessError::TooMany { name: gate.name, most });
            }
        }
        if let Some(rate) = &gate.rate {
            let state = |remaining, wait_ms| RateState {
                name: gate.name,
                limit: rate.limit,
                remaining,
                wait_ms,
            };
            match rate.take(now.millis().saturating_mul(NS)) {
                Ok(left) => pass.states[index] = Some(state(left as u32, 0)),
                Err(wait) => {
                    let state = state(0, ((wait + NS - 1) / NS) as u64);
                    return Err(AccessError::TooOften { state });
                }
            }
        }
    }
    Ok(pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(requests_per_second: u32, burst: Option<u32>) -> Option<Arc<Gate>> {
        let limit = RateLimit {
            requests_per_second,
            burst,
        };
        Gate::new("tenant", Some(limit), None)
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        for (rate, burst) in [(1, 1), (10, 10), (10, 3), (1_000, 50), (5_000, 20_000), (3, 7)] {
            let gate = gate(rate, Some(burst));
            let through = |ms| enter([&None, &gate], at(ms));
            for left in (0..burst).rev() {
                let pass = through(0).unwrap();
                assert_eq!(pass.states[1].unwrap().remaining, left, "{rate}/{burst}");
            }
            let Err(AccessError::TooOften { state }) = through(0) else {
                panic!("{rate}/{burst}")
            };
            assert_eq!(u64::from(1_000_u32.div_ceil(rate)), state.wait_ms, "{rate}/{burst}");
            // Over ten seconds, as many as the rate says and not one more.
            let passed = (1..=10_000)
                .map(|ms| (0..=rate / 1_000 + 1).filter(|_| through(ms).is_ok()).count())
                .sum::<usize>();
            assert_eq!(passed, rate as usize * 10, "{rate}/{burst}");
        }
    }

    #[test]
    fn a_clock_that_jumps_neither_opens_nor_shuts_for_long() {
        let gate = gate(10, Some(2));
        let through = |ms| enter([&None, &gate], at(ms)).is_ok();
        assert_eq!([0, 0, 0].map(through), [true, true, false]);
        assert!(through(3_600_000) && through(3_600_000) && !through(3_600_000));
        assert!(through(0), "set back by an hour");
    }

    #[test]
    fn as_many_at_once_as_allowed() {
        let gate = Gate::new("key", None, Some(2));
        let first = enter([&gate, &None], at(0)).unwrap();
        let second = enter([&gate, &None], at(0)).unwrap();
        assert!(matches!(
            enter([&gate, &None], at(0)),
            Err(AccessError::TooMany { name: "key", most: 2 })
        ));
        drop(first);
        let third = enter([&gate, &None], at(0)).unwrap();
        drop((second, third));
        assert_eq!(gate.unwrap().working.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn many_threads_do_not_pass_more() {
        let gate = gate(1, Some(1_000));
        let passed = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        if enter([&None, &gate], at(0)).is_ok() {
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 1_000);
    }
}
