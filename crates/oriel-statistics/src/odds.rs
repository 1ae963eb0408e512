//! Does an event happen more often in the canary's stream than in the running one's?
//!
//! Within a block of calls, given how many events it has in all, the number `k` of those that fell on the canary is
//! hypergeometric when both streams are alike, and follows Fisher's noncentral hypergeometric distribution with odds ratio `ρ`
//! when the odds of the event are `ρ` times higher in the canary (Fisher 1935; McCullagh and Nelder, *Generalized Linear Models*,
//! 1989, 7.3.2). The ratio of the two probabilities of what was seen is a bet against "the canary is not worse" whose
//! expected winnings are at most 1 if that is true: an E-variable. The product over blocks, mixed over several `ρ`, is the evidence
//! (mixture: Johari, Pekelis, Walsh, *Always valid inference*, 2017; Robbins 1970; products of E-variables: Grünwald, de Heide,
//! Koolen, *Safe testing*, 2024; the two-sample case: Turner, Ly, Grünwald, *Generic E-variables for exact sequential k-sample
//! tests*, 2024).
//!
//! Because each block conditions on its own number of events, nothing is assumed of the rate of events, and it may change
//! from block to block. What is assumed: within a block, the calls could have come in any order.

use serde::{Deserialize, Serialize};

use crate::evidence::{Arm, Bets, Cut, cut};

/// The odds ratios that are bet on. From "slightly worse" to "does nothing but fail".
const RATIOS: [f64; 8] = [1.25, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0];

/// Evidence that an event is likelier in the canary's stream. Constant size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OddsTest {
    block: Block,
    bets: Bets,
}

impl Default for OddsTest {
    fn default() -> Self {
        Self {
            block: Block::default(),
            bets: Bets::new(RATIOS.len()),
        }
    }
}

/// Calls that are not settled yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Block {
    running: u32,
    running_events: u32,
    canary: u32,
    canary_events: u32,
    last: Option<Arm>,
}

impl OddsTest {
    /// Takes one call in: whether the event happened.
    pub fn observe(&mut self, arm: Arm, event: bool) {
        let block = &mut self.block;
        match cut(block.running, block.canary, block.last, arm) {
            Cut::Goes => {}
            Cut::Drops => *block = Block::default(),
            Cut::Closes => {
                let block = std::mem::take(block);
                if block.tells_something() {
                    self.bets.settle(RATIOS.iter().map(|ratio| block.log_ratio(*ratio)));
                }
            }
        }
        block.last = Some(arm);
        let (calls, events) = match arm {
            Arm::Running => (&mut block.running, &mut block.running_events),
            Arm::Canary => (&mut block.canary, &mut block.canary_events),
        };
        *calls += 1;
        *events += u32::from(event);
    }

    /// Whether a call of this stream would begin a new block.
    #[must_use]
    pub fn begins_with(&self, arm: Arm) -> bool {
        let block = &self.block;
        block.last.is_none() || cut(block.running, block.canary, block.last, arm) != Cut::Goes
    }

    /// The logarithm of the evidence; compare with [`crate::threshold`].
    #[must_use]
    pub fn log_evidence(&self) -> f64 {
        self.bets.log_mean()
    }

    /// Adds the evidence that somebody else gathered from other calls; their open block stays theirs.
    pub fn merge(&mut self, other: &Self) {
        self.bets.merge(&other.bets);
    }

    /// About how many times as many calls as so far are needed to reach `threshold` if things go on as they did; nothing when
    /// there is no evidence.
    #[must_use]
    pub fn remaining(&self, threshold: f64) -> Option<f64> {
        self.bets.remaining(threshold)
    }
}

impl Block {
    /// Whether the split could have been another one.
    const fn tells_something(self) -> bool {
        let events = self.running_events + self.canary_events;
        events > 0 && events < self.running + self.canary
    }

    /// Log of P(k at odds ratio `ratio`) / P(k at 1).
    fn log_ratio(self, ratio: f64) -> f64 {
        let step = ratio.ln();
        let events = self.running_events + self.canary_events;
        let (least, most) = (events.saturating_sub(self.running), events.min(self.canary));
        // Weights of each possible k relative to the first, as logarithms: C(canary, k) · C(running, events - k).
        let (mut plain, mut tilted) = (LogSum::default(), LogSum::default());
        let mut weight = 0.0;
        for k in least..=most {
            plain.add(weight);
            tilted.add(weight + f64::from(k) * step);
            let up = f64::from(self.canary - k) * f64::from(events - k);
            // Not negative: k ≥ events - running.
            let down = f64::from(k + 1) * f64::from(self.running + k + 1 - events);
            weight += (up / down).ln();
        }
        f64::from(self.canary_events) * step - tilted.value() + plain.value()
    }
}

/// The logarithm of a sum of numbers whose logarithms come one by one.
struct LogSum {
    largest: f64,
    scaled: f64,
}

impl Default for LogSum {
    fn default() -> Self {
        Self {
            largest: f64::NEG_INFINITY,
            scaled: 0.0,
        }
    }
}

impl LogSum {
    fn add(&mut self, log: f64) {
        if log > self.largest {
            self.scaled = self.scaled * (self.largest - log).exp() + 1.0;
            self.largest = log;
        } else {
            self.scaled += (log - self.largest).exp();
        }
    }

    fn value(&self) -> f64 {
        self.largest + self.scaled.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_bets_with_the_probabilities_of_the_noncentral_hypergeometric() {
        // 2 + 2 calls with 2 events, both in the canary: C(2,2)·C(2,0) = 1 of 6; at ratio 100, 10,000 of 10,401.
        let block = Block {
            running: 2,
            running_events: 0,
            canary: 2,
            canary_events: 2,
            last: None,
        };
        let expected = (10_000.0_f64 / 10_401.0 * 6.0).ln();
        assert!((block.log_ratio(100.0) - expected).abs() < 1e-12);
        // 1 canary of 10 calls, one event, elsewhere: 9 of 10 against 9 of 11.
        let block = Block {
            running: 9,
            running_events: 1,
            canary: 1,
            canary_events: 0,
            last: None,
        };
        let expected = (9.0_f64 / 11.0 / 0.9).ln();
        assert!((block.log_ratio(2.0) - expected).abs() < 1e-12);
    }

    #[test]
    fn every_bet_is_fair_when_both_streams_are_alike() {
        // Σ P₁(k) · Pρ(k)/P₁(k) = 1 over all possible k, for many forms of blocks.
        for (running, canary, events) in [(3u32, 1u32, 1u32), (1, 3, 2), (9, 1, 4), (5, 5, 5), (200, 40, 70), (1, 99, 50)] {
            for ratio in RATIOS {
                let (mut total, mut weights) = (0.0, 0.0);
                let mut log_weight = 0.0_f64;
                for k in events.saturating_sub(running)..=events.min(canary) {
                    let block = Block {
                        running,
                        running_events: events - k,
                        canary,
                        canary_events: k,
                        last: None,
                    };
                    total += log_weight.exp() * block.log_ratio(ratio).exp();
                    weights += log_weight.exp();
                    let up = f64::from(canary - k) * f64::from(events - k);
                    log_weight += (up / (f64::from(k + 1) * f64::from(running + k + 1 - events))).ln();
                }
                assert!(
                    (total / weights - 1.0).abs() < 1e-9,
                    "{running} {canary} {events} {ratio}: {}",
                    total / weights
                );
            }
        }
    }

    #[test]
    fn a_stream_alone_proves_nothing_and_keeps_nothing() {
        let mut test = OddsTest::default();
        for _ in 0..10_000 {
            test.observe(Arm::Canary, true);
        }
        assert!(test.log_evidence().abs() < 1e-12);
        assert!(test.block.canary <= 1_024);
    }
}
