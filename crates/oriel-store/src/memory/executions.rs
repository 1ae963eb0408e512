use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::id::{ExecutionId, TenantId};
use parking_lot::Mutex;

use crate::{Executions, Result, Segment, SegmentFilter, SegmentHead, StoreError};

/// A segment's identity, in the order in which they are answered.
type Place = (TenantId, Reverse<ExecutionId>, Reverse<ExecutionId>);

#[derive(Default)]
pub(super) struct MemoryExecutions {
    segments: Mutex<BTreeMap<Place, Segment>>,
}

fn place(head: &SegmentHead) -> Place {
    (head.tenant, Reverse(head.last), Reverse(head.first))
}

fn matches(head: &SegmentHead, filter: &SegmentFilter) -> bool {
    filter.task.is_none_or(|task| head.task == Some(task))
        && filter.extension.as_ref().is_none_or(|extension| head.extension == *extension)
        && filter.batch.is_none_or(|batch| head.batch == Some(batch))
        && filter
            .failed
            .is_none_or(|failed| if failed { head.failures > 0 } else { head.failures < head.count })
        && filter.from.is_none_or(|from| head.to >= from)
        && filter.to.is_none_or(|to| head.from < to)
        && filter.before.is_none_or(|before| head.first < before)
        && filter.holding.is_none_or(|id| head.first <= id && id <= head.last)
        && filter.at_most.is_none_or(|at_most| head.count <= at_most)
}

#[async_trait]
impl Executions for MemoryExecutions {
    async fn append(&self, new: Vec<Segment>) -> Result<()> {
        let mut segments = self.segments.lock();
        for segment in new {
            segments.entry(place(&segment.head)).or_insert(segment);
        }
        Ok(())
    }

    async fn find(&self, tenant: TenantId, filter: &SegmentFilter, offset: u32, limit: u32) -> Result<Vec<SegmentHead>> {
        let segments = self.segments.lock();
        let heads = segments.values().map(|segment| &segment.head);
        let found = heads.filter(|head| head.tenant == tenant && matches(head, filter));
        Ok(found.skip(offset as usize).take(limit as usize).cloned().collect())
    }

    async fn body(&self, head: &SegmentHead) -> Result<Option<Bytes>> {
        Ok(self.segments.lock().get(&place(head)).map(|segment| segment.body.clone()))
    }

    async fn replace(&self, old: &[SegmentHead], new: Segment) -> Result<bool> {
        let mut segments = self.segments.lock();
        let mine = |head: &SegmentHead| head.tenant == new.head.tenant && segments.contains_key(&place(head));
        if !old.iter().all(mine) {
            return Ok(false);
        }
        let target = place(&new.head);
        if segments.contains_key(&target) && !old.iter().any(|head| place(head) == target) {
            return Err(StoreError::Exists { what: "segment" });
        }
        for head in old {
            segments.remove(&place(head));
        }
        segments.insert(target, new);
        Ok(true)
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut segments = self.segments.lock();
        let mut gone: Vec<(Timestamp, Place)> = segments
            .iter()
            .filter(|(_, segment)| segment.head.to < before)
            .map(|(place, segment)| (segment.head.to, *place))
            .collect();
        gone.sort_unstable();
        gone.truncate(limit as usize);
        for (_, place) in &gone {
            segments.remove(place);
        }
        Ok(gone.len() as u64)
    }

    async fn fragmented(&self, at_most: u32, more_than: u32) -> Result<Vec<TenantId>> {
        let mut small: HashMap<TenantId, u32> = HashMap::new();
        for segment in self.segments.lock().values().filter(|segment| segment.head.count <= at_most) {
            *small.entry(segment.head.tenant).or_default() += 1;
        }
        let mut tenants: Vec<TenantId> = small
            .into_iter()
            .filter(|(_, count)| *count > more_than)
            .map(|(tenant, _)| tenant)
            .collect();
        tenants.sort_unstable();
        Ok(tenants)
    }
}
