//! The in-memory adapter: for tests and for `oriel test`, with the exact semantics of the others. Nothing
//! survives the process.
//!
//! Locks are taken in one order, so that no two methods wait for each other: the aggregate's own, then the audit
//! log's, then key-value, then logs. No lock is held across an `await`.

mod audit;
mod batches;
mod blobs;
mod executions;
mod idempotency;
mod installations;
mod key_value;
mod keys;
mod logs;
mod tasks;
mod tenants;

use std::sync::Arc;

use crate::Stores;

/// Empty stores that live as long as their handles.
#[must_use]
pub fn stores() -> Stores {
    let audit = Arc::new(audit::MemoryAudit::default());
    let key_value = Arc::new(key_value::MemoryKeyValue::default());
    let logs = Arc::new(logs::MemoryLogs::default());
    Stores {
        tenants: Arc::new(tenants::MemoryTenants::new(audit.clone())),
        keys: Arc::new(keys::MemoryKeys::new(audit.clone())),
        installations: Arc::new(installations::MemoryInstallations::new(
            audit.clone(),
            key_value.clone(),
            logs.clone(),
        )),
        blobs: Arc::new(blobs::MemoryBlobs::default()),
        key_value,
        tasks: Arc::new(tasks::MemoryTasks::new(audit.clone())),
        executions: Arc::new(executions::MemoryExecutions::default()),
        batches: Arc::new(batches::MemoryBatches::default()),
        logs,
        idempotency: Arc::new(idempotency::MemoryIdempotency::default()),
        journal: None,
        audit,
    }
}
