//! Storage ports: small object-safe traits, one per aggregate, that services use and adapters implement.
//!
//! What lives here: the traits and their records, `memory` (the adapter for tests and `oriel test`), and
//! `conformance` (feature of the same name), the suite that every adapter passes.
//! What may not: SQL, files, clocks (each method that needs the time is told it), and any rule of a service.
//!
//! Three rules hold for every method:
//! - The tenant comes first, and no method answers or changes another tenant's data.
//! - A method that changes something that people manage takes the [`NewAudit`] entry that tells of it and
//!   commits both in one transaction, so that no change goes unrecorded and no record lies.
//! - `Ok` means committed. What a power loss can take is the adapter's documented choice.
//!
//! Start reading at [`Stores`].

mod anomalies;
mod audit;
mod bindings;
mod blobs;
mod canaries;
pub mod collections;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod cursor;
mod error;
mod executions;
mod hooks;
mod idempotency;
mod installations;
mod jobs;
mod journal;
pub mod key_value;
mod keys;
mod logs;
mod members;
pub mod memory;
mod policies;
mod quotas;
pub mod samples;
mod spend;
mod tasks;
mod tenants;
mod usage;
mod work;

use std::sync::Arc;

pub use self::anomalies::{Anomalies, AnomalyFilter, Baselines, KnownHost, Raised};
pub use self::audit::{AuditLog, NewAudit};
pub use self::bindings::{BindingChange, BindingFilter, Bindings, Versioned, goes_with_its_extension, twin};
pub use self::blobs::Blobs;
pub use self::canaries::{CanaryTallies, CanaryTally};
pub use self::collections::{
    CollectionPlan, CollectionQuota, CollectionScope, CollectionState, Collections, DocumentChange, DocumentPage, DocumentQuery,
    DocumentWrites, Judge, Misfits, Operation, Refusal, Refused, Written,
};
pub use self::error::StoreError;
pub use self::executions::{Batch, BatchState, Batches, Executions, Segment, SegmentFilter, SegmentHead};
pub use self::hooks::Hooks;
pub use self::idempotency::{Begin, Idempotency, StoredReply};
pub use self::installations::Installations;
pub use self::jobs::{Carrier, JobFilter, Jobs};
pub use self::journal::Journal;
pub use self::key_value::{KeyValue, KvEntry, KvPage, KvQuota, KvScope};
pub use self::keys::{Keys, StoredKey};
pub use self::logs::{LogFilter, Logs, NewLogLine};
pub use self::members::{Members, Sessions, StoredSession};
pub use self::policies::Policies;
pub use self::quotas::{Consumption, Quotas};
pub use self::samples::{SampleFilter, Samples};
pub use self::spend::{ModelSpend, SpendCaps, SpendDay};
pub use self::tasks::Tasks;
pub use self::tenants::Tenants;
pub use self::usage::{Usage, UsageDelta, UsagePlace, Used};
pub use self::work::{Claim, LEASE_RAN_OUT, Leased, NewWork, Work, WorkCount, WorkKind, WorkQueue};

/// The answer of every method.
pub type Result<T> = std::result::Result<T, StoreError>;

/// One handle for each aggregate; cheap to clone. The composition root builds it, services take what they need.
#[derive(Clone)]
pub struct Stores {
    /// Tenants.
    pub tenants: Arc<dyn Tenants>,
    /// API keys.
    pub keys: Arc<dyn Keys>,
    /// Policies that tenants add to what roles allow.
    pub policies: Arc<dyn Policies>,
    /// Users and service accounts.
    pub members: Arc<dyn Members>,
    /// Signed-in browsers.
    pub sessions: Arc<dyn Sessions>,
    /// What tenants may use.
    pub quotas: Arc<dyn Quotas>,
    /// The audit log.
    pub audit: Arc<dyn AuditLog>,
    /// Installations and the releases that they run.
    pub installations: Arc<dyn Installations>,
    /// Package files by digest.
    pub blobs: Arc<dyn Blobs>,
    /// What guests keep in `key-value`.
    pub key_value: Arc<dyn KeyValue>,
    /// What guests keep in `collections`.
    pub collections: Arc<dyn Collections>,
    /// Tasks.
    pub tasks: Arc<dyn Tasks>,
    /// Execution records.
    pub executions: Arc<dyn Executions>,
    /// Batches and their progress.
    pub batches: Arc<dyn Batches>,
    /// Log lines of extensions.
    pub logs: Arc<dyn Logs>,
    /// Replies kept for idempotency keys.
    pub idempotency: Arc<dyn Idempotency>,
    /// What is bound to which point.
    pub bindings: Arc<dyn Bindings>,
    /// Declared hooks.
    pub hooks: Arc<dyn Hooks>,
    /// Durable units of work.
    pub work: Arc<dyn WorkQueue>,
    /// Runs of jobs.
    pub jobs: Arc<dyn Jobs>,
    /// What extensions spend on the model.
    pub spend: Arc<dyn ModelSpend>,
    /// What contributions took, by the hour.
    pub usage: Arc<dyn Usage>,
    /// What nodes have seen of canaries.
    pub canaries: Arc<dyn CanaryTallies>,
    /// Executions that were looked at.
    pub samples: Arc<dyn Samples>,
    /// What is usual of installations.
    pub baselines: Arc<dyn Baselines>,
    /// What was not.
    pub anomalies: Arc<dyn Anomalies>,
    /// This node's own log, where the node has its database for itself. With it, replies wait for the log and not for the
    /// database, which gets the records about a second later.
    pub journal: Option<Arc<dyn Journal>>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stores")
    }
}
