//! Counters and histograms, shown at `/metrics` under the extension's name. What does not fit the host's bounds is dropped and counted.

use crate::bindings::imports::oriel::extension::metrics as host;

/// Adds to a counter; it begins at 0 when the server starts.
pub fn add(name: &str, value: f64, labels: &[(&str, &str)]) {
    host::counter_add(name, value, &owned(labels));
}

/// Counts a value into a histogram, for amounts of which the spread matters, such as seconds or bytes.
pub fn record(name: &str, value: f64, labels: &[(&str, &str)]) {
    host::histogram_record(name, value, &owned(labels));
}

fn owned(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
