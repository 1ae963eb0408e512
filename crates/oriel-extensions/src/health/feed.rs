//! What calls leave behind: counts over the last moments for the breaker, and sums for the bill.
//!
//! Every call writes here when it ends. So that threads do not wait for each other, each writes to a part of its own, behind
//! a lock that nobody else wants but for the moment in which somebody sums all parts up.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oriel_model::contribution::ContributionKind;
use oriel_sandbox::Spent;
use oriel_store::Used;
use parking_lot::Mutex;

use crate::baseline::Sums;
use crate::circuit::{Seen, Verdict};
use crate::moment::nanos;

/// Parts of the window that move out of sight one by one.
const PARTS: u64 = 10;
/// Slots of the ring: more than the parts, so that one is written while the oldest is still read.
const SLOTS: usize = 16;
/// Contributions that are billed apart. A manifest cannot declare as many.
const CONTRIBUTIONS: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Feed {
    shards: Box<[Shard]>,
    slot: u64,
}

/// Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Part>);

#[derive(Debug, Default)]
struct Part {
    slots: [Slot; SLOTS],
    calls: u64,
    bills: Vec<(ContributionKind, Box<str>, Sums)>,
}

/// Counts of one part of the window.
#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    /// Which, counted from the stopwatch's zero.
    number: u64,
    /// Counts of another era are no longer wanted.
    era: u32,
    calls: u32,
    failures: u32,
    poor: u32,
    slow: u32,
}

impl Feed {
    pub(crate) fn new(window: Duration) -> Self {
        let threads = std::thread::available_parallelism().map_or(4, usize::from);
        let shards = threads.next_power_of_two().clamp(2, 16);
        Self {
            shards: (0..shards).map(|_| Shard::default()).collect(),
            slot: (nanos(window) / PARTS).max(1),
        }
    }

    /// Counts a call that ended at `now`.
    pub(crate) fn add(&self, now: u64, era: u32, verdict: Verdict, slow: bool, spent: &Spent<'_>) {
        let number = now / self.slot;
        let mut part = self.shards[shard() & (self.shards.len() - 1)].0.lock();
        part.calls += 1;
        if verdict != Verdict::Neutral {
            #[expect(clippy::cast_possible_truncation, reason = "the ring's length is far below")]
            let slot = &mut part.slots[number as usize % SLOTS];
            if slot.number != number || slot.era != era {
                *slot = Slot {
                    number,
                    era,
                    ..Slot::default()
                };
            }
            slot.calls += 1;
            slot.failures += u32::from(verdict.is_failure());
            slot.poor += u32::from(verdict == Verdict::Poor);
            slot.slow += u32::from(slow);
        }
        part.bill(spent);
    }

    /// What was seen in the window that ends at `now`.
    pub(crate) fn seen(&self, now: u64, era: u32) -> Seen {
        let number = now / self.slot;
        let mut seen = Seen::default();
        for shard in &self.shards {
            let part = shard.0.lock();
            let recent = part.slots.iter();
            for slot in recent.filter(|slot| slot.era == era && slot.number <= number && number - slot.number < PARTS) {
                seen.add(Seen {
                    calls: slot.calls.into(),
                    failures: slot.failures.into(),
                    poor: slot.poor.into(),
                    slow: slot.slow.into(),
                });
            }
        }
        seen
    }

    /// Calls so far.
    pub(crate) fn calls(&self) -> u64 {
        self.shards.iter().map(|shard| shard.0.lock().calls).sum()
    }

    /// Takes the sums since the last time.
    pub(crate) fn take_bills(&self) -> Vec<(ContributionKind, Box<str>, Sums)> {
        let mut all: Vec<(ContributionKind, Box<str>, Sums)> = Vec::new();
        for shard in &self.shards {
            let mut part = shard.0.lock();
            for (kind, name, sums) in &mut part.bills {
                if sums.used.calls == 0 {
                    continue;
                }
                // The names stay, so that the next call finds its place.
                let sums = std::mem::take(sums);
                match all.iter_mut().find(|(other, known, _)| other == kind && known == name) {
                    Some((_, _, sum)) => *sum = sum.plus(sums),
                    None => all.push((*kind, name.clone(), sums)),
                }
            }
        }
        all
    }
}

impl Part {
    fn bill(&mut self, spent: &Spent<'_>) {
        let used = Used {
            calls: 1,
            failures: spent.error.is_some().into(),
            cpu_us: spent.resources.guest_cpu_us,
            wall_us: spent.resources.wall_us,
            outbound_bytes: spent.outbound_bytes,
            model_input_tokens: spent.model.input_tokens,
            model_output_tokens: spent.model.output_tokens,
            model_spend: spent.model.spend,
            host_calls: spent.resources.host_calls.into(),
        };
        let sums = Sums {
            used,
            input_bytes: spent.input_bytes,
            output_bytes: spent.output_bytes,
        };
        let place = self.bills.iter_mut();
        for (kind, name, sum) in place {
            if *kind == spent.kind && **name == *spent.name {
                *sum = sum.plus(sums);
                return;
            }
        }
        if self.bills.len() < CONTRIBUTIONS {
            self.bills.push((spent.kind, spent.name.into(), sums));
        }
    }
}

/// A number of this thread's own, as far as there are few threads.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    MINE.with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        mine.get()
    })
}

#[cfg(test)]
mod tests {
    use oriel_model::execution::Resources;

    use super::*;

    fn spent(name: &str) -> Spent<'_> {
        Spent {
            kind: ContributionKind::Program,
            name,
            error: None,
            resources: Resources {
                guest_cpu_us: 3,
                wall_us: 5,
                host_calls: 2,
                ..Resources::default()
            },
            outbound_bytes: 7,
            input_bytes: 11,
            output_bytes: 13,
            model: oriel_sandbox::ModelUse::default(),
            hurried: false,
            ended: 0,
        }
    }

    #[test]
    fn the_window_slides_and_another_era_begins_anew() {
        let feed = Feed::new(Duration::from_secs(10));
        let second = nanos(Duration::from_secs(1));
        for at in 0..30 {
            let verdict = if at % 2 == 0 { Verdict::Good } else { Verdict::Crash };
            feed.add(at * second, 0, verdict, at == 29, &spent("a"));
        }
        let seen = feed.seen(29 * second, 0);
        assert_eq!((seen.calls, seen.failures, seen.slow), (10, 5, 1));
        assert_eq!(feed.seen(34 * second, 0).calls, 5);
        assert_eq!(feed.seen(60 * second, 0), Seen::default());
        assert_eq!(feed.seen(29 * second, 1), Seen::default());
        feed.add(29 * second, 1, Verdict::Good, false, &spent("a"));
        assert_eq!(feed.seen(29 * second, 1).calls, 1);
        assert_eq!(feed.calls(), 31);
    }

    #[test]
    fn threads_count_together_and_bills_are_taken_once() {
        let feed = Feed::new(Duration::from_secs(10));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        feed.add(5, 0, Verdict::Good, false, &spent("a"));
                        feed.add(5, 0, Verdict::Poor, false, &spent("b"));
                    }
                });
            }
        });
        assert_eq!(feed.seen(5, 0).calls, 16_000);
        let mut bills = feed.take_bills();
        bills.sort_by(|left, right| left.1.cmp(&right.1));
        let names: Vec<&str> = bills.iter().map(|(_, name, _)| &**name).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!((bills[0].2.input_bytes, bills[0].2.output_bytes), (88_000, 104_000));
        let used = bills[0].2.used;
        assert_eq!(
            (used.calls, used.cpu_us, used.wall_us, used.host_calls, used.outbound_bytes),
            (8_000, 24_000, 40_000, 16_000, 56_000)
        );
        assert!(feed.take_bills().is_empty());
    }
}
