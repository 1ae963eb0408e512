//! What is usual: the middle and the spread of a quantity that is never below 0, and the range that it should keep.
//!
//! Mean and standard deviation would be pulled along by the very outliers that are looked for. So the middle is the median and
//! the spread is the median absolute deviation (MAD), which no minority of observations can move far (F. R. Hampel, "The influence
//! curve and its role in robust estimation", 1974). Sizes, rates and times differ by factors and not by sums, so both are taken of
//! logarithms. Observations are counted in bins of equal width on that scale, as in a DDSketch (C. Masson, J. E. Rim,
//! H. K. Lee, VLDB 2019): memory is bounded, and each value is known to within half a bin.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The width of a bin, in natural logarithms: values are known to within 2.5 %.
const WIDTH: f64 = 0.05;
/// The highest bin. It lies far above 2^64.
const LAST: u16 = 1_024;
/// From so many observations on, all counts are halved: what was usual long ago fades.
const FADES: u64 = 20_160;
/// Makes of a MAD what a standard deviation is for normally distributed numbers: 1 / Φ⁻¹(3/4).
const NORMAL: f64 = 1.4826;
/// The share of observations at each end that are usual in any case, in thousandths.
const TAIL: u64 = 5;

/// Observations of one quantity, in bins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct Baseline {
    bins: BTreeMap<u16, u64>,
    count: u64,
}

/// How far from the median a value must lie to be unusual: by as many spreads and by such a factor, both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Spreads ([`Baseline`]'s MAD, scaled to a standard deviation).
    pub spreads: f64,
    /// The factor.
    pub factor: f64,
}

/// What is usual, in the quantity's own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usual {
    /// Half of all observations lie below.
    pub median: f64,
    /// Values below are unusual.
    pub low: f64,
    /// Values above are unusual.
    pub high: f64,
}

impl Usual {
    /// Whether a value is unusual.
    #[must_use]
    pub fn excludes(&self, value: f64) -> bool {
        value < self.low || value > self.high
    }
}

fn bin(value: f64, unit: f64) -> u16 {
    let place = ((value.max(0.0) / unit).ln_1p() / WIDTH).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is cut to the range of bins"
    )]
    let bin = place.min(f64::from(LAST)) as u16;
    bin
}

impl Baseline {
    /// Takes an observation in. `unit` is the amount below which differences mean little; it must be the same each time. What is
    /// no number is passed over.
    pub fn record(&mut self, value: f64, unit: f64) {
        if value.is_nan() || unit.is_nan() || unit <= 0.0 {
            return;
        }
        *self.bins.entry(bin(value, unit)).or_default() += 1;
        self.count += 1;
        if self.count >= FADES {
            self.bins.retain(|_, count| {
                *count /= 2;
                *count > 0
            });
            self.count = self.bins.values().sum();
        }
    }

    /// How many observations count.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Adds what another one observed.
    pub fn merge(&mut self, other: &Self) {
        for (bin, count) in &other.bins {
            *self.bins.entry(*bin).or_default() += count;
            self.count += count;
        }
    }

    /// The bin that `thousandths` of all observations do not exceed.
    fn quantile(&self, thousandths: u64) -> Option<u16> {
        let rank = (self.count.saturating_mul(thousandths)).div_ceil(1_000).max(1);
        let mut seen = 0;
        let mut bins = self.bins.iter();
        bins.find(|(_, count)| {
            seen += **count;
            seen >= rank
        })
        .map(|(bin, _)| *bin)
    }

    /// The median distance from this bin, in bins.
    fn deviation(&self, from: u16) -> u16 {
        let mut distances: Vec<(u16, u64)> = self.bins.iter().map(|(bin, count)| (bin.abs_diff(from), *count)).collect();
        distances.sort_unstable();
        let half = self.count.div_ceil(2);
        let mut seen = 0;
        let middle = distances.iter().find(|(_, count)| {
            seen += count;
            seen >= half
        });
        middle.map_or(0, |(distance, _)| *distance)
    }

    /// What is usual; nothing before anything was observed. How much is enough is the caller's to say ([`Baseline::count`]).
    ///
    /// A value is unusual when it lies farther from the median than `tolerance` says **and** beyond all but five in a thousand
    /// of what was observed, so that what happens every night is usual although most of the day looks different.
    #[must_use]
    pub fn usual(&self, unit: f64, tolerance: Tolerance) -> Option<Usual> {
        let median = self.quantile(500)?;
        let (least, most) = (self.quantile(TAIL)?, self.quantile(1_000 - TAIL)?);
        // Numbers that never change have no spread; half a bin is what is not known of them.
        let spread = (NORMAL * f64::from(self.deviation(median)) * WIDTH).max(WIDTH / 2.0);
        let reach = (tolerance.spreads * spread).max(tolerance.factor.max(1.0).ln());
        let place = f64::from(median) * WIDTH;
        let edge = |bin: u16, half: f64| (f64::from(bin) + half) * WIDTH;
        let value = |place: f64| place.max(0.0).exp_m1() * unit;
        Some(Usual {
            median: value(place),
            low: value((place - reach).min(edge(least, -0.5))),
            high: value((place + reach).max(edge(most, 0.5))),
        })
    }
}

impl From<Vec<(u16, u64)>> for Baseline {
    fn from(bins: Vec<(u16, u64)>) -> Self {
        let mut all = Self::default();
        for (bin, count) in bins {
            // Written forms are read back also when somebody has changed them: no sum overflows.
            let count = count.min(FADES);
            *all.bins.entry(bin.min(LAST)).or_default() += count;
            all.count += count;
        }
        all
    }
}

impl From<Baseline> for Vec<(u16, u64)> {
    fn from(baseline: Baseline) -> Self {
        baseline.bins.into_iter().collect()
    }
}

/// Hours of a week.
const WEEK: u16 = 168;

/// A quantity that follows the clock of the week: what is usual on Monday at nine need not be on Sunday at three.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Seasonal {
    /// All observations.
    all: Baseline,
    /// By hour of the week, from 0 to 167.
    hours: BTreeMap<u16, Baseline>,
}

/// How many observations an expectation needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Enough {
    /// Of all hours together, before anything is expected at all.
    pub overall: u64,
    /// Of one hour, before that hour is judged by itself.
    pub hour: u64,
}

impl Seasonal {
    /// Takes in an observation made in this hour of the week.
    pub fn record(&mut self, hour: u16, value: f64, unit: f64) {
        self.all.record(value, unit);
        self.hours.entry(hour % WEEK).or_default().record(value, unit);
    }

    /// How many observations count.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.all.count()
    }

    /// What is usual in this hour of the week: by this very hour where enough was seen of it, else by this hour of any day, else by
    /// all. Nothing before `enough` was seen.
    #[must_use]
    pub fn usual(&self, hour: u16, unit: f64, tolerance: Tolerance, enough: Enough) -> Option<Usual> {
        if self.all.count() < enough.overall.max(1) {
            return None;
        }
        let hour = hour % WEEK;
        if let Some(same) = self.hours.get(&hour).filter(|same| same.count() >= enough.hour.max(1)) {
            return same.usual(unit, tolerance);
        }
        let mut of_day = Baseline::default();
        for same in (0..7).filter_map(|day| self.hours.get(&(day * 24 + hour % 24))) {
            of_day.merge(same);
        }
        if of_day.count() >= enough.hour.max(1) {
            return of_day.usual(unit, tolerance);
        }
        self.all.usual(unit, tolerance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Tolerance = Tolerance { spreads: 6.0, factor: 3.0 };
    const ENOUGH: Enough = Enough { overall: 100, hour: 60 };

    fn of(values: impl IntoIterator<Item = f64>) -> Baseline {
        let mut all = Baseline::default();
        for value in values {
            all.record(value, 1.0);
        }
        all
    }

    /// A fixed sequence that looks like chance: Weyl's, by the golden ratio.
    fn spread(n: u32) -> impl Iterator<Item = f64> {
        (0..n).map(|at| (f64::from(at) * 0.618_033_988_75).fract())
    }

    #[test]
    fn a_minority_of_outliers_moves_nothing() {
        let clean = of(spread(1_000).map(|part| 80.0 + 40.0 * part)).usual(1.0, USUAL).unwrap();
        assert!((clean.median / 100.0 - 1.0).abs() < 0.06, "{clean:?}");
        assert!(
            !clean.excludes(79.0) && !clean.excludes(121.0) && !clean.excludes(250.0),
            "{clean:?}"
        );
        assert!(clean.excludes(400.0) && clean.excludes(20.0), "{clean:?}");
        let mut soiled = of(spread(1_000).map(|part| 80.0 + 40.0 * part));
        soiled.record(1e9, 1.0);
        let soiled = soiled.usual(1.0, USUAL).unwrap();
        assert!((soiled.median - clean.median).abs() < 1e-9 && soiled.excludes(400.0), "{soiled:?}");
    }

    #[test]
    fn what_happens_every_night_is_usual() {
        // One window in a hundred is a thousand times as busy.
        let nightly = of((0..5_000).map(|at| if at % 100 == 0 { 10_000.0 } else { 10.0 }));
        let usual = nightly.usual(1.0, USUAL).unwrap();
        assert!(!usual.excludes(10_000.0) && usual.excludes(30_000.0), "{usual:?}");
    }

    #[test]
    fn numbers_that_never_change_may_differ_by_the_factor_and_zero_by_the_unit() {
        let constant = of([50.0; 500]).usual(1.0, USUAL).unwrap();
        assert!(!constant.excludes(140.0) && constant.excludes(170.0), "{constant:?}");
        let idle = of([0.0; 500]).usual(1.0, USUAL).unwrap();
        assert!(!idle.excludes(0.0) && !idle.excludes(1.9) && idle.excludes(2.5), "{idle:?}");
        assert!(Baseline::default().usual(1.0, USUAL).is_none());
    }

    #[test]
    fn what_was_usual_long_ago_fades_and_memory_stays_bounded() {
        let mut all = of([10.0; 20_000]);
        for _ in 0..60_000 {
            all.record(1_000.0, 1.0);
        }
        assert!(all.count() < FADES && all.bins.len() <= 2);
        assert!((all.usual(1.0, USUAL).unwrap().median / 1_000.0 - 1.0).abs() < 0.03);
        for hostile in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0, f64::MAX] {
            all.record(hostile, 1.0);
        }
        assert!(all.bins.keys().all(|bin| *bin <= LAST));
    }

    #[test]
    fn the_written_form_loses_nothing_and_a_forged_one_harms_nothing() {
        let all = of(spread(1_000).map(|part| part * 1e6));
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Baseline>(&text).unwrap(), all);
        let forged: Baseline = serde_json::from_str(&format!("[[65535,{0}],[3,{0}],[3,{0}]]", u64::MAX)).unwrap();
        assert!(forged.usual(1.0, USUAL).is_some_and(|usual| usual.high.is_finite()));
    }

    #[test]
    fn an_hour_is_judged_by_its_like_as_soon_as_enough_was_seen() {
        let mut week = Seasonal::default();
        assert_eq!(week.usual(9, 1.0, USUAL, ENOUGH), None);
        // Busy from 9 to 10 on each day but the last of the week, idle otherwise.
        for day in 0..7_u16 {
            for hour in 0..24_u16 {
                for _ in 0..30 {
                    let busy = hour == 9 && day < 6;
                    week.record(day * 24 + hour, if busy { 1_000.0 } else { 5.0 }, 1.0);
                }
            }
        }
        let at = |hour| week.usual(hour, 1.0, USUAL, ENOUGH).unwrap();
        assert!(at(9).median > 900.0, "by the hour of any day: {:?}", at(9));
        assert!(at(3).excludes(1_000.0) && !at(3).excludes(5.0));
        for _ in 0..60 {
            week.record(6 * 24 + 9, 5.0, 1.0);
        }
        let sunday = week.usual(6 * 24 + 9, 1.0, USUAL, ENOUGH).unwrap();
        assert!(sunday.excludes(1_000.0), "by the hour of the week: {sunday:?}");
        let text = serde_json::to_string(&week).unwrap();
        assert_eq!(serde_json::from_str::<Seasonal>(&text).unwrap(), week);
    }
}
