//! How sure a rate is.

use serde::{Deserialize, Serialize};

/// From `low` to `high`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The Wilson score interval of a rate (Wilson 1927; recommended by Brown, Cai, DasGupta, *Interval estimation for a binomial
/// proportion*, 2001). For one look: it is not made for being watched until it says something.
///
/// Without any trials it is everything, 0 to 1.
#[must_use]
pub fn wilson(successes: u64, trials: u64, confidence: f64) -> Interval {
    if trials == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let z = two_sided(confidence);
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let (n, hits) = (trials as f64, successes.min(trials) as f64);
    let rate = hits / n;
    let shrink = 1.0 + z * z / n;
    let centre = (rate + z * z / (2.0 * n)) / shrink;
    let half = z / shrink * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    Interval {
        low: (centre - half).max(0.0).min(rate),
        high: (centre + half).min(1.0).max(rate),
    }
}

/// How many trials show a rate of about `rate` to ± `margin` with this confidence: `z² p (1 − p) / m²` (Cochran, *Sampling
/// techniques*, 1977, 4.4).
#[must_use]
pub fn sample_size(rate: f64, margin: f64, confidence: f64) -> u64 {
    let z = two_sided(confidence);
    let rate = rate.clamp(0.0, 1.0);
    whole(z * z * rate * (1.0 - rate) / (margin * margin))
}

/// The same when there are only `population` of them to look at: `n / (1 + (n − 1) / N)` (Cochran, 4.4).
#[must_use]
pub fn of_population(sample: u64, population: u64) -> u64 {
    if population == 0 {
        return 0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    let (n, all) = (sample as f64, population as f64);
    whole(n / (1.0 + (n - 1.0).max(0.0) / all)).min(population)
}

fn whole(number: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a conversion with `as` saturates, which is what is wanted"
    )]
    let whole = number.ceil() as u64;
    whole.max(1)
}

fn two_sided(confidence: f64) -> f64 {
    normal_quantile(0.5 + confidence.clamp(0.0, 0.999_999_9) / 2.0)
}

/// The quantile of the standard normal distribution, for `p` above 0 and below 1: Acklam's rational approximation, with a
/// relative error below 1.15 · 10⁻⁹.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    const TAIL: f64 = 0.024_25;
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        horner(&C, q) / (horner(&D, q) * q + 1.0)
    };
    if p < TAIL {
        tail(p)
    } else if p > 1.0 - TAIL {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        horner(&A, r) * q / (horner(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, by: f64) {
        assert!((a - b).abs() < by, "{a} is not {b}");
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_985),
            (0.995, 2.575_829_304),
            (0.01, -2.326_347_874),
            (0.999_9, 3.719_016_485),
        ] {
            near(normal_quantile(p), z, 1e-7);
        }
    }

    #[test]
    fn wilson_has_its_published_values() {
        // Newcombe, *Two-sided confidence intervals for the single proportion*, 1998, table I.
        for (hits, n, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let interval = wilson(hits, n, 0.95);
            near(interval.low, low, 5e-5);
            near(interval.high, high, 5e-5);
        }
        assert_eq!(wilson(0, 0, 0.95), Interval { low: 0.0, high: 1.0 });
        assert!(wilson(7, 7, 0.95).high >= 1.0);
    }

    #[test]
    fn sample_sizes_are_those_of_the_textbook() {
        assert_eq!(sample_size(0.5, 0.05, 0.95), 385);
        assert_eq!(of_population(385, 1_000), 279);
        assert_eq!(of_population(385, 10), 10);
        assert_eq!(of_population(385, 0), 0);
        assert_eq!(sample_size(1.0, 0.05, 0.95), 1);
    }
}
