//! Judges a window by what is usual, and learns it.

use oriel_model::anomaly::{AnomalyMetric, Severity, UsualRange};
use oriel_model::contribution::ContributionKind;
use oriel_statistics::{Tolerance, Usual};

use super::AnomalyOptions;
use super::learned::Learned;
use super::window::Closed;

/// A window that lasted longer than so many is no window: nobody looked for a while, as on a machine that slept.
const STALE: f64 = 10.0;

/// Something unusual.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Oddity {
    pub(super) metric: AnomalyMetric,
    pub(super) of: Option<(ContributionKind, Box<str>)>,
    pub(super) observed: f64,
    pub(super) usual: UsualRange,
    pub(super) severity: Severity,
    pub(super) learned_from: u64,
}

/// Averages below their usual range are no news, only what is above; of rates, both.
fn odd(value: f64, usual: Usual, both: bool, metric: AnomalyMetric) -> Option<Severity> {
    if value < usual.low && both {
        return Some(Severity::Warning);
    }
    if value <= usual.high {
        return None;
    }
    let unit = metric.unit();
    let place = |value: f64| (value / unit).ln_1p();
    let (reach, distance) = (place(usual.high) - place(usual.median), place(value) - place(usual.median));
    let far = distance >= 2.0 * reach && distance >= 10.0_f64.ln();
    Some(if far { Severity::Critical } else { Severity::Warning })
}

fn range(usual: Usual) -> UsualRange {
    UsualRange {
        median: usual.median,
        low: usual.low,
        high: usual.high,
    }
}

/// What is unusual in a window that closed in this hour of the week; the window is learned.
pub(super) fn judge(learned: &mut Learned, closed: &Closed, hour: u16, options: &AnomalyOptions) -> Vec<Oddity> {
    let mut found = Vec::new();
    let tolerance = options.tolerance;
    if closed.windows <= STALE {
        let enough = options.enough();
        #[expect(clippy::cast_precision_loss, reason = "counts of calls and bytes in a minute")]
        let rates = [
            (AnomalyMetric::CallRate, closed.calls as f64 / closed.windows, true),
            (AnomalyMetric::OutboundBytes, closed.outbound_bytes as f64 / closed.windows, false),
        ];
        for (metric, value, both) in rates {
            let seen = match metric {
                AnomalyMetric::CallRate => &mut learned.call_rate,
                _ => &mut learned.outbound_bytes,
            };
            if let Some(usual) = seen.usual(hour, metric.unit(), tolerance, enough)
                && let Some(severity) = odd(value, usual, both, metric)
            {
                found.push(Oddity {
                    metric,
                    of: None,
                    observed: value,
                    usual: range(usual),
                    severity,
                    learned_from: seen.count(),
                });
            }
            seen.record(hour, value, metric.unit());
        }
        learned.windows += 1;
    }
    let enough = options.enough_averages();
    for (kind, name, sums) in &closed.by_contribution {
        for (metric, value) in averages(*kind, sums) {
            let Some(seen) = learned.average(metric, *kind, name) else {
                continue;
            };
            let usual = (seen.count() >= enough).then(|| seen.usual(metric.unit(), tolerance)).flatten();
            if let Some(usual) = usual
                && let Some(severity) = odd(value, usual, false, metric)
            {
                found.push(Oddity {
                    metric,
                    of: Some((*kind, name.clone())),
                    observed: value,
                    usual: range(usual),
                    severity,
                    learned_from: seen.count(),
                });
            }
            seen.record(value, metric.unit());
        }
    }
    learned.unwritten += 1;
    found
}

/// What calls of a contribution came to on average.
#[expect(clippy::cast_precision_loss, reason = "averages need no more than a double has")]
fn averages(kind: ContributionKind, sums: &super::window::Sums) -> Vec<(AnomalyMetric, f64)> {
    let used = sums.used;
    let calls = used.calls.max(1) as f64;
    let mut all = vec![
        (AnomalyMetric::ErrorRate, used.failures as f64 * 100.0 / calls),
        (AnomalyMetric::CpuPerCall, used.cpu_us as f64 / calls),
        (AnomalyMetric::HostCalls, used.host_calls as f64 / calls),
        (AnomalyMetric::InputSize, sums.input_bytes as f64 / calls),
    ];
    if kind == ContributionKind::Program {
        all.push((AnomalyMetric::OutputSize, sums.output_bytes as f64 / calls));
    }
    all
}

/// What is usual now, by what was learned: for people who want to see it.
pub(super) fn shown(learned: &Learned, hour: u16, options: &AnomalyOptions) -> Vec<super::BaselineSeries> {
    let tolerance: Tolerance = options.tolerance;
    let enough = options.enough();
    let rates = [
        (AnomalyMetric::CallRate, &learned.call_rate),
        (AnomalyMetric::OutboundBytes, &learned.outbound_bytes),
    ];
    let rates = rates.into_iter().map(|(metric, seen)| super::BaselineSeries {
        metric,
        contribution: None,
        learned_from: seen.count(),
        usual: seen.usual(hour, metric.unit(), tolerance, enough).map(range),
    });
    let averages = learned.averages.values().map(|average| super::BaselineSeries {
        metric: average.metric,
        contribution: Some((average.kind, average.contribution.clone())),
        learned_from: average.seen.count(),
        usual: (average.seen.count() >= options.enough_averages())
            .then(|| average.seen.usual(average.metric.unit(), tolerance))
            .flatten()
            .map(range),
    });
    rates.chain(averages).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use oriel_store::Used;

    use super::super::window::Sums;
    use super::*;

    fn options() -> AnomalyOptions {
        AnomalyOptions {
            learn: Duration::from_secs(3_600),
            ..AnomalyOptions::default()
        }
    }

    /// A minute with so many calls that take so much each.
    fn minute(calls: u64, cpu_us: u64, failures: u64, outbound: u64) -> Closed {
        let sums = Sums {
            used: Used {
                calls,
                failures,
                cpu_us: calls * cpu_us,
                host_calls: calls * 2,
                outbound_bytes: outbound,
                ..Used::default()
            },
            input_bytes: calls * 100,
            output_bytes: calls * 200,
        };
        Closed {
            windows: 1.0,
            calls,
            outbound_bytes: outbound,
            by_contribution: vec![(ContributionKind::Program, "predict".into(), sums)],
        }
    }

    fn taught(minutes: u64) -> Learned {
        let mut learned = Learned::default();
        for at in 0..minutes {
            let found = judge(
                &mut learned,
                &minute(100 + at % 20, 900 + at % 200, at % 5, 4_000 + at),
                9,
                &options(),
            );
            assert_eq!(found, [], "minute {at}");
        }
        learned
    }

    fn found(minutes: u64, closed: &Closed) -> Vec<(AnomalyMetric, Severity)> {
        let found = judge(&mut taught(minutes), closed, 9, &options());
        found.into_iter().map(|oddity| (oddity.metric, oddity.severity)).collect()
    }

    #[test]
    fn usual_minutes_are_never_odd_and_nothing_is_before_enough_was_seen() {
        taught(2_000);
        assert_eq!(found(19, &minute(50_000, 500_000, 50_000, 1 << 40)), []);
    }

    #[test]
    fn each_quantity_that_jumps_is_told_with_how_far() {
        use AnomalyMetric::*;
        use Severity::*;
        assert_eq!(found(600, &minute(110, 9_000, 0, 4_000)), [(CpuPerCall, Warning)]);
        assert_eq!(found(600, &minute(110, 100_000, 0, 4_000)), [(CpuPerCall, Critical)]);
        assert_eq!(found(600, &minute(110, 1_000, 60, 4_000)), [(ErrorRate, Warning)]);
        assert_eq!(found(600, &minute(110, 1_000, 0, 300_000)), [(OutboundBytes, Warning)]);
        assert_eq!(found(600, &minute(110, 1_000, 0, 1 << 30)), [(OutboundBytes, Critical)]);
        assert_eq!(found(600, &minute(700, 1_000, 0, 4_000)), [(CallRate, Warning)]);
        assert_eq!(found(600, &minute(20_000, 1_000, 0, 4_000)), [(CallRate, Critical)]);
        assert_eq!(
            found(
                600,
                &Closed {
                    windows: 1.0,
                    ..Closed::default()
                }
            ),
            [(CallRate, Warning)]
        );
    }

    #[test]
    fn a_long_look_away_is_no_quiet_minute() {
        let slept = Closed {
            windows: 600.0,
            calls: 100,
            ..Closed::default()
        };
        let mut learned = taught(600);
        assert_eq!(judge(&mut learned, &slept, 9, &options()), []);
        assert_eq!(learned.windows, 600);
        // The tenth of a minute's calls in a tenth of the time is the same rate; a slow look changes nothing either.
        let long = Closed {
            windows: 3.0,
            calls: 320,
            outbound_bytes: 13_000,
            ..Closed::default()
        };
        assert_eq!(judge(&mut learned, &long, 9, &options()), []);
    }

    #[test]
    fn what_stays_becomes_usual() {
        let mut learned = taught(600);
        let mut told = 0;
        for _ in 0..1_500 {
            told += judge(&mut learned, &minute(110, 20_000, 0, 4_000), 9, &options()).len();
        }
        assert!((1..700).contains(&told), "{told}");
        assert_eq!(judge(&mut learned, &minute(110, 20_000, 0, 4_000), 9, &options()), []);
    }
}
