//! What both tests have in common: the two streams, and bets whose winnings are the evidence.

use serde::{Deserialize, Serialize};

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// What runs already, and sets the measure.
    Running,
    /// What is tried out.
    Canary,
}

/// Blocks of fewer calls see less of each call; much longer ones are fooled by a rate that changes within them.
const SMALLEST: u32 = 8;
/// Where one stream comes in long runs, a block is as long as a run of each, up to this.
const LARGEST: u32 = 1_024;

/// What becomes of a block before the next call is taken into it. It must follow from the order of the streams alone, not from how
/// calls ended: whoever closes a block when it looks bad finds bad blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The call belongs to it.
    Goes,
    /// It is complete; the call begins the next.
    Closes,
    /// It holds one stream only and is given up.
    Drops,
}

/// Blocks close where the streams change over, so that calls in turns make short blocks and runs of calls long ones.
pub(crate) fn cut(running: u32, canary: u32, last: Option<Arm>, next: Arm) -> Cut {
    let (total, both) = (running + canary, running > 0 && canary > 0);
    if both && (total >= LARGEST || (total >= SMALLEST && last != Some(next))) {
        Cut::Closes
    } else if total >= LARGEST {
        Cut::Drops
    } else {
        Cut::Goes
    }
}

/// The logarithm of the evidence that suffices at this probability of a false alarm.
///
/// By Ville's inequality (1939) a nonnegative supermartingale that starts at 1 ever reaches `1/α` with a probability of at most
/// `α`.
#[must_use]
pub fn threshold(alpha: f64) -> f64 {
    -alpha.max(f64::MIN_POSITIVE).ln()
}

/// Logarithms of the winnings of as many equally weighted bets. Their mean is a bet itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Bets(Vec<f64>);

impl Bets {
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![0.0; count])
    }

    /// Adds what each bet won or lost, as a logarithm.
    pub(crate) fn settle(&mut self, won: impl IntoIterator<Item = f64>) {
        for (bet, won) in self.0.iter_mut().zip(won) {
            *bet += won;
        }
    }

    /// Adds the winnings of the same bets on other calls: the products of independent bets are bets.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.settle(other.0.iter().copied());
    }

    /// The logarithm of the mean of all winnings.
    pub(crate) fn log_mean(&self) -> f64 {
        let best = self.best();
        let sum: f64 = self.0.iter().map(|bet| (bet - best).exp()).sum();
        #[expect(clippy::cast_precision_loss, reason = "a handful of bets")]
        let count = self.0.len() as f64;
        best + (sum / count).ln()
    }

    /// The logarithm of the best bet's winnings.
    pub(crate) fn best(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// About how many times what was won so far the best bet needs until the mean reaches `threshold`; nothing when it is
    /// not winning. 1 or less means that it is there.
    pub(crate) fn remaining(&self, threshold: f64) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a handful of bets")]
        let price = (self.0.len() as f64).ln();
        let best = self.best();
        (best > 0.0).then(|| ((threshold + price) / best).max(0.0))
    }
}
