//! Measurements, handed on as they come.

use crate::bindings::metrics::Host;
use crate::ports::{Measurement, MetricKind};
use crate::state::State;

impl State {
    fn measure(&self, kind: MetricKind, name: &str, value: f64, labels: &[(String, String)]) -> wasmtime::Result<()> {
        let length = labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.host_call(name.len() + length)?;
        self.spec.services.metrics.measure(Measurement { kind, name, value, labels });
        Ok(())
    }
}

impl Host for State {
    fn counter_add(&mut self, name: String, value: f64, labels: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.measure(MetricKind::Counter, &name, value, &labels)
    }

    fn histogram_record(&mut self, name: String, value: f64, labels: Vec<(String, String)>) -> wasmtime::Result<()> {
        self.measure(MetricKind::Histogram, &name, value, &labels)
    }
}
