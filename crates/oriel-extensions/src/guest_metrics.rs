//! What guests measure of themselves: counters and histograms in memory, bounded in every direction, because names, labels and
//! their number are the guest's to choose.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use oriel_model::id::TenantId;
use oriel_model::name::{ExtensionName, TenantName};
use oriel_sandbox::{Measurement, MetricKind, Metrics};
use parking_lot::Mutex;

/// Series that one installation may have; further ones are dropped and counted.
const SERIES: usize = 100;
/// Series of all installations together: what an operator's Prometheus has to bear.
const ALL_SERIES: u64 = 20_000;
const MAX_NAME: usize = 64;
const MAX_LABEL_VALUE: usize = 64;
const MAX_LABELS: usize = 4;
/// Labels that the host sets, or that mean something to Prometheus.
const RESERVED: [&str; 5] = ["tenant", "extension", "metric", "le", "quantile"];

/// Upper bounds of a histogram's buckets: three to a power of ten, from a thousandth to ten thousand, because nobody says what
/// a guest will measure.
pub const GUEST_BUCKETS: [f64; 22] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0,
    5_000.0, 10_000.0,
];

/// What one installation has measured.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestMetrics {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The tenant's name.
    pub tenant: TenantName,
    /// The extension.
    pub extension: ExtensionName,
    /// Its series by name and labels.
    pub series: Vec<GuestSeries>,
    /// Measurements that were dropped.
    pub dropped: u64,
}

/// One series.
#[derive(Debug, Clone, PartialEq)]
pub struct GuestSeries {
    /// The metric's name, as the guest gave it: `[a-z][a-z0-9_]*`.
    pub name: String,
    /// Its labels by name. Names are such as the metric's, values any text.
    pub labels: Vec<(String, String)>,
    /// What was measured.
    pub value: GuestValue,
}

/// What a series holds.
#[derive(Debug, Clone, PartialEq)]
pub enum GuestValue {
    /// The sum of a counter.
    Counter(f64),
    /// A histogram.
    Histogram {
        /// How many values were at most each of [`GUEST_BUCKETS`], those below counted in.
        at_most: Vec<u64>,
        /// How many there were.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

type Key = (MetricKind, String, Vec<(String, String)>);

#[derive(Debug)]
enum Cell {
    Counter(f64),
    Histogram {
        buckets: Box<[u64; GUEST_BUCKETS.len()]>,
        count: u64,
        sum: f64,
    },
}

/// The measurements of one installation.
pub(crate) struct Board {
    tenant_id: TenantId,
    tenant: TenantName,
    extension: ExtensionName,
    cells: Mutex<BTreeMap<Key, Cell>>,
    dropped: AtomicU64,
    all: Arc<AtomicU64>,
}

/// The boards of all installations.
#[derive(Default)]
pub(crate) struct Boards {
    boards: Mutex<HashMap<(TenantId, ExtensionName), Arc<Board>>>,
    /// Series on all of them.
    series: Arc<AtomicU64>,
}

impl Boards {
    /// The board of an installation; the same for each of its releases.
    pub(crate) fn of(&self, tenant: TenantId, tenant_name: &TenantName, extension: &ExtensionName) -> Arc<Board> {
        let mut boards = self.boards.lock();
        let board = boards.entry((tenant, extension.clone())).or_insert_with(|| {
            Arc::new(Board {
                tenant_id: tenant,
                tenant: tenant_name.clone(),
                extension: extension.clone(),
                cells: Mutex::default(),
                dropped: AtomicU64::new(0),
                all: self.series.clone(),
            })
        });
        board.clone()
    }

    /// Forgets what was uninstalled.
    pub(crate) fn forget(&self, tenant: TenantId, extension: &ExtensionName) {
        self.boards.lock().remove(&(tenant, extension.clone()));
    }

    /// All that was measured, by tenant and extension; nothing of those that measured nothing.
    pub(crate) fn read(&self) -> Vec<GuestMetrics> {
        let boards: Vec<_> = self.boards.lock().values().cloned().collect();
        let mut all: Vec<_> = boards.iter().map(|board| board.read()).collect();
        all.retain(|board| !board.series.is_empty() || board.dropped > 0);
        all.sort_by(|a, b| (&a.tenant, &a.extension).cmp(&(&b.tenant, &b.extension)));
        all
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.all.fetch_sub(self.cells.get_mut().len() as u64, Relaxed);
    }
}

impl Board {
    fn read(&self) -> GuestMetrics {
        let cells = self.cells.lock();
        let series = cells.iter().map(|((_, name, labels), cell)| GuestSeries {
            name: name.clone(),
            labels: labels.clone(),
            value: match cell {
                Cell::Counter(sum) => GuestValue::Counter(*sum),
                Cell::Histogram { buckets, count, sum } => {
                    let mut below = 0;
                    let at_most = buckets.iter().map(|bucket| {
                        below += bucket;
                        below
                    });
                    GuestValue::Histogram {
                        at_most: at_most.collect(),
                        count: *count,
                        sum: *sum,
                    }
                }
            },
        });
        GuestMetrics {
            tenant_id: self.tenant_id,
            tenant: self.tenant.clone(),
            extension: self.extension.clone(),
            series: series.collect(),
            dropped: self.dropped.load(Relaxed),
        }
    }

    /// Takes a measurement; answers whether it did.
    fn take(&self, measurement: &Measurement<'_>) -> bool {
        let Measurement { kind, name, value, labels } = *measurement;
        if !is_sound(measurement) {
            return false;
        }
        let mut labels = labels.to_vec();
        labels.sort_unstable();
        if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return false;
        }
        let mut cells = self.cells.lock();
        let full = cells.len() >= SERIES;
        let cell = match cells.entry((kind, name.to_owned(), labels)) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                if full || self.all.fetch_add(1, Relaxed) >= ALL_SERIES {
                    if !full {
                        self.all.fetch_sub(1, Relaxed);
                    }
                    return false;
                }
                place.insert(match kind {
                    MetricKind::Counter => Cell::Counter(0.0),
                    MetricKind::Histogram => Cell::Histogram {
                        buckets: Box::new([0; GUEST_BUCKETS.len()]),
                        count: 0,
                        sum: 0.0,
                    },
                })
            }
        };
        match cell {
            // A sum that would leave the finite stays where it is.
            Cell::Counter(sum) if (*sum + value).is_finite() => *sum += value,
            Cell::Histogram { buckets, count, sum } if (*sum + value).is_finite() => {
                if let Some(bucket) = GUEST_BUCKETS.iter().position(|bound| value <= *bound) {
                    buckets[bucket] += 1;
                }
                *count += 1;
                *sum += value;
            }
            _ => return false,
        }
        true
    }
}

/// Whether a measurement can be shown at all.
fn is_sound(measurement: &Measurement<'_>) -> bool {
    let word = |text: &str| {
        (1..=MAX_NAME).contains(&text.len())
            && text.as_bytes()[0].is_ascii_lowercase()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let Measurement { kind, name, value, labels } = *measurement;
    value.is_finite()
        && (kind != MetricKind::Counter || value >= 0.0)
        && word(name)
        && labels.len() <= MAX_LABELS
        && labels
            .iter()
            .all(|(name, value)| word(name) && !RESERVED.contains(&name.as_str()) && value.len() <= MAX_LABEL_VALUE)
}

impl Metrics for Board {
    fn measure(&self, measurement: Measurement<'_>) {
        if !self.take(&measurement) {
            self.dropped.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(boards: &Boards, extension: &str) -> Arc<Board> {
        let now = oriel_model::Timestamp::from_millis(0);
        let tenant = TenantId::new(now);
        boards.of(tenant, &"acme".parse().unwrap(), &extension.parse().unwrap())
    }

    fn labels(given: &[(&str, &str)]) -> Vec<(String, String)> {
        given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn count(board: &Board, name: &str, value: f64, given: &[(&str, &str)]) {
        board.measure(Measurement {
            kind: MetricKind::Counter,
            name,
            value,
            labels: &labels(given),
        });
    }

    fn record(board: &Board, name: &str, value: f64) {
        board.measure(Measurement {
            kind: MetricKind::Histogram,
            name,
            value,
            labels: &[],
        });
    }

    #[test]
    fn counters_add_up_by_labels_in_any_order() {
        let boards = Boards::default();
        let board = board(&boards, "shop");
        count(&board, "orders", 2.0, &[("kind", "new"), ("city", "Köln")]);
        count(&board, "orders", 0.5, &[("city", "Köln"), ("kind", "new")]);
        count(&board, "orders", 1.0, &[]);
        count(&board, "orders", 0.0, &[]);
        let read = boards.read();
        assert_eq!((read.len(), read[0].dropped), (1, 0));
        let values: Vec<_> = read[0].series.iter().map(|series| (series.labels.len(), &series.value)).collect();
        assert_eq!(values, [(0, &GuestValue::Counter(1.0)), (2, &GuestValue::Counter(2.5))]);
    }

    #[test]
    fn histograms_count_into_buckets() {
        let boards = Boards::default();
        let board = board(&boards, "shop");
        for value in [-1.0, 0.001, 0.002, 3.0, 1e9] {
            record(&board, "seconds", value);
        }
        let GuestValue::Histogram { at_most, count, sum } = &boards.read()[0].series[0].value else {
            panic!("not a histogram")
        };
        assert_eq!((*count, *sum), (5, -1.0 + 0.001 + 0.002 + 3.0 + 1e9));
        assert_eq!((at_most[0], at_most[1], at_most[10], at_most[11], at_most[21]), (2, 3, 3, 4, 4));
    }

    #[test]
    fn what_cannot_be_shown_is_dropped_and_counted() {
        let boards = Boards::default();
        let board = board(&boards, "shop");
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
            count(&board, "orders", value, &[]);
        }
        let long = "x".repeat(65);
        for name in ["", "Orders", "9lives", "_x", "a-b", "a b", "a{b", "a\nb", "ä", &long] {
            count(&board, name, 1.0, &[]);
            count(&board, "orders", 1.0, &[(name, "x")]);
        }
        for name in RESERVED {
            count(&board, "orders", 1.0, &[(name, "x")]);
        }
        count(&board, "orders", 1.0, &[("a", &long)]);
        count(&board, "orders", 1.0, &[("a", "1"), ("a", "2")]);
        count(&board, "orders", 1.0, &[("a", ""), ("b", ""), ("c", ""), ("d", ""), ("e", "")]);
        let read = boards.read();
        assert_eq!((read[0].series.len(), read[0].dropped), (0, 4 + 20 + 5 + 3));
        count(&board, "orders", f64::MAX, &[]);
        count(&board, "orders", f64::MAX, &[]);
        assert_eq!(boards.read()[0].series[0].value, GuestValue::Counter(f64::MAX));
    }

    #[test]
    fn nobody_has_more_series_than_allowed_and_an_uninstall_makes_room() {
        let boards = Boards::default();
        let number = |number: u64| number.to_string();
        let first = board(&boards, "shop");
        for at in 0..1_000 {
            count(&first, "orders", 1.0, &[("number", &number(at))]);
        }
        count(&first, "orders", 1.0, &[("number", "0")]);
        assert_eq!((boards.read()[0].series.len(), boards.read()[0].dropped), (SERIES, 900));
        let all: Vec<_> = (0..ALL_SERIES / SERIES as u64)
            .map(|at| board(&boards, &format!("e{at}")))
            .collect();
        for board in &all {
            for at in 0..SERIES as u64 {
                count(board, "orders", 1.0, &[("number", &number(at))]);
            }
        }
        let together: usize = boards.read().iter().map(|board| board.series.len()).sum();
        assert_eq!(together as u64, ALL_SERIES);
        drop(all);
        boards.boards.lock().clear();
        assert_eq!(boards.series.load(Relaxed), SERIES as u64);
        drop(first);
        assert_eq!(boards.series.load(Relaxed), 0);
    }
}
