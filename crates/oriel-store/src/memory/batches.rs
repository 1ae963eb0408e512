use std::collections::HashMap;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{BatchId, TenantId};
use parking_lot::Mutex;

use crate::{Batch, BatchState, Batches, Result};

#[derive(Default)]
pub(super) struct MemoryBatches {
    by_id: Mutex<HashMap<(TenantId, BatchId), Batch>>,
}

#[async_trait]
impl Batches for MemoryBatches {
    async fn put(&self, batch: Batch) -> Result<()> {
        self.by_id.lock().insert((batch.tenant, batch.id), batch);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, id: BatchId) -> Result<Option<Batch>> {
        Ok(self.by_id.lock().get(&(tenant, id)).cloned())
    }

    async fn interrupt(&self, node: &str, at: Timestamp) -> Result<u64> {
        let mut count = 0;
        for batch in self.by_id.lock().values_mut() {
            if batch.node == node && batch.state == BatchState::Running {
                batch.state = BatchState::Interrupted;
                batch.finished_at = Some(at);
                count += 1;
            }
        }
        Ok(count)
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut batches = self.by_id.lock();
        let mut gone: Vec<_> = batches
            .values()
            .filter(|batch| batch.started_at < before)
            .map(|batch| (batch.started_at, batch.tenant, batch.id))
            .collect();
        gone.sort_unstable();
        gone.truncate(limit as usize);
        for (_, tenant, id) in &gone {
            batches.remove(&(*tenant, *id));
        }
        Ok(gone.len() as u64)
    }
}
