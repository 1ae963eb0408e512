//! Stores that tell how long each of their operations takes.
//!
//! Two looks at the clock and one histogram per operation, whose handle is found once. A call of a program asks no store but
//! the journal (what it needs of the others is cached), so it pays that price once.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use metrics::{Histogram, histogram};
use oriel_model::access::{ApiKey, Tenant};
use oriel_model::audit::AuditEntry;
use oriel_model::id::{BatchId, KeyId, TaskId, TenantId};
use oriel_model::installation::{Installation, Release};
use oriel_model::log::LogLine;
use oriel_model::page::{Page, PageRequest};
use oriel_model::task::Task;
use oriel_model::{Digest, Timestamp};
use oriel_store::{
    AuditLog, Batch, Batches, Begin, Blobs, Executions, Idempotency, Installations, Journal, KeyValue, Keys, KvEntry, KvPage, KvQuota,
    KvScope, LogFilter, Logs, NewAudit, NewLogLine, Result, Segment, SegmentFilter, SegmentHead, StoredKey, StoredReply, Stores, Tasks,
    Tenants,
};

use super::STORE_DURATION;

/// A port, timed.
struct Timed<T: ?Sized>(Arc<T>);

/// The same stores, timed. The process's recorder must be there before.
pub(super) fn timed(stores: Stores) -> Stores {
    Stores {
        tenants: Arc::new(Timed(stores.tenants)),
        keys: Arc::new(Timed(stores.keys)),
        audit: Arc::new(Timed(stores.audit)),
        installations: Arc::new(Timed(stores.installations)),
        blobs: Arc::new(Timed(stores.blobs)),
        key_value: Arc::new(Timed(stores.key_value)),
        tasks: Arc::new(Timed(stores.tasks)),
        executions: Arc::new(Timed(stores.executions)),
        batches: Arc::new(Timed(stores.batches)),
        logs: Arc::new(Timed(stores.logs)),
        idempotency: Arc::new(Timed(stores.idempotency)),
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
        fn list(tenant: TenantId, page: PageRequest) -> Page<ApiKey>;
        fn revoke(tenant: TenantId, id: KeyId, at: Timestamp, keep_an_owner: bool, audit: NewAudit) -> Option<ApiKey>;
    }
    AuditLog as "audit" {
        fn append(tenant: TenantId, entry: NewAudit) -> AuditEntry;
        fn list(tenant: TenantId, page: PageRequest) -> Page<AuditEntry>;
        fn scan(tenant: TenantId, sequence: u64, limit: u32) -> Vec<AuditEntry>;
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
