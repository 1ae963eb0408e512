//! Quantiles of durations in constant memory.

use serde::{Deserialize, Serialize};

/// Parts of each power of two: what is answered is at most 1/16 off.
const PARTS: usize = 8;
/// Up to 2^40 µs, which is 12 days.
const BUCKETS: usize = 39 * PARTS;

/// Counts of whole numbers (microseconds) in buckets that grow with the numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Histogram {
    /// As long as the highest bucket in use.
    buckets: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// Takes one number in.
    pub fn record(&mut self, value: u64) {
        self.add(bucket(value), 1);
    }

    fn add(&mut self, at: usize, count: u64) {
        if at >= self.buckets.len() {
            self.buckets.resize(at + 1, 0);
        }
        self.buckets[at] = self.buckets[at].saturating_add(count);
        self.count = self.count.saturating_add(count);
    }

    /// How many numbers came in.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The number that a fraction `q` of all does not exceed, about; nothing when none came in.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank: not negative, at most the count"
        )]
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= rank {
                return Some(middle(at));
            }
        }
        None
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (at, count) in other.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            self.add(at, *count);
        }
    }
}

fn bucket(value: u64) -> usize {
    if value < PARTS as u64 {
        return usize::try_from(value).unwrap_or(0);
    }
    let power = value.ilog2();
    let part = usize::try_from(value >> (power - 3)).unwrap_or(0) & (PARTS - 1);
    ((power as usize - 2) * PARTS + part).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle(at: usize) -> u64 {
    if at < PARTS {
        return at as u64;
    }
    let shift = at / PARTS - 1;
    let start = ((PARTS + at % PARTS) as u64) << shift;
    start + ((1 << shift) >> 1)
}

impl From<Vec<(u16, u64)>> for Histogram {
    fn from(sparse: Vec<(u16, u64)>) -> Self {
        let mut histogram = Self::default();
        for (at, count) in sparse {
            histogram.add(usize::from(at).min(BUCKETS - 1), count);
        }
        histogram
    }
}

impl From<Histogram> for Vec<(u16, u64)> {
    fn from(histogram: Histogram) -> Self {
        let buckets = histogram.buckets.into_iter().enumerate();
        buckets
            .filter(|(_, count)| *count > 0)
            .filter_map(|(at, count)| Some((u16::try_from(at).ok()?, count)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_near() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for value in 1..=10_000 {
            histogram.record(value);
        }
        for (q, exact) in [(0.5, 5_000.0), (0.95, 9_500.0), (0.99, 9_900.0), (0.0, 1.0), (1.0, 10_000.0)] {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let got = histogram.quantile(q).unwrap() as f64;
            assert!((got / exact - 1.0).abs() <= 0.07, "{q}: {got}");
        }
        histogram.record(u64::MAX);
        assert!(histogram.buckets.len() <= BUCKETS);
    }

    #[test]
    fn the_written_form_and_merging_lose_nothing() {
        let (mut one, mut other) = (Histogram::default(), Histogram::default());
        for value in [0, 1, 7, 8, 9, 1_000, 123_456_789] {
            one.record(value);
            other.record(value * 3);
        }
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), one);
        let mut both = one.clone();
        both.merge(&other);
        assert_eq!(both.count(), 14);
    }
}
