//! How records reach the store: many executions, one commit.
//!
//! Where this node has a journal, the records of calls and streams are promised by it (see `ledger.rs`). Everything
//! else takes the direct way: one task owns the writing. It takes everything that waits, groups it by key into
//! segments, commits all of them in one transaction and then tells each waiting caller. While one commit runs the
//! next group gathers, so the group grows with the load and a lone call waits for nobody. Batches seal their own
//! segments on their own threads and hand over whole ones.
//!
//! What waits is bounded in bytes; whoever records more waits too, which is the back-pressure of the whole path.

use std::collections::HashMap;
use std::sync::Arc;

use oriel_model::Timestamp;
use oriel_model::execution::{ExecutionError, Resources};
use oriel_model::id::ExecutionId;
use oriel_store::{Executions, Segment, StoreError, Stores};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::ledger::Ledger;
use crate::segment::{Record, RecordKey, SegmentBuilder};

/// Records and segments that may wait, counted in units of [`UNIT`] bytes.
const BUDGET: usize = 65_536;
const UNIT: usize = 1_024;
/// Jobs that may wait.
const WAITING: usize = 16_384;
/// Jobs taken into one commit.
const GROUP: usize = 4_096;

/// What one execution leaves behind, owned.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<RecordKey>,
    pub(crate) id: ExecutionId,
    pub(crate) item: Option<String>,
    pub(crate) input: Box<RawValue>,
    pub(crate) result: Result<Arc<RawValue>, ExecutionError>,
    pub(crate) started_at: Timestamp,
    pub(crate) resources: Resources,
}

/// Resolves when the record is committed.
pub(crate) type Receipt = oneshot::Receiver<Result<(), Arc<StoreError>>>;

/// The handle. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    /// Absent when recording is off.
    jobs: Option<mpsc::Sender<Job>>,
    /// Absent when this node has no journal.
    ledger: Option<Ledger>,
    budget: Arc<Semaphore>,
}

struct Job {
    what: What,
    done: oneshot::Sender<Result<(), Arc<StoreError>>>,
    _permit: Option<OwnedSemaphorePermit>,
}

enum What {
    Records(SegmentBuilder),
    Segment(Segment),
    Flush,
}

impl Recorder {
    pub(crate) fn start(stores: &Stores, recording: bool) -> Self {
        let budget = Arc::new(Semaphore::new(BUDGET));
        let jobs = recording.then(|| {
            let (jobs, inbox) = mpsc::channel(WAITING);
            tokio::spawn(write(stores.executions.clone(), inbox));
            jobs
        });
        // A journal is kept with recording off too: an earlier process may have left something in it.
        let ledger = stores.journal.clone();
        let ledger = ledger.map(|journal| Ledger::start(journal, stores.executions.clone()));
        Self { jobs, ledger, budget }
    }

    /// Brings to the database what an earlier process promised; answers how many records that were.
    pub(crate) async fn recover(&self) -> Result<u64, StoreError> {
        match &self.ledger {
            Some(ledger) => ledger.recover().await,
            None => Ok(0),
        }
    }

    /// Whether anything is recorded at all.
    pub(crate) const fn is_on(&self) -> bool {
        self.jobs.is_some()
    }

    /// Hands over one record; nothing when recording is off.
    pub(crate) async fn entry(&self, entry: Entry) -> Option<Receipt> {
        if !self.is_on() {
            return None;
        }
        let output = entry.result.as_ref().map_or(0, |output| output.get().len());
        let mut records = SegmentBuilder::for_one(entry.key, entry.input.get().len() + output);
        records.add(&Record {
            id: entry.id,
            item: entry.item.as_deref(),
            input: entry.input.get(),
            result: entry.result.as_ref().map(|output| output.get()),
            started_at: entry.started_at,
            resources: entry.resources,
        });
        self.records(records).await
    }

    /// Hands over a few records of one key; nothing when recording is off or there are none.
    pub(crate) async fn records(&self, records: SegmentBuilder) -> Option<Receipt> {
        if records.is_empty() || !self.is_on() {
            return None;
        }
        if let Some(ledger) = &self.ledger {
            return Some(ledger.enter(records));
        }
        let size = records.len();
        self.hand_over(What::Records(records), size).await
    }

    /// Hands over a sealed segment.
    pub(crate) async fn segment(&self, segment: Segment) -> Option<Receipt> {
        let size = segment.body.len();
        self.hand_over(What::Segment(segment), size).await
    }

    /// Brings everything promised so far to where searches find it.
    pub(crate) async fn settle(&self) -> Result<(), Arc<StoreError>> {
        match &self.ledger {
            Some(ledger) => ledger.settle().await,
            None => Ok(()),
        }
    }

    /// Waits until everything handed over before is committed.
    pub(crate) async fn flush(&self) {
        // What does not reach the database now is in the journal for the next start.
        let _ = self.settle().await;
        if let Some(receipt) = self.hand_over(What::Flush, 0).await {
            let _ = receipt.await;
        }
    }

    async fn hand_over(&self, what: What, size: usize) -> Option<Receipt> {
        let jobs = self.jobs.as_ref()?;
        let units = u32::try_from((size / UNIT + 1).min(BUDGET)).unwrap_or(1);
        let permit = self.budget.clone().acquire_many_owned(units).await.ok();
        let (done, receipt) = oneshot::channel();
        // The writer ends only with the process; a send that fails drops `done`, which `settle` reports.
        let _ = jobs
            .send(Job {
                what,
                done,
                _permit: permit,
            })
            .await;
        Some(receipt)
    }
}

/// Waits for a receipt; recording being off is fine, a writer that is gone is not.
pub(crate) async fn settle(receipt: Option<Receipt>) -> Result<(), Arc<StoreError>> {
    match receipt {
        None => Ok(()),
        Some(receipt) => receipt.await.unwrap_or_else(|_| {
            let source = "the recorder has stopped".into();
            Err(Arc::new(StoreError::Unavailable { source }))
        }),
    }
}

async fn write(store: Arc<dyn Executions>, mut inbox: mpsc::Receiver<Job>) {
    let mut jobs = Vec::with_capacity(GROUP);
    let mut open: HashMap<Arc<RecordKey>, SegmentBuilder> = HashMap::new();
    while inbox.recv_many(&mut jobs, GROUP).await > 0 {
        let mut segments = Vec::new();
        let mut waiting = Vec::with_capacity(jobs.len());
        for job in jobs.drain(..) {
            match job.what {
                What::Records(records) => match open.get_mut(records.key()) {
                    Some(builder) => builder.merge(&records),
                    None => {
                        open.insert(records.key().clone(), records);
                    }
                },
                What::Segment(segment) => segments.push(segment),
                What::Flush => {}
            }
            waiting.push((job.done, job._permit));
        }
        segments.extend(open.drain().map(|(_, mut builder)| builder.seal()));
        let result = if segments.is_empty() {
            Ok(())
        } else {
            store.append(segments).await.map_err(Arc::new)
        };
        if let Err(error) = &result {
            tracing::error!(
                error = &**error as &dyn std::error::Error,
                count = waiting.len(),
                "executions could not be recorded"
            );
        }
        for (done, permit) in waiting {
            let _ = done.send(result.clone());
            drop(permit);
        }
    }
}
