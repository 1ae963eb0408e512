//! How often the tests cry wolf, and how soon they see one: thousands of seeded runs.

use oriel_statistics::{Arm, MeanTest, OddsTest, threshold};

/// SplitMix64 (Steele, Lea, Flood 2014).
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

/// The call at which the evidence of more failures suffices, when it does within `calls`.
fn alarm(seed: u64, calls: u32, share: f64, alpha: f64, rates: impl Fn(u32) -> (f64, f64)) -> Option<u32> {
    let (mut dice, mut test) = (Dice(seed), OddsTest::default());
    for call in 1..=calls {
        let (running, canary) = rates(call);
        let (arm, rate) = if dice.roll() < share {
            (Arm::Canary, canary)
        } else {
            (Arm::Running, running)
        };
        test.observe(arm, dice.roll() >= rate);
        if test.log_evidence() >= threshold(alpha) {
            return Some(call);
        }
    }
    None
}

fn share_of(runs: u64, alarmed: impl Fn(u64) -> bool) -> f64 {
    let count = (0..runs).filter(|seed| alarmed(*seed)).count();
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let share = count as f64 / runs as f64;
    share
}

#[test]
fn equal_streams_raise_fewer_false_alarms_than_promised() {
    const ALPHA: f64 = 0.05;
    for (rate, share) in [(0.5, 0.5), (0.8, 0.2), (0.95, 0.1), (0.99, 0.5), (0.95, 0.9)] {
        let alarms = share_of(2_000, |seed| alarm(seed, 1_000, share, ALPHA, |_| (rate, rate)).is_some());
        println!("success {rate}, share {share}: {alarms:.4} false alarms at α = {ALPHA}");
        assert!(alarms <= ALPHA, "{rate} {share}: {alarms}");
    }
}

#[test]
fn a_bad_hour_that_hits_both_while_the_share_grows_is_no_evidence() {
    // Half of all calls fail while the canary has most of the traffic: pooled rates would make it look bad.
    let alarms = share_of(1_000, |seed| {
        let (mut dice, mut test) = (Dice(seed), OddsTest::default());
        (0..2_000).any(|call| {
            let (share, rate) = if call < 1_000 { (0.05, 0.99) } else { (0.6, 0.5) };
            let arm = if dice.roll() < share { Arm::Canary } else { Arm::Running };
            test.observe(arm, dice.roll() >= rate);
            test.log_evidence() >= threshold(0.05)
        })
    });
    println!("a bad hour: {alarms:.4} false alarms at α = 0.05");
    assert!(alarms <= 0.05, "{alarms}");
}

#[test]
fn a_fifth_fewer_successes_is_seen_within_five_hundred_calls() {
    const ALPHA: f64 = 0.005;
    // (success rate of the running release, share of the canary, calls, how many of all runs must see it)
    for (rate, share, calls, wanted) in [
        (1.0, 0.5, 500, 1.0),
        (1.0, 0.2, 500, 0.99),
        (0.99, 0.5, 500, 0.99),
        (0.99, 0.2, 500, 0.98),
        (0.95, 0.5, 500, 0.97),
        (0.95, 0.2, 500, 0.90),
        // 500 calls of the canary, however few of all calls it gets.
        (0.95, 0.05, 10_000, 0.999),
        (0.9, 0.1, 5_000, 0.999),
        (0.8, 0.1, 5_000, 0.99),
    ] {
        let seen = share_of(300, |seed| alarm(seed, calls, share, ALPHA, |_| (rate, rate * 0.8)).is_some());
        let mut at: Vec<_> = (0..300)
            .filter_map(|seed| alarm(seed, calls, share, ALPHA, |_| (rate, rate * 0.8)))
            .collect();
        at.sort_unstable();
        println!(
            "success {rate}, share {share}: {seen:.3} seen within {calls} calls, half of them by call {:?}",
            at.get(at.len() / 2)
        );
        assert!(seen >= wanted, "{rate} {share}: {seen}");
    }
}

#[test]
fn streams_that_come_in_long_runs_are_compared_as_well() {
    let run = |seed: u64, canary: f64| {
        let (mut dice, mut test) = (Dice(seed), OddsTest::default());
        (0..60).any(|_| {
            let arm = if dice.roll() < 0.3 { Arm::Canary } else { Arm::Running };
            let rate = if arm == Arm::Canary { canary } else { 0.9 };
            (0..100).any(|_| {
                test.observe(arm, dice.roll() >= rate);
                test.log_evidence() >= threshold(0.01)
            })
        })
    };
    let (alarms, seen) = (share_of(500, |seed| run(seed, 0.9)), share_of(100, |seed| run(seed, 0.8)));
    println!("runs of a hundred calls: {alarms:.4} false alarms at α = 0.01, {seen:.2} of what is worse is seen");
    assert!(alarms <= 0.01 && seen >= 0.99, "{alarms} {seen}");
}

#[test]
fn scores_are_judged_with_their_margin() {
    const ALPHA: f64 = 0.05;
    let run = |seed: u64, calls: u32, drop: f64, margin: f64| {
        let (mut dice, mut test) = (Dice(seed), MeanTest::new(margin));
        (0..calls).any(|_| {
            let arm = if dice.roll() < 0.3 { Arm::Canary } else { Arm::Running };
            let score = 0.6 + 0.4 * dice.roll() - if arm == Arm::Canary { drop } else { 0.0 };
            test.observe(arm, score);
            test.log_evidence() >= threshold(ALPHA)
        })
    };
    for (drop, margin) in [(0.0, 0.0), (0.1, 0.1), (-0.1, 0.0)] {
        let alarms = share_of(1_000, |seed| run(seed, 1_000, drop, margin));
        println!("scores {drop} lower, margin {margin}: {alarms:.4} false alarms at α = {ALPHA}");
        assert!(alarms <= ALPHA, "{drop} {margin}: {alarms}");
    }
    let seen = share_of(200, |seed| run(seed, 1_000, 0.15, 0.05));
    assert!(seen >= 0.99, "{seen}");
}

#[test]
fn evidence_from_several_nodes_adds_up_and_survives_its_written_form() {
    let mut dice = Dice(7);
    let mut nodes = [OddsTest::default(), OddsTest::default()];
    for call in 0..400 {
        let arm = if dice.roll() < 0.5 { Arm::Canary } else { Arm::Running };
        nodes[call % 2].observe(arm, dice.roll() < if arm == Arm::Canary { 0.25 } else { 0.05 });
    }
    let [mut one, other] = nodes;
    let alone = one.log_evidence();
    one.merge(&other);
    assert!(one.log_evidence() > alone && one.log_evidence() > other.log_evidence());
    let text = serde_json::to_string(&one).unwrap_or_default();
    let back: OddsTest = serde_json::from_str(&text).unwrap_or_default();
    assert!((back.log_evidence() - one.log_evidence()).abs() < 1e-9);
    assert!(one.remaining(threshold(0.01)).is_some_and(|more| more < 1.0));
}
