//! Where a guest's own measurements go.

/// What a measurement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricKind {
    /// A sum that only grows.
    Counter,
    /// Counts of values by their size.
    Histogram,
}

/// One measurement, as the guest gave it: nothing about it has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Measurement<'a> {
    /// Of which kind.
    pub kind: MetricKind,
    /// The metric's name.
    pub name: &'a str,
    /// What is added or recorded.
    pub value: f64,
    /// Names and values of its labels.
    pub labels: &'a [(String, String)],
}

/// The `metrics` interface, bound to one tenant and extension. Called on the guest's own turn: it must not block.
pub trait Metrics: Send + Sync {
    /// Takes one measurement, or drops it.
    fn measure(&self, measurement: Measurement<'_>);
}

/// Measures nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMetrics;

impl Metrics for NoMetrics {
    fn measure(&self, _: Measurement<'_>) {}
}
