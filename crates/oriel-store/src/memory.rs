//! The in-memory adapter: for tests and for `oriel test`, with the exact semantics of the others. Nothing
//! survives the process.
//!
//! Locks are taken in one order, so that no two methods wait for each other: the aggregate's own (members before keys), then the audit
//! log's, then key-value, then logs, then bindings, then canaries, then baselines, then work. No lock is held across an `await`.

mod anomalies;
mod audit;
mod batches;
mod bindings;
mod blobs;
mod canaries;
mod collections;
mod executions;
mod hooks;
mod idempotency;
mod installations;
mod jobs;
mod key_value;
mod keys;
mod logs;
mod members;
mod policies;
mod quotas;
mod samples;
mod spend;
mod tasks;
mod tenants;
mod usage;
mod work;

use std::sync::Arc;

use crate::Stores;

/// Empty stores that live as long as their handles.
#[must_use]
pub fn stores() -> Stores {
    let audit = Arc::new(audit::MemoryAudit::default());
    let key_value = Arc::new(key_value::MemoryKeyValue::default());
    let logs = Arc::new(logs::MemoryLogs::default());
    let bindings = Arc::new(bindings::MemoryBindings::new(audit.clone()));
    let canaries = Arc::new(canaries::MemoryCanaries::default());
    let baselines = Arc::new(anomalies::MemoryBaselines::default());
    let people = Arc::default();
    let keys = Arc::new(keys::MemoryKeys::new(Arc::clone(&people), audit.clone()));
    let members = Arc::new(members::MemoryMembers::new(people, keys.clone(), audit.clone()));
    let installations = Arc::new(installations::MemoryInstallations::new(
        audit.clone(),
        key_value.clone(),
        logs.clone(),
        bindings.clone(),
        canaries.clone(),
        baselines.clone(),
    ));
    let tasks = Arc::new(tasks::MemoryTasks::new(audit.clone()));
    let work = Arc::new(work::MemoryWork::new(audit.clone()));
    Stores {
        tenants: Arc::new(tenants::MemoryTenants::new(audit.clone())),
        quotas: Arc::new(quotas::MemoryQuotas::new(
            audit.clone(),
            installations.clone(),
            tasks.clone(),
            keys.clone(),
            key_value.clone(),
        )),
        keys,
        policies: Arc::new(policies::MemoryPolicies::new(audit.clone())),
        sessions: members.clone(),
        members,
        installations,
        blobs: Arc::new(blobs::MemoryBlobs::default()),
        key_value,
        collections: Arc::new(collections::MemoryCollections::default()),
        tasks,
        executions: Arc::new(executions::MemoryExecutions::default()),
        batches: Arc::new(batches::MemoryBatches::default()),
        logs,
        idempotency: Arc::new(idempotency::MemoryIdempotency::default()),
        bindings,
        hooks: Arc::new(hooks::MemoryHooks::new(audit.clone())),
        jobs: Arc::new(jobs::MemoryJobs::new(audit.clone(), work.clone())),
        work,
        spend: Arc::new(spend::MemorySpend::default()),
        usage: Arc::new(usage::MemoryUsage::default()),
        canaries,
        samples: Arc::new(samples::MemorySamples::default()),
        baselines,
        anomalies: Arc::new(anomalies::MemoryAnomalies::new(audit.clone())),
        journal: None,
        audit,
    }
}
