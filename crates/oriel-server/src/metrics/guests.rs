//! What extensions measure of themselves, in the text format of Prometheus. They do not pass through the process's recorder,
//! because series of an extension that is uninstalled shall go with it.

use std::fmt::Write as _;

use oriel_extensions::{GUEST_BUCKETS, GuestMetrics, GuestSeries, GuestValue};

pub(super) const COUNTER: &str = "oriel_guest_counter_total";
pub(super) const HISTOGRAM: &str = "oriel_guest_histogram";
pub(super) const DROPPED: &str = "oriel_guest_measurements_dropped_total";

/// Writes the series of these extensions; `help` says what each of the three metrics is.
pub(super) fn write(text: &mut String, guests: &[GuestMetrics], help: impl Fn(&str) -> &'static str) {
    let head = |text: &mut String, name: &str, kind: &str| {
        let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", help(name));
    };
    let all = || {
        guests
            .iter()
            .flat_map(|guest| guest.series.iter().map(move |series| (guest, series)))
    };
    head(text, COUNTER, "counter");
    for (guest, series) in all() {
        if let GuestValue::Counter(sum) = series.value {
            line(text, COUNTER, &labels(guest, Some(series)), None, sum);
        }
    }
    head(text, HISTOGRAM, "histogram");
    for (guest, series) in all() {
        let GuestValue::Histogram { at_most, count, sum } = &series.value else {
            continue;
        };
        let labels = labels(guest, Some(series));
        let bucket = format!("{HISTOGRAM}_bucket");
        for (bound, count) in GUEST_BUCKETS.iter().zip(at_most) {
            line(text, &bucket, &labels, Some(&bound.to_string()), count);
        }
        line(text, &bucket, &labels, Some("+Inf"), count);
        line(text, &format!("{HISTOGRAM}_sum"), &labels, None, sum);
        line(text, &format!("{HISTOGRAM}_count"), &labels, None, count);
    }
    head(text, DROPPED, "counter");
    for guest in guests.iter().filter(|guest| guest.dropped > 0) {
        line(text, DROPPED, &labels(guest, None), None, guest.dropped);
    }
}

fn line(text: &mut String, name: &str, labels: &str, le: Option<&str>, value: impl std::fmt::Display) {
    let _ = match le {
        Some(le) => writeln!(text, "{name}{{{labels},le=\"{le}\"}} {value}"),
        None => writeln!(text, "{name}{{{labels}}} {value}"),
    };
}

/// Names of labels are words; their values may be anything.
fn labels(guest: &GuestMetrics, series: Option<&GuestSeries>) -> String {
    let mut text = format!("tenant=\"{}\",extension=\"{}\"", guest.tenant, guest.extension);
    if let Some(series) = series {
        let _ = write!(text, ",metric=\"{}\"", series.name);
        for (name, value) in &series.labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(text, ",{name}=\"{value}\"");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use oriel_model::Timestamp;
    use oriel_model::id::TenantId;

    use super::*;

    #[test]
    fn a_guest_cannot_write_a_line_of_its_own() {
        let mut text = String::new();
        let series = |labels: &[(&str, &str)], value| GuestSeries {
            name: "orders".to_owned(),
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            value,
        };
        let mut at_most = vec![1; GUEST_BUCKETS.len()];
        at_most[0] = 0;
        let histogram = GuestValue::Histogram {
            at_most,
            count: 2,
            sum: 10_000_000.5,
        };
        let guest = GuestMetrics {
            tenant_id: TenantId::new(Timestamp::from_millis(0)),
            tenant: "acme".parse().unwrap(),
            extension: "shop".parse().unwrap(),
            series: vec![
                series(&[("a", "x\"} 1\noriel_ready 0 \\")], GuestValue::Counter(1.5)),
                series(&[], histogram),
            ],
            dropped: 3,
        };
        write(&mut text, &[guest], |_| "Help.");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[2],
            r#"oriel_guest_counter_total{tenant="acme",extension="shop",metric="orders",a="x\"} 1\noriel_ready 0 \\"} 1.5"#
        );
        let labels = r#"tenant="acme",extension="shop""#;
        let histogram = format!("{labels},metric=\"orders\"");
        for wanted in [
            format!("oriel_guest_histogram_bucket{{{histogram},le=\"0.001\"}} 0"),
            format!("oriel_guest_histogram_bucket{{{histogram},le=\"10000\"}} 1"),
            format!("oriel_guest_histogram_bucket{{{histogram},le=\"+Inf\"}} 2"),
            format!("oriel_guest_histogram_sum{{{histogram}}} 10000000.5"),
            format!("oriel_guest_histogram_count{{{histogram}}} 2"),
            format!("oriel_guest_measurements_dropped_total{{{labels}}} 3"),
        ] {
            assert!(lines.contains(&wanted.as_str()), "{wanted}\n{text}");
        }
        assert!(!text.contains("\noriel_ready"));
    }
}
