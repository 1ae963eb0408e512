//! What was learned of an installation, and how it is written down.

use std::collections::BTreeMap;

use oriel_model::anomaly::{AnomalyMetric, series};
use oriel_model::contribution::ContributionKind;
use oriel_model::name::ContributionName;
use oriel_statistics::{Baseline, Seasonal};
use serde::{Deserialize, Serialize};

/// The form of what is written.
const FORM: u32 = 1;

/// What was learned of one installation on one node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Learned {
    form: u32,
    /// Windows that were seen.
    pub(super) windows: u64,
    pub(super) call_rate: Seasonal,
    pub(super) outbound_bytes: Seasonal,
    /// Averages, by the text of their series.
    pub(super) averages: BTreeMap<String, Average>,
    /// Windows since it was written.
    #[serde(skip)]
    pub(super) unwritten: u64,
}

/// The averages of one quantity of one contribution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Average {
    pub(super) metric: AnomalyMetric,
    pub(super) kind: ContributionKind,
    pub(super) contribution: ContributionName,
    pub(super) seen: Baseline,
}

/// Series that are kept. A manifest that declares more has its last ones not watched.
const SERIES: usize = 2_000;

impl Learned {
    /// What was written before; nothing of it where it cannot be read, which costs learning anew.
    pub(super) fn read(text: Option<&str>) -> Self {
        let read = text.and_then(|text| serde_json::from_str::<Self>(text).ok());
        read.filter(|read| read.form == FORM).unwrap_or_default()
    }

    /// As it is written.
    pub(super) fn written(&self) -> String {
        let this = Self {
            form: FORM,
            ..self.clone()
        };
        serde_json::to_string(&this).unwrap_or_default()
    }

    /// The averages of a series.
    pub(super) fn average(&mut self, metric: AnomalyMetric, kind: ContributionKind, name: &str) -> Option<&mut Baseline> {
        let place = series(metric, Some((kind, name)), None);
        if !self.averages.contains_key(&place) {
            if self.averages.len() >= SERIES {
                return None;
            }
            let average = Average {
                metric,
                kind,
                contribution: name.parse().ok()?,
                seen: Baseline::default(),
            };
            self.averages.insert(place.clone(), average);
        }
        self.averages.get_mut(&place).map(|average| &mut average.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_survives_its_text_and_garbage_is_forgotten() {
        let mut learned = Learned {
            windows: 3,
            ..Learned::default()
        };
        learned.call_rate.record(5, 12.0, 10.0);
        let average = learned.average(AnomalyMetric::CpuPerCall, ContributionKind::Program, "predict");
        average.unwrap().record(500.0, 100.0);
        let text = learned.written();
        let again = Learned::read(Some(&text));
        assert_eq!(
            (again.windows, &again.averages, &again.call_rate),
            (3, &learned.averages, &learned.call_rate)
        );
        for garbage in [
            None,
            Some(""),
            Some("{}"),
            Some("[]"),
            Some(&*text.replace("\"form\":1", "\"form\":2")),
        ] {
            assert_eq!(Learned::read(garbage), Learned::default(), "{garbage:?}");
        }
    }
}
