//! Housekeeping: forgetting what is past its time, and merging small segments.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_store::{SegmentFilter, SegmentHead};

use crate::segment::{RecordKey, SegmentBuilder, SegmentReader};
use crate::{TaskError, Tasks};

/// Rows deleted in one transaction.
const STRIDE: u32 = 1_000;
/// Segments of fewer records than this are merged …
const SMALL: u32 = 256;
/// … when a tenant has more than so many of them …
const MANY: u32 = 64;
/// … up to segments of so many records …
const LARGE: u32 = 4_096;
/// … or bytes …
const LARGE_BYTES: usize = 4 << 20;
/// … once they are this old, so that nobody is still writing beside them.
const SETTLED: Duration = Duration::from_secs(30);
/// Small segments of one tenant looked at in one go.
const HEADS: u32 = 4_096;

/// What housekeeping did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Segments of executions that were past their time.
    pub pruned_segments: u64,
    /// Batches that were past their time.
    pub pruned_batches: u64,
    /// Samples that were past their time.
    pub pruned_samples: u64,
    /// Small segments that were merged into larger ones.
    pub merged_segments: u64,
}

impl Tasks {
    /// Brings to the database what this node had promised when it died, and marks the batches that it was running.
    /// Asked once at start, before anything is executed. Answers how many batches were interrupted.
    ///
    /// # Errors
    /// The store's error.
    pub async fn recover(&self) -> Result<u64, TaskError> {
        let records = self.shared.recorder.recover().await?;
        if records > 0 {
            tracing::info!(records, "brought the records of an earlier process to the database");
        }
        Ok(self
            .shared
            .stores
            .batches
            .interrupt(&self.shared.options.node, self.shared.clock.now())
            .await?)
    }

    /// Forgets and merges. Asked from time to time; safe on several nodes at once.
    ///
    /// # Errors
    /// The store's error; what was done until then stays done.
    pub async fn maintain(&self) -> Result<Maintained, TaskError> {
        let now = self.shared.clock.now();
        let mut done = Maintained::default();
        loop {
            let count = self
                .shared
                .stores
                .executions
                .prune(now.minus(self.shared.options.keep_executions), STRIDE)
                .await?;
            done.pruned_segments += count;
            if count < u64::from(STRIDE) {
                break;
            }
        }
        done.pruned_batches = self
            .shared
            .stores
            .batches
            .prune(now.minus(self.shared.options.keep_batches), STRIDE)
            .await?;
        loop {
            let before = now.minus(self.shared.options.keep_executions);
            let count = self.shared.stores.samples.purge(before, STRIDE).await?;
            done.pruned_samples += count;
            if count < u64::from(STRIDE) {
                break;
            }
        }
        for tenant in self.shared.stores.executions.fragmented(SMALL, MANY).await? {
            done.merged_segments += self.merge(tenant, now).await?;
        }
        Ok(done)
    }

    async fn merge(&self, tenant: TenantId, now: Timestamp) -> Result<u64, TaskError> {
        let filter = SegmentFilter {
            at_most: Some(SMALL),
            to: Some(now.minus(SETTLED)),
            ..SegmentFilter::default()
        };
        let mut groups: HashMap<Arc<RecordKey>, Group> = HashMap::new();
        let mut merged = 0;
        for head in self.shared.stores.executions.find(tenant, &filter, 0, HEADS).await? {
            let Some(body) = self.shared.stores.executions.body(&head).await? else {
                continue;
            };
            let reader = SegmentReader::open(tenant, &body)?;
            let group = groups.entry(reader.key.clone()).or_insert_with(|| Group {
                builder: SegmentBuilder::new(reader.key.clone()),
                old: Vec::new(),
            });
            reader.for_each(|record| group.builder.add(record))?;
            group.old.push(head);
            if group.builder.count() >= LARGE || group.builder.len() >= LARGE_BYTES {
                merged += self.replace(group).await?;
            }
        }
        for group in groups.values_mut() {
            if group.old.len() > 1 {
                merged += self.replace(group).await?;
            }
        }
        Ok(merged)
    }

    async fn replace(&self, group: &mut Group) -> Result<u64, TaskError> {
        let old = std::mem::take(&mut group.old);
        let new = group.builder.seal_small()?;
        let replaced = self.shared.stores.executions.replace(&old, new).await?;
        Ok(if replaced { old.len() as u64 } else { 0 })
    }
}

struct Group {
    builder: SegmentBuilder,
    old: Vec<SegmentHead>,
}
