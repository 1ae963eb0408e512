//! Records that are promised by this node's journal and not yet in the database.
//!
//! A call's record is written to the journal, which takes microseconds, and gathers in memory with others of its key;
//! from time to time everything gathered goes to the database in one transaction of large segments, and the journal
//! forgets it. So a reply never waits for a transaction, and the database sees one segment where it would have
//! seen thousands.
//!
//! Whoever adds a record and finds nobody writing writes for all who wait. What an earlier process left in the
//! journal is brought to the database before anything else.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use oriel_model::id::TenantId;
use oriel_store::{Executions, Journal, Segment, StoreError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use crate::recorder::Receipt;
use crate::segment::{RecordKey, SegmentBuilder, SegmentReader};

/// How long records gather.
const GATHER: Duration = Duration::from_secs(1);
/// Bytes of records that are enough to bring them to the database sooner.
const PLENTY: usize = 8 << 20;
/// Bytes of records that may wait for a database that does not take them; then nothing more is promised.
const MOST: usize = 256 << 20;
/// A segment is sealed at so many records or bytes.
const SEAL_RECORDS: u32 = 4_096;
const SEAL_BYTES: usize = 4 << 20;

/// The handle. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ledger(Arc<Shared>);

struct Shared {
    journal: Arc<dyn Journal>,
    store: Arc<dyn Executions>,
    /// Records that wait to be written to the journal.
    queue: Mutex<Vec<Job>>,
    /// Whether somebody is writing.
    writing: AtomicBool,
    gathered: Mutex<Gathered>,
    /// Held while gathered records go to the database.
    settling: tokio::sync::Mutex<()>,
    plenty: Notify,
}

struct Job {
    records: SegmentBuilder,
    done: oneshot::Sender<Result<(), Arc<StoreError>>>,
}

#[derive(Default)]
struct Gathered {
    open: HashMap<Arc<RecordKey>, Open>,
    sealed: Vec<Segment>,
    bytes: usize,
    frame: Vec<u8>,
}

struct Open {
    builder: SegmentBuilder,
    /// The head of this key's frames.
    head: Vec<u8>,
}

impl Open {
    fn new(key: &Arc<RecordKey>) -> Self {
        let head = FrameHead {
            tenant: key.tenant,
            key: &**key,
        };
        let json = serde_json::to_vec(&head).expect("a record key is always JSON");
        let mut head = u32::try_from(json.len()).expect("names are short").to_le_bytes().to_vec();
        head.extend_from_slice(&json);
        let builder = SegmentBuilder::new(Arc::clone(key));
        Self { builder, head }
    }
}

/// What stands before the records of a frame, as JSON with its length before it.
#[derive(Serialize, Deserialize)]
struct FrameHead<K> {
    tenant: TenantId,
    key: K,
}

impl Ledger {
    /// Starts bringing records to the database. It ends when nobody else holds the ledger.
    pub(crate) fn start(journal: Arc<dyn Journal>, store: Arc<dyn Executions>) -> Self {
        let shared = Arc::new(Shared {
            journal,
            store,
            queue: Mutex::default(),
            writing: AtomicBool::new(false),
            gathered: Mutex::default(),
            settling: tokio::sync::Mutex::default(),
            plenty: Notify::new(),
        });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                let _ = tokio::time::timeout(GATHER, shared.plenty.notified()).await;
                // An error has been told, and what could not be settled is tried again.
                let _ = shared.settle().await;
            }
        });
        Self(shared)
    }

    /// Promises records; the receipt says when they are promised.
    pub(crate) fn enter(&self, records: SegmentBuilder) -> Receipt {
        let (done, receipt) = oneshot::channel();
        self.0.queue.lock().push(Job { records, done });
        if !self.0.writing.swap(true, Ordering::AcqRel) {
            if self.0.journal.waits_for_disk() {
                let shared = self.0.clone();
                tokio::task::spawn_blocking(move || shared.write());
            } else {
                self.0.write();
            }
        }
        receipt
    }

    /// Waits until everything promised so far is in the database.
    pub(crate) async fn settle(&self) -> Result<(), Arc<StoreError>> {
        self.0.settle().await
    }

    /// Brings to the database what an earlier process promised. Answers how many records that were.
    pub(crate) async fn recover(&self) -> Result<u64, StoreError> {
        let mut count = 0;
        for part in self.0.journal.left()? {
            // Sealed as the earlier process sealed them: had it died between its transaction and forgetting, these
            // segments are there already, and adding them again changes nothing.
            let (mut open, mut sealed) = (HashMap::new(), Vec::new());
            for frame in self.0.journal.read(part)? {
                let reader = read(&frame)?;
                let builder = open
                    .entry(reader.key.clone())
                    .or_insert_with(|| SegmentBuilder::new(reader.key.clone()));
                reader.for_each(|record| {
                    builder.add(record);
                    count += 1;
                })?;
                if is_full(builder) {
                    sealed.push(builder.seal());
                }
            }
            sealed.extend(open.into_values().filter(|left| !left.is_empty()).map(|mut left| left.seal()));
            self.0.store.append(sealed).await?;
            self.0.journal.forget(part)?;
        }
        Ok(count)
    }
}

impl Shared {
    /// Writes what waits until nothing does.
    fn write(&self) {
        loop {
            let jobs = std::mem::take(&mut *self.queue.lock());
            if !jobs.is_empty() {
                self.write_group(jobs);
            }
            self.writing.store(false, Ordering::Release);
            // Who came before the line above relied on us, who comes after it does not.
            if self.queue.lock().is_empty() || self.writing.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    }

    fn write_group(&self, jobs: Vec<Job>) {
        let mut gathered = self.gathered.lock();
        for Job { records, done } in jobs {
            let result = gathered.add(&records, &*self.journal).map_err(Arc::new);
            if let Err(error) = &result {
                tracing::error!(error = &**error as &dyn std::error::Error, "executions could not be recorded");
            }
            // Who no longer waits does not need to know.
            let _ = done.send(result);
        }
        if gathered.bytes >= PLENTY {
            self.plenty.notify_one();
        }
    }

    async fn settle(&self) -> Result<(), Arc<StoreError>> {
        let _one = self.settling.lock().await;
        let (segments, part, bytes) = {
            let mut gathered = self.gathered.lock();
            if gathered.bytes == 0 {
                return Ok(());
            }
            let part = self.journal.cut().map_err(Arc::new)?;
            let open = std::mem::take(&mut gathered.open);
            gathered.sealed.extend(
                open.into_values()
                    .filter(|open| !open.builder.is_empty())
                    .map(|mut open| open.builder.seal()),
            );
            (std::mem::take(&mut gathered.sealed), part, gathered.bytes)
        };
        if let Err(error) = self.store.append(segments.clone()).await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the journal could not be brought to the database"
            );
            self.gathered.lock().sealed.extend(segments);
            return Err(Arc::new(error));
        }
        self.gathered.lock().bytes -= bytes;
        self.journal.forget(part).map_err(Arc::new)
    }
}

impl Gathered {
    fn add(&mut self, records: &SegmentBuilder, journal: &dyn Journal) -> Result<(), StoreError> {
        if self.bytes >= MOST {
            return Err(StoreError::Unavailable {
                source: "the database does not take the records that wait for it".into(),
            });
        }
        let open = match self.open.entry(Arc::clone(records.key())) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let open = Open::new(place.key());
                place.insert(open)
            }
        };
        self.frame.clear();
        self.frame.extend_from_slice(&open.head);
        self.frame.extend_from_slice(records.records());
        journal.append(&self.frame)?;
        self.bytes += records.len();
        open.builder.merge(records);
        if is_full(&open.builder) {
            let segment = open.builder.seal();
            self.sealed.push(segment);
        }
        Ok(())
    }
}

fn is_full(builder: &SegmentBuilder) -> bool {
    builder.count() >= SEAL_RECORDS || builder.len() >= SEAL_BYTES
}

/// The records of a frame.
fn read(frame: &[u8]) -> Result<SegmentReader, StoreError> {
    // Its checksum holds, so another release wrote it.
    let corrupt = |what: &str| StoreError::Corrupt {
        what: format!(
            "the journal has a record of another form ({what}); start the release that wrote it, or move the directory \
             `journal` out of the data directory"
        ),
    };
    let (length, rest) = frame.split_first_chunk::<4>().ok_or_else(|| corrupt("cut short"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (head, records) = rest.split_at_checked(length).ok_or_else(|| corrupt("cut short"))?;
    let head: FrameHead<RecordKey> = serde_json::from_slice(head).map_err(|error| corrupt(&error.to_string()))?;
    let key = RecordKey {
        tenant: head.tenant,
        ..head.key
    };
    Ok(SegmentReader::loose(key, records))
}
