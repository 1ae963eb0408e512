use std::collections::BTreeMap;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TaskId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_model::sample::{Sample, SampleSummary};
use parking_lot::Mutex;

use crate::samples::{mean, millionths};
use crate::{Result, SampleFilter, Samples, cursor};

/// The name of the list, for its cursors.
const LIST: &str = "samples";

#[derive(Default)]
pub(super) struct MemorySamples {
    rows: Mutex<BTreeMap<(TenantId, ExecutionId), Sample>>,
}

#[async_trait]
impl Samples for MemorySamples {
    async fn put(&self, tenant: TenantId, samples: Vec<Sample>) -> Result<()> {
        let mut rows = self.rows.lock();
        for sample in samples {
            rows.insert((tenant, sample.execution), sample);
        }
        Ok(())
    }

    async fn get(&self, tenant: TenantId, execution: ExecutionId) -> Result<Option<Sample>> {
        Ok(self.rows.lock().get(&(tenant, execution)).cloned())
    }

    async fn list(&self, tenant: TenantId, filter: SampleFilter, page: PageRequest) -> Result<Page<Sample>> {
        let before = cursor::decode(LIST, &page)?;
        let rows = self.rows.lock();
        let found = rows.iter().rev().filter(|((owner, execution), sample)| {
            *owner == tenant
                && filter.task.is_none_or(|task| sample.task == task)
                && filter.valid.is_none_or(|valid| sample.valid() == Some(valid))
                && before.as_ref().is_none_or(|before| execution.to_string() < *before)
        });
        let found = found.take(cursor::limit(&page) + 1).map(|(_, sample)| sample.clone()).collect();
        Ok(cursor::page(LIST, &page, found, |sample| sample.execution.to_string()))
    }

    async fn summary(&self, tenant: TenantId, task: TaskId) -> Result<Vec<SampleSummary>> {
        let rows = self.rows.lock();
        let mut sums: BTreeMap<(String, String), (SampleSummary, u64)> = BTreeMap::new();
        for sample in rows
            .iter()
            .filter(|((owner, _), sample)| *owner == tenant && sample.task == task)
            .map(|(_, sample)| sample)
        {
            let (Some(valid), Some(score)) = (sample.valid(), millionths(sample)) else {
                continue;
            };
            let key = (sample.extension.to_string(), sample.version.to_string());
            let (summary, total) = sums.entry(key).or_insert_with(|| {
                let summary = SampleSummary {
                    extension: sample.extension.clone(),
                    version: sample.version.clone(),
                    judged: 0,
                    valid: 0,
                    mean_score: None,
                };
                (summary, 0)
            });
            summary.judged += 1;
            summary.valid += u64::from(valid);
            *total += score;
        }
        let summaries = sums.into_values().map(|(summary, total)| SampleSummary {
            mean_score: mean(summary.judged, total),
            ..summary
        });
        Ok(summaries.collect())
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut rows = self.rows.lock();
        let old = rows.iter().filter(|(_, sample)| sample.judged_at < before);
        let mut old: Vec<_> = old.map(|(key, sample)| (sample.judged_at, *key)).collect();
        old.sort_unstable();
        old.truncate(limit as usize);
        for (_, key) in &old {
            rows.remove(key);
        }
        Ok(old.len() as u64)
    }
}
