use std::sync::Arc;

use oriel_model::health::HealthState::{Degraded, Healthy, Probing, Quarantined, Starting, Tripped};

use super::*;

const SECOND: u64 = 1_000_000_000;

fn options() -> HealthOptions {
    HealthOptions {
        jitter: false,
        ..HealthOptions::default()
    }
}

/// A circuit, its clock, and the counts that a feed would have.
struct Bench {
    circuit: Circuit,
    options: HealthOptions,
    now: u64,
    streak: u32,
    seen: Seen,
}

impl Bench {
    fn new(options: HealthOptions) -> Self {
        Self {
            circuit: Circuit::new(),
            options,
            now: SECOND,
            streak: 0,
            seen: Seen::default(),
        }
    }

    /// `count` calls that end so, as long as they are let in. Answers how many were.
    fn calls(&mut self, count: u32, verdict: Verdict) -> u32 {
        let mut let_in = 0;
        for _ in 0..count {
            let Ok(pass) = self.circuit.enter(self.now, &self.options) else {
                continue;
            };
            let_in += 1;
            self.streak = if verdict == Verdict::Crash { self.streak + 1 } else { 0 };
            self.seen.add(Seen {
                calls: 1,
                failures: verdict.is_failure().into(),
                poor: u64::from(verdict == Verdict::Poor),
                slow: 0,
            });
            let before = self.circuit.state();
            self.circuit.left(pass, verdict, self.streak, self.seen, self.now, &self.options);
            let after = self.circuit.state();
            if after != before && (after == Tripped || after == Quarantined || before == Probing) {
                self.seen = Seen::default();
                self.streak = 0;
            }
        }
        let_in
    }

    fn wait(&mut self, span: Duration) {
        self.now += nanos(span);
        if span >= self.options.window {
            self.seen = Seen::default();
        }
    }
}

#[test]
fn crashes_in_a_row_trip_and_an_answer_in_between_begins_the_row_anew() {
    let mut bench = Bench::new(options());
    assert_eq!(bench.circuit.state(), Starting);
    bench.calls(1, Verdict::Good);
    assert_eq!(bench.circuit.state(), Healthy);
    bench.calls(4, Verdict::Crash);
    bench.calls(1, Verdict::Good);
    bench.calls(4, Verdict::Crash);
    assert_eq!(bench.circuit.state(), Healthy);
    assert_eq!(bench.calls(10, Verdict::Crash), 1, "after the fifth nobody is let in");
    assert_eq!(bench.circuit.state(), Tripped);
    assert_eq!(bench.circuit.rests(bench.now), Some(Duration::from_secs(1)));
}

#[test]
fn among_many_good_calls_a_few_crashes_side_by_side_trip_nothing() {
    let mut bench = Bench::new(options());
    bench.calls(10_000, Verdict::Good);
    bench.calls(90, Verdict::Crash);
    assert_eq!(bench.circuit.state(), Healthy);
    bench.calls(20, Verdict::Crash);
    assert_eq!(bench.circuit.state(), Tripped, "one in a hundred, in a row, is too much");
}

#[test]
fn half_of_the_calls_may_fail_and_no_more() {
    for (failing, state) in [(1, Healthy), (2, Healthy), (3, Degraded), (10, Degraded), (11, Tripped)] {
        let mut bench = Bench::new(options());
        bench.calls(20 - failing, Verdict::Good);
        bench.calls(failing, Verdict::Failure);
        assert_eq!(bench.circuit.state(), state, "{failing} of 20");
    }
    let mut few = Bench::new(options());
    few.calls(19, Verdict::Failure);
    assert_eq!(few.circuit.state(), Starting, "too few to say");
}

#[test]
fn what_is_not_the_guests_fault_trips_nothing() {
    for verdict in [Verdict::Good, Verdict::Neutral, Verdict::Poor] {
        let mut bench = Bench::new(options());
        assert_eq!(bench.calls(1_000, verdict), 1_000, "{verdict:?}");
    }
    let mut poor = Bench::new(options());
    poor.calls(100, Verdict::Poor);
    assert_eq!(poor.circuit.state(), Degraded);
    let text = || "words".to_owned();
    let limit = Duration::from_secs(1);
    for (error, hurried, verdict) in [
        (CallError::Rejected { message: text() }, false, Verdict::Good),
        (CallError::Denied { message: text() }, false, Verdict::Good),
        (CallError::Unavailable { message: text() }, false, Verdict::Poor),
        (CallError::Failed { message: text() }, false, Verdict::Failure),
        (CallError::Timeout { limit }, false, Verdict::Crash),
        (CallError::Timeout { limit }, true, Verdict::Neutral),
        (CallError::Cpu { limit }, true, Verdict::Crash),
        (CallError::OutputTooLarge { length: 2, limit: 1 }, false, Verdict::Crash),
        (CallError::InputTooLarge { length: 2, limit: 1 }, false, Verdict::Neutral),
        (CallError::Overloaded { waiting: 9 }, false, Verdict::Neutral),
        (CallError::Draining, false, Verdict::Neutral),
        (
            CallError::Load(oriel_sandbox::SandboxError::Source {
                source: Arc::new(oriel_sandbox::SourceError {
                    code: oriel_model::ErrorCode::StoreUnavailable,
                    message: text(),
                }),
            }),
            false,
            Verdict::Neutral,
        ),
    ] {
        assert_eq!(Verdict::of(Some(&error), hurried), verdict, "{error}");
    }
    assert_eq!(Verdict::of(None, true), Verdict::Good);
}

#[test]
fn probes_go_one_by_one_and_close_it() {
    let mut bench = Bench::new(options());
    bench.calls(5, Verdict::Crash);
    bench.wait(Duration::from_millis(999));
    assert_eq!(bench.calls(1, Verdict::Good), 0);
    bench.wait(Duration::from_millis(1));
    let probe = bench.circuit.enter(bench.now, &bench.options).unwrap();
    assert_eq!(bench.circuit.state(), Probing);
    let second = bench.circuit.enter(bench.now, &bench.options);
    assert!(matches!(second, Err(Shut::Tripped { .. })), "one at a time");
    assert!(bench.circuit.open(bench.now, &bench.options).is_err());
    bench.circuit.abandon(probe);
    assert_eq!(bench.calls(2, Verdict::Good), 2);
    assert_eq!(bench.circuit.state(), Probing);
    bench.calls(1, Verdict::Good);
    assert_eq!(bench.circuit.state(), Degraded, "it answers, but was ill a moment ago");
    bench.wait(bench.options.window);
    bench.calls(1, Verdict::Good);
    assert_eq!(bench.circuit.state(), Healthy);
    assert_eq!(bench.circuit.trips(bench.now), (0, 1));
}

#[test]
fn a_call_from_before_the_trip_decides_nothing_while_it_probes() {
    let mut bench = Bench::new(options());
    let old = bench.circuit.enter(bench.now, &bench.options).unwrap();
    bench.calls(5, Verdict::Crash);
    bench.wait(Duration::from_secs(1));
    let probe = bench.circuit.enter(bench.now, &bench.options).unwrap();
    for verdict in [Verdict::Crash, Verdict::Good] {
        assert_eq!(
            bench.circuit.left(old, verdict, 9, Seen::default(), bench.now, &bench.options),
            None
        );
        assert_eq!(bench.circuit.state(), Probing);
    }
    bench
        .circuit
        .left(probe, Verdict::Crash, 1, Seen::default(), bench.now, &bench.options);
    assert_eq!(bench.circuit.state(), Tripped);
    // The probe of an earlier time is none of the present one.
    bench.wait(Duration::from_secs(2));
    let next = bench.circuit.enter(bench.now, &bench.options).unwrap();
    assert_ne!(next, probe);
    bench.circuit.abandon(probe);
    assert!(bench.circuit.enter(bench.now, &bench.options).is_err());
}

#[test]
fn back_offs_double_and_end_in_quarantine_that_only_somebody_ends() {
    let mut bench = Bench::new(options());
    bench.calls(5, Verdict::Crash);
    for seconds in [1, 2, 4, 8, 16, 32, 64] {
        assert_eq!(bench.circuit.rests(bench.now), Some(Duration::from_secs(seconds)));
        bench.wait(Duration::from_secs(seconds));
        assert_eq!(bench.calls(100, Verdict::Crash), 1, "one probe is all it costs");
    }
    assert_eq!(bench.circuit.state(), Quarantined);
    bench.wait(Duration::from_secs(100_000));
    assert_eq!(bench.calls(10, Verdict::Good), 0);
    assert!(bench.circuit.tick(Seen::default(), bench.now, &bench.options).is_none());
    bench.circuit.release();
    assert_eq!((bench.circuit.state(), bench.calls(1, Verdict::Good)), (Starting, 1));
    assert_eq!(bench.circuit.trips(bench.now), (0, 0));
}

#[test]
fn trips_within_an_hour_count_although_it_got_well_in_between() {
    for (pause, quarantined) in [(300, true), (900, false)] {
        let mut bench = Bench::new(options());
        for _ in 0..8 {
            bench.calls(5, Verdict::Crash);
            bench.wait(Duration::from_secs(20));
            bench.calls(3, Verdict::Good);
            bench.wait(Duration::from_secs(pause));
            bench.calls(1, Verdict::Good);
        }
        assert_eq!(bench.circuit.state() == Quarantined, quarantined, "{pause} s apart");
    }
}

#[test]
fn the_longest_back_off_holds_and_chance_only_shortens() {
    let options = HealthOptions {
        quarantine_trips: 0,
        ..options()
    };
    assert_eq!(options.backoff(8), Duration::from_secs(256));
    assert_eq!(options.backoff(9), Duration::from_secs(300));
    assert_eq!(options.backoff(u32::MAX), Duration::from_secs(300));
    let jittered = HealthOptions { jitter: true, ..options };
    for _ in 0..100 {
        let rest = jittered.backoff(3);
        assert!((Duration::from_secs(6)..=Duration::from_secs(8)).contains(&rest), "{rest:?}");
    }
}

#[test]
fn it_can_be_switched_off() {
    let mut bench = Bench::new(HealthOptions::off());
    assert_eq!(bench.calls(10_000, Verdict::Crash), 10_000);
}

#[test]
fn it_stays_degraded_until_every_cause_is_gone() {
    let mut bench = Bench::new(options());
    bench.calls(1, Verdict::Good);
    assert!(bench.circuit.blame(Cause::Check, "ill".to_owned()).is_some());
    assert!(bench.circuit.blame(Cause::Check, "still ill".to_owned()).is_none());
    assert!(bench.circuit.blame(Cause::Budget, "over".to_owned()).is_some());
    assert!(bench.circuit.clear(Cause::Check, "well").is_none());
    assert_eq!(bench.circuit.state(), Degraded);
    assert_eq!(bench.circuit.clear(Cause::Budget, "kept"), Some("kept".to_owned()));
    assert_eq!(bench.circuit.state(), Healthy);
}

#[test]
fn slow_calls_degrade() {
    let mut bench = Bench::new(options());
    bench.calls(1, Verdict::Good);
    let seen = |slow| Seen {
        calls: 100,
        slow,
        ..Seen::default()
    };
    for (slow, state) in [(5, Healthy), (6, Degraded)] {
        bench.circuit.left(PLAIN, Verdict::Good, 0, seen(slow), bench.now, &bench.options);
        assert_eq!(bench.circuit.state(), state, "{slow} of 100");
    }
}
