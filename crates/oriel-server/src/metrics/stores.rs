//! Stores that tell how long each of their operations takes.
//!
//! Two looks at the clock and one histogram per operation, whose handle is found once. A call of a program asks no store but
//! the journal (what it needs of the others is cached), so it pays that price once.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{Histogram, histogram};
use oriel_model::access::{ApiKey, PrincipalId, Tenant};
use oriel_model::anomaly::Anomaly;
use oriel_model::audit::AuditEntry;
use oriel_model::binding::Binding;
use oriel_model::collection::{Document, Filter, Viewer};
use oriel_model::hook::Hook;
use oriel_model::id::{
    AnomalyId, BatchId, BindingId, CanaryId, ExecutionId, InstallationId, JobRunId, KeyId, LeaseId, SessionId, TaskId, TenantId, UserId,
    WorkId,
};
use oriel_model::installation::{Installation, Release};
use oriel_model::job::{JobFailure, JobRun};
use oriel_model::log::LogLine;
use oriel_model::member::{Member, MemberKind, Session};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use oriel_model::policy::Policy;
use oriel_model::quota::Quotas as QuotaValues;
use oriel_model::sample::{Sample, SampleSummary};
use oriel_model::task::Task;
use oriel_model::{Digest, Timestamp};
use oriel_store::{
    Anomalies, AnomalyFilter, AuditLog, Baselines, Batch, Batches, Begin, BindingChange, BindingFilter, Bindings, Blobs, CanaryTallies,
    CanaryTally, Carrier, Claim, CollectionPlan, CollectionScope, CollectionState, Collections, Consumption, DocumentPage, DocumentQuery,
    DocumentWrites, Executions, Hooks, Idempotency, Installations, JobFilter, Jobs, Journal, Judge, KeyValue, Keys, KnownHost, KvEntry,
    KvPage, KvQuota, KvScope, Leased, LogFilter, Logs, Members, Misfits, ModelSpend, NewAudit, NewLogLine, NewWork, Policies, Quotas,
    Raised, Refused, Result, SampleFilter, Samples, Segment, SegmentFilter, SegmentHead, Sessions, SpendCaps, SpendDay, StoredKey,
    StoredReply, StoredSession, Stores, Tasks, Tenants, Usage, UsageDelta, Versioned, Work, WorkCount, WorkKind, WorkQueue, Written,
};

use super::STORE_DURATION;

/// A port, timed.
struct Timed<T: ?Sized>(Arc<T>);

/// The same stores, timed. The process's recorder must be there before.
pub(super) fn timed(stores: Stores) -> Stores {
    Stores {
        tenants: Arc::new(Timed(stores.tenants)),
        keys: Arc::new(Timed(stores.keys)),
        policies: Arc::new(Timed(stores.policies)),
        members: Arc::new(Timed(stores.members)),
        sessions: Arc::new(Timed(stores.sessions)),
        quotas: Arc::new(Timed(stores.quotas)),
        audit: Arc::new(Timed(stores.audit)),
        installations: Arc::new(Timed(stores.installations)),
        blobs: Arc::new(Timed(stores.blobs)),
        key_value: Arc::new(Timed(stores.key_value)),
        collections: Arc::new(Timed(stores.collections)),
        tasks: Arc::new(Timed(stores.tasks)),
        executions: Arc::new(Timed(stores.executions)),
        batches: Arc::new(Timed(stores.batches)),
        logs: Arc::new(Timed(stores.logs)),
        idempotency: Arc::new(Timed(stores.idempotency)),
        bindings: Arc::new(Timed(stores.bindings)),
        hooks: Arc::new(Timed(stores.hooks)),
        work: Arc::new(Timed(stores.work)),
        jobs: Arc::new(Timed(stores.jobs)),
        spend: Arc::new(Timed(stores.spend)),
        usage: Arc::new(Timed(stores.usage)),
        canaries: Arc::new(Timed(stores.canaries)),
        baselines: Arc::new(Timed(stores.baselines)),
        anomalies: Arc::new(Timed(stores.anomalies)),
        samples: Arc::new(Timed(stores.samples)),
        journal: stores.journal.map(|journal| Arc::new(Timed(journal)) as Arc<dyn Journal>),
    }
}

/// The histogram of one operation. The recorder is the process's, and so is this.
macro_rules! took {
    ($store:literal, $method:ident) => {{
        static TOOK: LazyLock<Histogram> =
        LazyLock::new(|| histogram!(STORE_DURATION, "store" => $store, "operation" => stringify!($method)));
        &*TOOK
    }};
}

/// Writes out a port that passes everything on and times it, however it ends.
macro_rules! timed {
    ($($port:ident as $store:literal { $(fn $method:ident($($arg:ident: $of:ty),*) -> $answer:ty;)+ })+) => {$(
        #[async_trait]
        impl $port for Timed<dyn $port> {
            $(async fn $method(&self, $($arg: $of),*) -> Result<$answer> {
                let begun = Instant::now();
                let answer = self.0.$method($($arg),*).await;
                took!($store, $method).record(begun.elapsed());
                answer
            })+
        }
    )+};
}

timed! {
    Tenants as "tenants" {
        fn create(tenant: Tenant, audit: NewAudit) -> ();
        fn get(id: TenantId) -> Option<Tenant>;
        fn by_name(name: &str) -> Option<Tenant>;
        fn list(page: PageRequest) -> Page<Tenant>;
    }
    Keys as "keys" {
        fn create(key: StoredKey, audit: NewAudit) -> ();
        fn find(id: KeyId) -> Option<StoredKey>;
        fn used(tenant: TenantId, id: KeyId, at: Timestamp) -> ();
        fn list(tenant: TenantId, page: PageRequest) -> Page<ApiKey>;
        fn revoke(tenant: TenantId, id: KeyId, at: Timestamp, keep_an_owner: bool, audit: NewAudit) -> Option<ApiKey>;
    }
    Policies as "policies" {
        fn all(tenant: TenantId) -> Vec<Policy>;
        fn get(tenant: TenantId, id: &str) -> Option<Policy>;
        fn put(tenant: TenantId, policy: Policy, expected: Option<u64>, audit: NewAudit) -> ();
        fn delete(tenant: TenantId, id: &str, expected: u64, audit: NewAudit) -> ();
    }
    Members as "members" {
        fn insert(tenant: TenantId, member: Member, audit: NewAudit) -> ();
        fn get(tenant: TenantId, id: PrincipalId) -> Option<Member>;
        fn by_name(tenant: TenantId, kind: MemberKind, name: &str) -> Option<Member>;
        fn by_subject(tenant: TenantId, issuer: &str, subject: &str) -> Option<Member>;
        fn list(tenant: TenantId, page: PageRequest) -> Page<Member>;
        fn update(tenant: TenantId, member: Member, expected: u64, owner_at: Option<Timestamp>, audit: NewAudit) -> ();
        fn remove(tenant: TenantId, id: PrincipalId, at: Timestamp, audit: NewAudit) -> bool;
    }
    Sessions as "sessions" {
        fn insert(session: StoredSession, audit: NewAudit) -> ();
        fn find(id: SessionId) -> Option<StoredSession>;
        fn list(tenant: TenantId, user: Option<UserId>, page: PageRequest) -> Page<Session>;
        fn remove(tenant: TenantId, id: SessionId, audit: NewAudit) -> bool;
        fn prune(now: Timestamp, limit: u32) -> u64;
    }
    Quotas as "quotas" {
        fn get(tenant: TenantId) -> Option<(QuotaValues, u64)>;
        fn put(tenant: TenantId, quotas: QuotaValues, expected: u64, audit: NewAudit) -> ();
        fn usage(tenant: TenantId, now: Timestamp) -> Consumption;
    }
    AuditLog as "audit" {
        fn append(tenant: TenantId, entry: NewAudit) -> AuditEntry;
        fn list(tenant: TenantId, page: PageRequest) -> Page<AuditEntry>;
        fn scan(tenant: TenantId, sequence: u64, limit: u32) -> Vec<AuditEntry>;
    }
    Baselines as "baselines" {
        fn get(tenant: TenantId, extension: &str, node: &str) -> Option<String>;
        fn put(tenant: TenantId, extension: &str, node: &str, body: String) -> ();
        fn meet(tenant: TenantId, extension: &str, hosts: Vec<String>, at: Timestamp) -> Vec<String>;
        fn hosts(tenant: TenantId, extension: &str, limit: u32) -> Vec<KnownHost>;
    }
    Anomalies as "anomalies" {
        fn raise(tenant: TenantId, anomaly: Anomaly, since: Timestamp, audit: NewAudit) -> Raised;
        fn get(tenant: TenantId, id: AnomalyId) -> Option<Anomaly>;
        fn list(tenant: TenantId, filter: &AnomalyFilter, page: PageRequest) -> Page<Anomaly>;
        fn dismissed(tenant: TenantId, installation: InstallationId, series: &str) -> Vec<Anomaly>;
        fn update(tenant: TenantId, anomaly: Anomaly, expected: u64, audit: NewAudit) -> ();
        fn purge(before: Timestamp, limit: u32) -> u64;
    }
    CanaryTallies as "canaries" {
        fn put(tenant: TenantId, tally: CanaryTally) -> ();
        fn list(tenant: TenantId, extension: &str, canary: CanaryId) -> Vec<CanaryTally>;
        fn forget(tenant: TenantId, extension: &str) -> ();
    }
    Samples as "samples" {
        fn put(tenant: TenantId, samples: Vec<Sample>) -> ();
        fn get(tenant: TenantId, execution: ExecutionId) -> Option<Sample>;
        fn list(tenant: TenantId, filter: SampleFilter, page: PageRequest) -> Page<Sample>;
        fn summary(tenant: TenantId, task: TaskId) -> Vec<SampleSummary>;
        fn purge(before: Timestamp, limit: u32) -> u64;
    }
    Installations as "installations" {
        fn insert(installation: Installation, audit: NewAudit) -> ();
        fn get(tenant: TenantId, name: &str) -> Option<Installation>;
        fn list(tenant: TenantId, page: PageRequest) -> Page<Installation>;
        fn update(installation: Installation, expected: u64, audit: NewAudit) -> ();
        fn delete(tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> ();
        fn record_release(tenant: TenantId, release: &Release) -> ();
        fn uses_package(package: Digest) -> bool;
    }
    Blobs as "packages" {
        fn put(digest: Digest, bytes: Bytes) -> ();
        fn get(digest: Digest) -> Option<Bytes>;
        fn delete(digest: Digest) -> ();
    }
    KeyValue as "key_value" {
        fn get(scope: &KvScope, key: &str, now: Timestamp) -> Option<KvEntry>;
        fn set(scope: &KvScope, key: &str, value: Vec<u8>, expires_at: Option<Timestamp>, quota: KvQuota, now: Timestamp) -> u64;
        fn delete(scope: &KvScope, key: &str, now: Timestamp) -> bool;
        fn compare_and_swap(
            scope: &KvScope, key: &str, expected: Option<u64>, value: Vec<u8>, expires_at: Option<Timestamp>, quota: KvQuota, now: Timestamp
        ) -> Option<u64>;
        fn increment(scope: &KvScope, key: &str, by: i64, expires_at: Option<Timestamp>, quota: KvQuota, now: Timestamp) -> i64;
        fn list_keys(scope: &KvScope, prefix: &str, limit: u32, cursor: Option<&str>, now: Timestamp) -> KvPage;
        fn purge_expired(now: Timestamp, limit: u32) -> u64;
    }
    Collections as "collections" {
        fn prepare(scope: &CollectionScope, plan: &CollectionPlan, judge: &dyn Judge, lenient: bool) -> std::result::Result<(), Misfits>;
        fn states(scope: &CollectionScope) -> Vec<CollectionState>;
        fn get(scope: &CollectionScope, collection: &str, id: &str, viewer: Option<Viewer<'_>>) -> Option<Document>;
        fn query(scope: &CollectionScope, query: DocumentQuery<'_>) -> DocumentPage;
        fn count(scope: &CollectionScope, collection: &str, filter: &Filter, viewer: Option<Viewer<'_>>) -> u64;
        fn write(scope: &CollectionScope, writes: DocumentWrites<'_>) -> std::result::Result<Vec<Written>, Refused>;
        fn forget(scope: &CollectionScope) -> ();
    }
    Tasks as "tasks" {
        fn insert(tenant: TenantId, task: Task, audit: NewAudit) -> ();
        fn get(tenant: TenantId, id: TaskId) -> Option<Task>;
        fn by_name(tenant: TenantId, name: &str) -> Option<Task>;
        fn list(tenant: TenantId, page: PageRequest) -> Page<Task>;
        fn update(tenant: TenantId, task: Task, expected: u64, audit: NewAudit) -> ();
        fn delete(tenant: TenantId, id: TaskId, expected: u64, audit: NewAudit) -> ();
    }
    Executions as "executions" {
        fn append(segments: Vec<Segment>) -> ();
        fn find(tenant: TenantId, filter: &SegmentFilter, offset: u32, limit: u32) -> Vec<SegmentHead>;
        fn body(head: &SegmentHead) -> Option<Bytes>;
        fn replace(old: &[SegmentHead], new: Segment) -> bool;
        fn prune(before: Timestamp, limit: u32) -> u64;
        fn fragmented(at_most: u32, more_than: u32) -> Vec<TenantId>;
    }
    Batches as "batches" {
        fn put(batch: Batch) -> ();
        fn get(tenant: TenantId, id: BatchId) -> Option<Batch>;
        fn interrupt(node: &str, at: Timestamp) -> u64;
        fn prune(before: Timestamp, limit: u32) -> u64;
    }
    Logs as "logs" {
        fn append(lines: Vec<NewLogLine>) -> ();
        fn read(tenant: TenantId, filter: &LogFilter) -> Vec<LogLine>;
        fn prune(before: Timestamp, limit: u32) -> u64;
    }
    Idempotency as "idempotency" {
        fn begin(
            tenant: TenantId, key: &str, fingerprint: Digest, now: Timestamp, stale_before: Timestamp, expires_at: Timestamp
        ) -> Begin;
        fn renew(tenant: TenantId, key: &str, mark: Timestamp, now: Timestamp) -> bool;
        fn finish(tenant: TenantId, key: &str, mark: Timestamp, reply: StoredReply) -> ();
        fn abandon(tenant: TenantId, key: &str, mark: Timestamp) -> ();
        fn purge_expired(now: Timestamp, limit: u32) -> u64;
    }
    Bindings as "bindings" {
        fn insert(tenant: TenantId, binding: Binding, audit: NewAudit) -> ();
        fn get(tenant: TenantId, id: BindingId) -> Option<Binding>;
        fn list(tenant: TenantId, filter: &BindingFilter, page: PageRequest) -> Page<Binding>;
        fn all(tenant: TenantId) -> Versioned<Binding>;
        fn declared_in_files() -> Vec<TenantId>;
        fn version(tenant: TenantId) -> u64;
        fn update(tenant: TenantId, binding: Binding, expected: u64, audit: NewAudit) -> ();
        fn delete(tenant: TenantId, id: BindingId, expected: u64, audit: NewAudit) -> ();
        fn apply(tenant: TenantId, changes: Vec<BindingChange>, expected: u64, audit: NewAudit) -> ();
    }
    Hooks as "hooks" {
        fn put(tenant: TenantId, hook: Hook, expected: Option<u64>, audit: NewAudit) -> ();
        fn get(tenant: TenantId, name: &str) -> Option<Hook>;
        fn list(tenant: TenantId, page: PageRequest) -> Page<Hook>;
        fn all(tenant: TenantId) -> Versioned<Hook>;
        fn version(tenant: TenantId) -> u64;
        fn delete(tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> ();
    }
    WorkQueue as "work" {
        fn enqueue(units: Vec<NewWork>) -> u64;
        fn claim(claim: Claim<'_>) -> Vec<Leased>;
        fn extend(tenant: TenantId, id: WorkId, lease: LeaseId, until: Timestamp) -> ();
        fn complete(tenant: TenantId, ids: &[WorkId], lease: LeaseId) -> ();
        fn retry(tenant: TenantId, id: WorkId, lease: LeaseId, due_at: Timestamp, error: &str, now: Timestamp) -> bool;
        fn bury(tenant: TenantId, id: WorkId, lease: LeaseId, error: &str, now: Timestamp) -> ();
        fn get(tenant: TenantId, id: WorkId) -> Option<Work>;
        fn counts(tenant: Option<TenantId>, now: Timestamp) -> Vec<WorkCount>;
        fn dead(tenant: TenantId, kind: Option<&WorkKind>, page: PageRequest) -> Page<Work>;
        fn requeue(tenant: TenantId, ids: &[WorkId], due_at: Timestamp, audit: NewAudit) -> u64;
        fn purge(before: Timestamp, limit: u32) -> u64;
    }
    Jobs as "jobs" {
        fn insert(tenant: TenantId, run: JobRun, unit: NewWork, most: u64, audit: Option<NewAudit>) -> JobRunId;
        fn get(tenant: TenantId, id: JobRunId) -> Option<JobRun>;
        fn list(tenant: TenantId, extension: &str, filter: &JobFilter, page: PageRequest) -> Page<JobRun>;
        fn update(tenant: TenantId, run: JobRun, expected: u64, carrier: Carrier, most: u64, audit: Option<NewAudit>) -> ();
        fn waiting(tenant: TenantId, extension: &str, job: Option<&str>) -> u64;
        fn cancel_all(tenant: TenantId, extension: &ExtensionName, reason: &JobFailure, now: Timestamp) -> u64;
        fn purge(before: Timestamp, limit: u32) -> u64;
    }
    ModelSpend as "spend" {
        fn set_aside(tenant: TenantId, extension: &ExtensionName, on: SpendDay, amount: u64, caps: SpendCaps) -> ();
        fn settle(tenant: TenantId, extension: &ExtensionName, day: Timestamp, set_aside: u64, spent: u64) -> ();
        fn spent(tenant: TenantId, extension: &ExtensionName, from: Timestamp) -> u64;
        fn purge(before: Timestamp, limit: u32) -> u64;
    }
    Usage as "usage" {
        fn add(deltas: Vec<UsageDelta>) -> ();
        fn query(tenant: TenantId, from: Timestamp, to: Timestamp) -> Vec<UsageDelta>;
        fn purge(before: Timestamp, limit: u32) -> u64;
    }
}

/// Times one step of the journal, which blocks.
macro_rules! step {
    ($journal:ident.$method:ident($($arg:ident),*)) => {{
        let begun = Instant::now();
        let answer = $journal.0.$method($($arg),*);
        took!("journal", $method).record(begun.elapsed());
        answer
    }};
}

impl Journal for Timed<dyn Journal> {
    fn append(&self, frame: &[u8]) -> Result<()> {
        step!(self.append(frame))
    }

    fn waits_for_disk(&self) -> bool {
        self.0.waits_for_disk()
    }

    fn cut(&self) -> Result<u64> {
        step!(self.cut())
    }

    fn forget(&self, part: u64) -> Result<()> {
        step!(self.forget(part))
    }

    fn left(&self) -> Result<Vec<u64>> {
        step!(self.left())
    }

    fn read(&self, part: u64) -> Result<Vec<Vec<u8>>> {
        step!(self.read(part))
    }
}
