//! What is counted of a canary and of the release that it is compared with, and what a policy makes of it. Pure: no clock, no
//! store, no lock.

use oriel_model::canary::{CanaryAdvice, CanaryArm, CanaryComparison, CanaryMeasure, CanaryPolicy, CanaryTest, Rate};
use oriel_model::{Blame, ErrorCode};
use oriel_statistics::{Arm, Histogram, MeanTest, OddsTest, threshold, wilson};
use serde::{Deserialize, Serialize};

/// How much of the policy's `alpha` each test may spend. Together no more than all of it: by Boole's inequality the chance that
/// any of them cries wolf is at most the sum.
const SUCCESS: f64 = 0.5;
const LATENCY: f64 = 0.25;
const SCORE: f64 = 0.25;
/// The quantiles of the running release's latency that calls of both are held against: the body and the tail.
const QUANTILES: [f64; 2] = [0.5, 0.9];
/// Calls of the running release before its quantiles mean something.
const ENOUGH: u64 = 20;
/// Differences below this are the machine's, not the release's, in microseconds.
const NEGLIGIBLE: f64 = 1_000.0;
/// Evidence above this is doubt enough not to promote.
const DOUBT: f64 = 3.0;
/// What an evidence is shown as at most: JSON has no infinity.
const MOST: f64 = 1e12;

/// How a call of a task ended, as far as the comparison is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It answered, after so many microseconds.
    Success(u64),
    /// It did not.
    Failure,
    /// It did not, and took the instance with it or never had one.
    Crash,
}

impl Ending {
    /// What to count of a call that ended with this code; nothing when the release had no part in it.
    pub(crate) fn of(code: Option<ErrorCode>, wall_us: u64) -> Option<Self> {
        match code {
            None => Some(Self::Success(wall_us)),
            Some(ErrorCode::ExecutionTrap | ErrorCode::ExecutionMemory | ErrorCode::ExecutionCpu | ErrorCode::ExtensionStartFailed) => {
                Some(Self::Crash)
            }
            // It was not called.
            Some(ErrorCode::ExtensionTripped | ErrorCode::ExtensionQuarantined | ErrorCode::ExtensionBudgetExceeded) => None,
            Some(code) => (code.blame() == Blame::Guest).then_some(Self::Failure),
        }
    }
}

/// Of one release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ArmTally {
    calls: u64,
    failures: u64,
    crashes: u64,
    /// Crashes since the last call that did not crash.
    streak: u32,
    latency: Histogram,
    scored: u64,
    score_sum: f64,
}

/// Of both, with the tests. A few kilobytes at most, however many calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tally {
    running: ArmTally,
    canary: ArmTally,
    success: OddsTest,
    slow: [OddsTest; 2],
    /// What `slow` counts as slow until its blocks close. Chosen before the calls that it is applied to.
    #[serde(default)]
    bounds: Option<[u64; 2]>,
    max_latency_increase: f64,
    score: MeanTest,
}

impl Tally {
    pub(crate) fn new(policy: &CanaryPolicy) -> Self {
        Self {
            running: ArmTally::default(),
            canary: ArmTally::default(),
            success: OddsTest::default(),
            slow: Default::default(),
            bounds: None,
            max_latency_increase: policy.max_latency_increase,
            score: MeanTest::new(policy.max_score_drop),
        }
    }

    /// Takes one call in.
    pub(crate) fn observe(&mut self, arm: Arm, ending: Ending) {
        let tally = self.arm(arm);
        tally.calls += 1;
        match ending {
            Ending::Success(_) => tally.streak = 0,
            Ending::Failure => {
                tally.failures += 1;
                tally.streak = 0;
            }
            Ending::Crash => {
                tally.failures += 1;
                tally.crashes += 1;
                tally.streak = tally.streak.saturating_add(1);
            }
        }
        self.success.observe(arm, !matches!(ending, Ending::Success(_)));
        if let Ending::Success(wall_us) = ending {
            self.time(arm, wall_us);
        }
    }

    /// A call took long when it took longer than the running release's calls do, the canary's after what it is allowed is taken off:
    /// if the canary's times are within the allowance, its calls are no likelier to be long, wherever the bound is.
    fn time(&mut self, arm: Arm, wall_us: u64) {
        if self.slow[0].begins_with(arm) && self.running.latency.count() >= ENOUGH {
            self.bounds = self
                .running
                .latency
                .quantile(QUANTILES[0])
                .zip(self.running.latency.quantile(QUANTILES[1]))
                .map(Into::into);
        }
        if let Some(bounds) = self.bounds {
            for (test, bound) in self.slow.iter_mut().zip(bounds) {
                test.observe(arm, takes_long(arm, wall_us, bound, self.max_latency_increase));
            }
        }
        self.arm(arm).latency.record(wall_us);
    }

    /// Takes one score in.
    pub(crate) fn score(&mut self, arm: Arm, score: f64) {
        if score.is_nan() {
            return;
        }
        let tally = self.arm(arm);
        tally.scored += 1;
        tally.score_sum += score.clamp(0.0, 1.0);
        self.score.observe(arm, score);
    }

    const fn arm(&mut self, arm: Arm) -> &mut ArmTally {
        match arm {
            Arm::Running => &mut self.running,
            Arm::Canary => &mut self.canary,
        }
    }

    /// Adds what was seen elsewhere of the same canary.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [(&mut self.running, &other.running), (&mut self.canary, &other.canary)] {
            mine.calls += theirs.calls;
            mine.failures += theirs.failures;
            mine.crashes += theirs.crashes;
            mine.streak = mine.streak.max(theirs.streak);
            mine.latency.merge(&theirs.latency);
            mine.scored += theirs.scored;
            mine.score_sum += theirs.score_sum;
        }
        self.success.merge(&other.success);
        for (mine, theirs) in self.slow.iter_mut().zip(&other.slow) {
            mine.merge(theirs);
        }
        self.score.merge(&other.score);
    }

    /// Calls of the canary that count.
    pub(crate) const fn canary_calls(&self) -> u64 {
        self.canary.calls
    }

    /// Whether what was seen here alone, and `elsewhere` calls besides, may be enough for a decision: cheap, asked after each call.
    pub(crate) fn may_decide(&self, policy: &CanaryPolicy, elsewhere: u64) -> bool {
        let calls = self.canary.calls + elsewhere;
        self.has_crashed(policy)
            || calls >= policy.promote_after
            || (calls >= policy.min_calls && self.tests(policy).iter().any(Test::is_worse))
    }

    /// Crashes in a row count when the running release does not crash in the same way at the same time.
    const fn has_crashed(&self, policy: &CanaryPolicy) -> bool {
        self.canary.streak >= policy.hard_failures && self.running.streak < policy.hard_failures
    }

    fn tests(&self, policy: &CanaryPolicy) -> [Test; 3] {
        let needed = |part: f64| threshold(policy.alpha * part);
        let test = |measure, log, part, remaining: Option<f64>| Test {
            measure,
            log,
            needed: needed(part),
            remaining,
        };
        let [body, tail] = &self.slow;
        // The mean of two bets is a bet.
        let (high, low) = (
            body.log_evidence().max(tail.log_evidence()),
            body.log_evidence().min(tail.log_evidence()),
        );
        let slow = high + (low - high).exp().ln_1p() - std::f64::consts::LN_2;
        let sooner = |one: Option<f64>, other: Option<f64>| match (one, other) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let more = needed(LATENCY) + std::f64::consts::LN_2;
        [
            test(
                CanaryMeasure::Success,
                self.success.log_evidence(),
                SUCCESS,
                self.success.remaining(needed(SUCCESS)),
            ),
            test(
                CanaryMeasure::Latency,
                slow,
                LATENCY,
                sooner(body.remaining(more), tail.remaining(more)),
            ),
            test(
                CanaryMeasure::Score,
                self.score.log_evidence(),
                SCORE,
                self.score.remaining(needed(SCORE)),
            ),
        ]
    }

    /// Both releases side by side, and what the policy makes of it.
    pub(crate) fn compare(&self, policy: &CanaryPolicy, running: &semver::Version, canary: &semver::Version) -> CanaryComparison {
        let tests = self.tests(policy);
        let (advice, reason) = self.advise(policy, &tests);
        CanaryComparison {
            running: self.running.shown(running),
            canary: self.canary.shown(canary),
            tests: tests.iter().map(|test| test.shown(self.canary.calls)).collect(),
            crashes_in_a_row: self.canary.streak,
            advice,
            reason,
            calls_to_promotion: policy.promote_after.saturating_sub(self.canary.calls),
        }
    }

    fn advise(&self, policy: &CanaryPolicy, tests: &[Test]) -> (CanaryAdvice, String) {
        let calls = self.canary.calls;
        if self.has_crashed(policy) {
            let reason = format!("it crashed {} times in a row", self.canary.streak);
            return (CanaryAdvice::Rollback, reason);
        }
        if calls < policy.min_calls {
            let reason = format!("{calls} of the {} calls that a decision needs", policy.min_calls);
            return (CanaryAdvice::Wait, reason);
        }
        if let Some(worse) = tests.iter().find(|test| test.is_worse()) {
            return (CanaryAdvice::Rollback, self.describe(worse.measure));
        }
        if calls < policy.promote_after {
            let reason = format!("nothing is proved; it is promoted after {} calls", policy.promote_after);
            return (CanaryAdvice::Wait, reason);
        }
        match tests.iter().find(|test| test.log > DOUBT.ln()) {
            Some(doubt) => (
                CanaryAdvice::Wait,
                format!(
                    "it had its calls, but there is some evidence against it: {}",
                    self.describe(doubt.measure)
                ),
            ),
            None => (CanaryAdvice::Promote, format!("{calls} calls, and nothing speaks against it")),
        }
    }

    /// What is worse, in a line.
    fn describe(&self, measure: CanaryMeasure) -> String {
        let (running, canary) = (&self.running, &self.canary);
        match measure {
            CanaryMeasure::Success => format!(
                "{:.1} % of its {} calls fail, {:.1} % of the {} calls of the running release",
                percent(canary.failures, canary.calls),
                canary.calls,
                percent(running.failures, running.calls),
                running.calls
            ),
            CanaryMeasure::Latency => {
                let at = |arm: &ArmTally, q| arm.latency_ms(q).unwrap_or(0.0);
                format!(
                    "its calls take {:.1} ms at the median and {:.1} ms at p95, those of the running release {:.1} ms and {:.1} ms",
                    at(canary, 0.5),
                    at(canary, 0.95),
                    at(running, 0.5),
                    at(running, 0.95)
                )
            }
            CanaryMeasure::Score => format!(
                "validators give it {:.3}, and {:.3} to the running release",
                canary.mean_score().unwrap_or(0.0),
                running.mean_score().unwrap_or(0.0)
            ),
        }
    }
}

/// One test, in logarithms.
struct Test {
    measure: CanaryMeasure,
    log: f64,
    needed: f64,
    remaining: Option<f64>,
}

impl Test {
    fn is_worse(&self) -> bool {
        self.log >= self.needed
    }

    fn shown(&self, calls: u64) -> CanaryTest {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an estimate, not below 0; `as` saturates"
        )]
        let more = |factor: f64| ((factor - 1.0).max(0.0) * calls as f64).ceil() as u64;
        CanaryTest {
            measure: self.measure,
            evidence: self.log.exp().min(MOST),
            needed: self.needed.exp(),
            worse: self.is_worse(),
            calls_to_rollback: self.remaining.map(more),
        }
    }
}

impl ArmTally {
    fn shown(&self, version: &semver::Version) -> CanaryArm {
        CanaryArm {
            version: version.clone(),
            calls: self.calls,
            successes: self.calls - self.failures,
            success_rate: rate(self.calls - self.failures, self.calls),
            crashes: self.crashes,
            latency_p50_ms: self.latency_ms(0.5),
            latency_p95_ms: self.latency_ms(0.95),
            latency_p99_ms: self.latency_ms(0.99),
            scored: self.scored,
            score: self.mean_score(),
        }
    }

    fn latency_ms(&self, q: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "microseconds of a call")]
        self.latency.quantile(q).map(|us| us as f64 / 1_000.0)
    }

    fn mean_score(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        (self.scored > 0).then(|| self.score_sum / self.scored as f64)
    }
}

fn takes_long(arm: Arm, wall_us: u64, bound: u64, allowance: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a call")]
    let (wall, bound) = (wall_us as f64, bound as f64);
    match arm {
        Arm::Running => wall > bound,
        Arm::Canary => wall > bound * (1.0 + allowance) + NEGLIGIBLE,
    }
}

fn rate(hits: u64, of: u64) -> Option<Rate> {
    let interval = wilson(hits, of, 0.95);
    (of > 0).then(|| Rate {
        rate: percent(hits, of) / 100.0,
        low: interval.low,
        high: interval.high,
    })
}

fn percent(part: u64, of: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let percent = if of == 0 { 0.0 } else { part as f64 * 100.0 / of as f64 };
    percent
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SplitMix64.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            #[expect(clippy::cast_precision_loss, reason = "53 bits")]
            let fraction = ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64;
            fraction
        }
    }

    fn version(minor: u64) -> semver::Version {
        semver::Version::new(1, minor, 0)
    }

    /// Plays calls until the policy has a decision; answers it with the calls of both until then.
    fn play(seed: u64, share: f64, most: u32, call: impl Fn(Arm, &mut Dice) -> Ending) -> (CanaryAdvice, u32, String) {
        let (mut dice, policy) = (Dice(seed), CanaryPolicy::default());
        let mut tally = Tally::new(&policy);
        for count in 1..=most {
            let arm = if dice.roll() < share { Arm::Canary } else { Arm::Running };
            let ending = call(arm, &mut dice);
            tally.observe(arm, ending);
            let comparison = tally.compare(&policy, &version(0), &version(1));
            let decides = comparison.advice != CanaryAdvice::Wait;
            assert!(!decides || tally.may_decide(&policy, 0), "the quick look misses nothing");
            if decides {
                return (comparison.advice, count, comparison.reason);
            }
        }
        (CanaryAdvice::Wait, most, String::new())
    }

    /// A time that is now and then ten times as long: 2 ms at the median.
    fn time(dice: &mut Dice) -> u64 {
        let base = 1_000.0 + 2_000.0 * dice.roll();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few milliseconds")]
        let time = (if dice.roll() < 0.05 { base * 10.0 } else { base }) as u64;
        time
    }

    #[test]
    fn a_canary_as_good_as_the_running_release_is_promoted_in_twenty_runs_of_twenty() {
        for (seed, share) in (0..20).map(|seed| (seed, [0.1, 0.2, 0.5][seed as usize % 3])) {
            let (advice, calls, reason) = play(seed, share, 50_000, |_, dice| {
                if dice.roll() < 0.05 {
                    Ending::Failure
                } else {
                    Ending::Success(time(dice))
                }
            });
            assert_eq!(advice, CanaryAdvice::Promote, "seed {seed}: {reason}");
            assert!(f64::from(calls) * share < 1_300.0, "seed {seed}: {calls}");
        }
    }

    #[test]
    fn a_canary_that_is_a_fifth_worse_is_rolled_back_within_five_hundred_calls() {
        for (seed, share) in (0..40).map(|seed| (seed, [0.3, 0.5][seed as usize % 2])) {
            let (advice, calls, reason) = play(seed, share, 500, |arm, dice| {
                let rate = if arm == Arm::Canary { 0.8 } else { 1.0 };
                if dice.roll() < rate * 0.99 {
                    Ending::Success(time(dice))
                } else {
                    Ending::Failure
                }
            });
            assert_eq!(advice, CanaryAdvice::Rollback, "seed {seed}, {calls} calls");
            assert!(reason.contains("fail"), "{reason}");
        }
    }

    #[test]
    fn slower_bodies_and_slower_tails_are_seen_and_allowances_are_kept() {
        for seed in 0..20 {
            let slower = |by: f64, tail: f64| {
                play(seed, 0.3, 3_000, move |arm, dice| {
                    let time = time(dice);
                    let factor = match arm {
                        Arm::Running => 1.0,
                        Arm::Canary if dice.roll() < tail => 20.0,
                        Arm::Canary => by,
                    };
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_sign_loss,
                        clippy::cast_precision_loss,
                        reason = "milliseconds"
                    )]
                    let time = (time as f64 * factor) as u64;
                    Ending::Success(time)
                })
            };
            let (advice, calls, reason) = slower(2.5, 0.0);
            assert_eq!(advice, CanaryAdvice::Rollback, "seed {seed}: {reason}");
            assert!(calls < 1_000 && reason.contains("ms"), "seed {seed}: {calls} {reason}");
            let (advice, ..) = slower(1.0, 0.25);
            assert_eq!(advice, CanaryAdvice::Rollback, "seed {seed}");
            let (advice, _, reason) = slower(1.4, 0.0);
            assert_ne!(advice, CanaryAdvice::Rollback, "seed {seed}: {reason}");
        }
    }

    #[test]
    fn crashes_in_a_row_end_it_at_once_unless_both_crash() {
        let policy = CanaryPolicy::default();
        let mut tally = Tally::new(&policy);
        for _ in 0..policy.hard_failures - 1 {
            tally.observe(Arm::Canary, Ending::Crash);
        }
        assert!(!tally.may_decide(&policy, 0));
        tally.observe(Arm::Canary, Ending::Crash);
        assert!(tally.may_decide(&policy, 0));
        let comparison = tally.compare(&policy, &version(0), &version(1));
        assert_eq!(comparison.advice, CanaryAdvice::Rollback);
        for _ in 0..policy.hard_failures {
            tally.observe(Arm::Running, Ending::Crash);
        }
        assert!(!tally.may_decide(&policy, 0));
        tally.observe(Arm::Canary, Ending::Success(1));
        assert_eq!(tally.compare(&policy, &version(0), &version(1)).crashes_in_a_row, 0);
    }

    #[test]
    fn scores_roll_back_too() {
        let policy = CanaryPolicy::default();
        let (mut dice, mut tally) = (Dice(3), Tally::new(&policy));
        for _ in 0..800 {
            let arm = if dice.roll() < 0.3 { Arm::Canary } else { Arm::Running };
            tally.observe(arm, Ending::Success(100));
            tally.score(
                arm,
                if arm == Arm::Canary {
                    0.5 + 0.3 * dice.roll()
                } else {
                    0.7 + 0.3 * dice.roll()
                },
            );
        }
        let comparison = tally.compare(&policy, &version(0), &version(1));
        assert_eq!(comparison.advice, CanaryAdvice::Rollback, "{comparison:?}");
        assert!(comparison.reason.contains("validators"), "{}", comparison.reason);
    }

    #[test]
    fn what_others_failed_is_not_held_against_a_release() {
        for (code, counted) in [
            (None, Some(Ending::Success(7))),
            (Some(ErrorCode::ExecutionTrap), Some(Ending::Crash)),
            (Some(ErrorCode::ExecutionTimeout), Some(Ending::Failure)),
            (Some(ErrorCode::ProgramInvalidInput), Some(Ending::Failure)),
            (Some(ErrorCode::OutputInvalid), Some(Ending::Failure)),
            (Some(ErrorCode::InputInvalid), None),
            (Some(ErrorCode::ExtensionOverloaded), None),
            (Some(ErrorCode::StoreUnavailable), None),
            (Some(ErrorCode::ExtensionTripped), None),
        ] {
            assert_eq!(Ending::of(code, 7), counted, "{code:?}");
        }
    }

    #[test]
    fn a_tally_survives_its_written_form_and_stays_small() {
        let policy = CanaryPolicy::default();
        let (mut dice, mut tally) = (Dice(1), Tally::new(&policy));
        for _ in 0..20_000 {
            let arm = if dice.roll() < 0.3 { Arm::Canary } else { Arm::Running };
            let time = time(&mut dice);
            tally.observe(
                arm,
                if dice.roll() < 0.1 {
                    Ending::Failure
                } else {
                    Ending::Success(time)
                },
            );
            tally.score(arm, dice.roll());
        }
        let text = serde_json::to_string(&tally).unwrap();
        assert!(text.len() < 8_000, "{}", text.len());
        let back: Tally = serde_json::from_str(&text).unwrap();
        let shown = |tally: &Tally| tally.compare(&policy, &version(0), &version(1));
        assert_eq!(shown(&back).canary, shown(&tally).canary);
        let mut twice = tally.clone();
        twice.merge(&back);
        assert_eq!(twice.canary_calls(), 2 * tally.canary_calls());
    }
}
