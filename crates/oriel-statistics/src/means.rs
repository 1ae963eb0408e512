//! Is the mean of a score from 0 to 1 lower in the canary's stream, by more than a margin?
//!
//! A block of calls gives one number: the running stream's mean less the canary's less the margin. Its expectation is at most
//! 0 when the canary is good enough. Whoever starts with 1 and stakes a fixed fraction of their wealth on it each time can then
//! not expect to win; what they win is the evidence. Several fractions are played at once and averaged (Waudby-Smith and Ramdas,
//! *Estimating means of bounded random variables by betting*, 2024; two samples: Shekhar and Ramdas, *Nonparametric two-sample testing
//! by betting*, 2023; time-uniform bounds in general: Howard, Ramdas, McAuliffe, Sekhon 2021).

use serde::{Deserialize, Serialize};

use crate::evidence::{Arm, Bets, Cut, cut};

/// Stakes, as fractions of the largest that can never lose everything.
const STAKES: [f64; 8] = [0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9];

/// Evidence that the canary's mean score is lower by more than a margin. Constant size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeanTest {
    margin: f64,
    block: Block,
    bets: Bets,
}

/// Calls that are not settled yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Block {
    running: u32,
    running_sum: f64,
    canary: u32,
    canary_sum: f64,
    last: Option<Arm>,
}

impl MeanTest {
    /// A test for a drop of more than `margin`, from 0 to 1.
    #[must_use]
    pub fn new(margin: f64) -> Self {
        Self {
            margin: margin.clamp(0.0, 1.0),
            block: Block::default(),
            bets: Bets::new(STAKES.len()),
        }
    }

    /// Takes one score in; what lies outside of 0 to 1 is moved to the nearer end, and what is no number is left out.
    pub fn observe(&mut self, arm: Arm, score: f64) {
        if score.is_nan() {
            return;
        }
        let score = score.clamp(0.0, 1.0);
        let block = &mut self.block;
        match cut(block.running, block.canary, block.last, arm) {
            Cut::Goes => {}
            Cut::Drops => *block = Block::default(),
            Cut::Closes => {
                let block = std::mem::take(block);
                let gap = block.running_sum / f64::from(block.running) - block.canary_sum / f64::from(block.canary) - self.margin;
                let most = 1.0 / (1.0 + self.margin);
                self.bets.settle(STAKES.iter().map(|stake| (stake * most * gap).ln_1p()));
            }
        }
        block.last = Some(arm);
        let (calls, sum) = match arm {
            Arm::Running => (&mut block.running, &mut block.running_sum),
            Arm::Canary => (&mut block.canary, &mut block.canary_sum),
        };
        *calls += 1;
        *sum += score;
    }

    /// The logarithm of the evidence; compare with [`crate::threshold`].
    #[must_use]
    pub fn log_evidence(&self) -> f64 {
        self.bets.log_mean()
    }

    /// Adds the evidence that somebody else gathered from other calls, for the same margin.
    pub fn merge(&mut self, other: &Self) {
        self.bets.merge(&other.bets);
    }

    /// As [`crate::OddsTest::remaining`].
    #[must_use]
    pub fn remaining(&self, threshold: f64) -> Option<f64> {
        self.bets.remaining(threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_loss_leaves_something() {
        for margin in [0.0, 0.3, 1.0] {
            let mut test = MeanTest::new(margin);
            for _ in 0..1_000 {
                test.observe(Arm::Running, 0.0);
                test.observe(Arm::Canary, 1.0);
            }
            assert!(test.log_evidence().is_finite() && test.log_evidence() < 0.0);
        }
    }

    #[test]
    fn what_is_no_number_is_left_out() {
        let mut test = MeanTest::new(0.0);
        for _ in 0..10 {
            test.observe(Arm::Running, f64::NAN);
            test.observe(Arm::Canary, f64::NAN);
        }
        assert_eq!(test, MeanTest::new(0.0));
        test.observe(Arm::Running, f64::INFINITY);
        assert!((test.block.running_sum - 1.0).abs() < 1e-12);
    }
}
