//! Many items in one request.
//!
//! Workers take runs of neighbouring items, as long as about [`SLICE`] of work, hold one instance for the run and
//! hand the results over as one chunk: what a single item costs beyond its call is then a few dozen nanoseconds.
//! A batch starts with as many workers as there are processors, because more would only share them. When
//! little progress is seen the items are waiting for something, and more workers join, up to the caller's
//! `maxConcurrency`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oriel_access::{Access, Principal};
use oriel_model::access::PrincipalId;
use oriel_model::access::Scope;
use oriel_model::id::BatchId;
use oriel_store::{Batch, BatchState, StoreError};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::compiled::Target;
use crate::items::{Caller, Ended, Item, ItemResult, Patience};
use crate::progress::{BatchProgress, LiveBatch};
use crate::recorder::{Receipt, settle};
use crate::segment::{RecordKey, SegmentBuilder};
use crate::{Fault, TaskError, Tasks};

/// How much work a worker takes at once.
const SLICE: Duration = Duration::from_millis(2);
/// The most items taken at once.
const RUN: usize = 256;
/// A segment is sealed at so many records or bytes.
const SEAL_RECORDS: u32 = 4_096;
const SEAL_BYTES: usize = 4 << 20;
/// How often it is looked whether items wait for something.
const LOOK: Duration = Duration::from_millis(1);
/// Finished chunks that may wait for a slow reader.
const CHUNKS: usize = 64;
/// The most workers that a caller may ask for.
const MAX_CONCURRENCY: u32 = 1_000;

/// What to execute.
#[derive(Debug)]
pub struct BatchRequest {
    /// The task's id or name.
    pub task: String,
    /// The items.
    pub items: Vec<Item>,
    /// Items executed at once, at most; 1 to 1,000.
    pub max_concurrency: u32,
    /// Whether the first failure ends the batch.
    pub stop_on_first_error: bool,
    /// W3C trace context of the caller.
    pub traceparent: Option<String>,
    /// As for one call; without it, neighbouring items share a release.
    pub canary_key: Option<String>,
}

/// A batch that runs. Dropping it stops the batch: items that have not begun are not run.
#[derive(Debug)]
pub struct BatchRun {
    /// The batch's id.
    pub id: BatchId,
    /// Items in it.
    pub total: usize,
    chunks: mpsc::Receiver<Chunk>,
    /// Chunks that came before their turn, by their first item's place.
    early: BTreeMap<usize, Vec<ItemResult>>,
    next: usize,
    ended: oneshot::Receiver<Result<BatchProgress, TaskError>>,
    _stop: StopOnDrop,
}

#[derive(Debug)]
struct Chunk {
    start: usize,
    results: Vec<ItemResult>,
}

#[derive(Debug)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl BatchRun {
    /// The next results in the order of the request; nothing after the last.
    pub async fn next(&mut self) -> Option<Vec<ItemResult>> {
        while !self.early.contains_key(&self.next) {
            let chunk = self.chunks.recv().await?;
            self.early.insert(chunk.start, chunk.results);
        }
        let results = self.early.remove(&self.next)?;
        self.next += results.len();
        Some(results)
    }

    /// The next results in the order of the request if they are here already.
    pub fn ready(&mut self) -> Option<Vec<ItemResult>> {
        while let Ok(chunk) = self.chunks.try_recv() {
            self.early.insert(chunk.start, chunk.results);
        }
        let results = self.early.remove(&self.next)?;
        self.next += results.len();
        Some(results)
    }

    /// Waits until every execution is recorded and answers the final count. Read all results first.
    ///
    /// # Errors
    /// When the records could not be written.
    pub async fn finish(mut self) -> Result<BatchProgress, TaskError> {
        self.chunks.close();
        let stopped = || {
            TaskError::Store(StoreError::Unavailable {
                source: "the batch was abandoned".into(),
            })
        };
        (&mut self.ended).await.unwrap_or_else(|_| Err(stopped()))
    }
}

/// What the workers of one batch share.
struct Run {
    tasks: Tasks,
    target: Arc<Target>,
    id: BatchId,
    items: Vec<Item>,
    taken: AtomicUsize,
    workers: AtomicUsize,
    stop: Arc<AtomicBool>,
    stop_on_first_error: bool,
    patience: Patience,
    principal: PrincipalId,
    user: Option<Arc<str>>,
    traceparent: Option<String>,
    canary_key: Option<String>,
    live: Arc<LiveBatch>,
    chunks: mpsc::Sender<Chunk>,
}

impl Tasks {
    /// Starts a batch. It goes on by itself; read its results from the answer.
    ///
    /// # Errors
    /// When the principal may not, there is no such task, or the batch is too large.
    pub async fn batch(&self, principal: &Principal, request: BatchRequest) -> Result<BatchRun, TaskError> {
        Access::require(principal, Scope::TasksExecute)?;
        if request.items.len() > self.shared.options.max_batch {
            return Err(TaskError::BatchTooLarge {
                max: self.shared.options.max_batch,
            });
        }
        if !(1..=MAX_CONCURRENCY).contains(&request.max_concurrency) {
            return Err(TaskError::Invalid {
                reason: format!("`maxConcurrency` must be 1 to {MAX_CONCURRENCY}"),
            });
        }
        let target = self.target(principal, &request.task).await?;
        let now = self.shared.clock.now();
        let batch = Batch {
            id: BatchId::new(now),
            tenant: principal.tenant,
            task: target.task.expect("a task's target has its id"),
            state: BatchState::Running,
            total: request.items.len() as u64,
            succeeded: 0,
            failed: 0,
            started_at: now,
            finished_at: None,
            node: self.shared.options.node.clone(),
        };
        self.shared.stores.batches.put(batch.clone()).await?;
        let (chunks, inbox) = mpsc::channel(CHUNKS);
        let (done, ended) = oneshot::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let run = Arc::new(Run {
            tasks: self.clone(),
            target,
            id: batch.id,
            taken: AtomicUsize::new(0),
            workers: AtomicUsize::new(0),
            stop: stop.clone(),
            stop_on_first_error: request.stop_on_first_error,
            patience: Patience::new(),
            principal: principal.id,
            user: principal.user.clone(),
            traceparent: request.traceparent,
            canary_key: request.canary_key,
            live: self.shared.live.begin(batch.clone()),
            chunks,
            items: request.items,
        });
        let total = run.items.len();
        let max = (request.max_concurrency as usize).min(total.max(1));
        tokio::spawn(async move {
            let _ = done.send(supervise(run, max).await);
        });
        Ok(BatchRun {
            id: batch.id,
            total,
            chunks: inbox,
            early: BTreeMap::new(),
            next: 0,
            ended,
            _stop: StopOnDrop(stop),
        })
    }
}

/// Starts workers, adds more where items wait, and closes the books.
async fn supervise(run: Arc<Run>, max: usize) -> Result<BatchProgress, TaskError> {
    let mut workers = JoinSet::new();
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let spawn = |workers: &mut JoinSet<Vec<Receipt>>, count: usize| {
        for _ in 0..count {
            run.workers.fetch_add(1, Ordering::Relaxed);
            workers.spawn(work(run.clone()));
        }
    };
    spawn(&mut workers, processors.min(max));
    let mut receipts = Vec::new();
    let mut seen = 0;
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let spawned = run.workers.load(Ordering::Relaxed);
        let more = spawned < max && run.taken.load(Ordering::Relaxed) < run.items.len();
        tokio::select! {
            ended = workers.join_next() => match ended {
                Some(Ok(more)) => receipts.extend(more),
                Some(Err(panic)) => tracing::error!(%panic, "a batch worker panicked"),
                None => break,
            },
            _ = look.tick(), if more => {
                let done = run.live.done();
                // Less than one item per worker since the last look: they wait, or each item is long.
                if done - seen < spawned as u64 {
                    spawn(&mut workers, spawned.min(max - spawned));
                }
                seen = done;
            }
        }
    }
    let mut recorded = Ok(());
    for receipt in receipts {
        recorded = recorded.and(settle(Some(receipt)).await);
    }
    let done = run.live.done();
    let state = if run.stop.load(Ordering::Relaxed) && done < run.items.len() as u64 {
        BatchState::Stopped
    } else {
        BatchState::Completed
    };
    let state = if run.stop.load(Ordering::Relaxed) && run.stop_on_first_error {
        BatchState::Stopped
    } else {
        state
    };
    let batch = Batch {
        state,
        finished_at: Some(run.tasks.shared.clock.now()),
        ..run.live.now()
    };
    let kept = run.tasks.shared.stores.batches.put(batch.clone()).await;
    run.tasks.shared.live.end(run.id);
    recorded.map_err(|source| TaskError::Record { source })?;
    kept?;
    Ok(batch.into())
}

/// One worker: takes runs of items until none are left. Answers the receipts of its segments.
async fn work(run: Arc<Run>) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let mut segment: Option<SegmentBuilder> = None;
    let mut length = 1;
    loop {
        let workers = run.workers.load(Ordering::Relaxed);
        let left = run.items.len().saturating_sub(run.taken.load(Ordering::Relaxed));
        // Near the end runs get short, so that no worker is left alone with a long one.
        let length_now = length.min(left / (workers * 2) + 1);
        let start = run.taken.fetch_add(length_now, Ordering::Relaxed);
        if start >= run.items.len() {
            break;
        }
        let end = (start + length_now).min(run.items.len());
        let begun = Instant::now();
        run.execute(start..end, &mut segment, &mut receipts).await;
        let each = begun
            .elapsed()
            .checked_div(u32::try_from(end - start).unwrap_or(1))
            .unwrap_or(SLICE);
        length = usize::try_from(SLICE.as_nanos() / each.as_nanos().max(1))
            .unwrap_or(RUN)
            .clamp(1, RUN);
    }
    if let Some(mut segment) = segment.filter(|segment| !segment.is_empty()) {
        receipts.extend(run.tasks.shared.recorder.segment(segment.seal()).await);
    }
    receipts
}

/// Results of a run that have not been handed over yet.
struct Done {
    start: usize,
    results: Vec<ItemResult>,
    succeeded: u64,
    failed: u64,
}

impl Done {
    fn add(&mut self, result: ItemResult) {
        match result.result {
            Ok(_) => self.succeeded += 1,
            // What a stop kept from running has not failed.
            Err(Fault::Cancelled) if result.execution.is_none() => {}
            Err(_) => self.failed += 1,
        }
        self.results.push(result);
    }
}

impl Run {
    /// Executes neighbouring items on one instance.
    async fn execute(&self, range: std::ops::Range<usize>, segment: &mut Option<SegmentBuilder>, receipts: &mut Vec<Receipt>) {
        let caller = Caller {
            principal: self.principal,
            user: self.user.as_deref(),
            traceparent: self.traceparent.as_deref(),
        };
        let mut done = Done {
            start: range.start,
            results: Vec::with_capacity(range.len()),
            succeeded: 0,
            failed: 0,
        };
        let mut lease = None;
        for item in &self.items[range] {
            if self.stop.load(Ordering::Relaxed) {
                done.add(not_run(item, Fault::Cancelled));
                continue;
            }
            let ended = loop {
                if lease.is_none() {
                    match self.target.lease(self.canary_key.as_deref()).await {
                        Ok(leased) => {
                            self.follow(self.target.key(&leased.chosen.active), segment, receipts).await;
                            lease = Some(leased);
                        }
                        Err(fault) if self.waits(&fault, &mut done).await => continue,
                        Err(fault) => break Err(fault),
                    }
                }
                let Some(leased) = &mut lease else { continue };
                let ended = {
                    let mut call = std::pin::pin!(self.tasks.run_item(&self.target, leased, caller, item));
                    match futures::poll!(call.as_mut()) {
                        std::task::Poll::Ready(ended) => ended,
                        // An item that takes its time must not keep back what was done before it.
                        std::task::Poll::Pending => {
                            self.hand_over(&mut done).await;
                            call.await
                        }
                    }
                };
                match ended.result {
                    Err(fault) if fault.is_refusal() => {
                        if !self.waits(&fault, &mut done).await {
                            break Err(fault);
                        }
                    }
                    _ => break Ok(ended),
                }
            };
            let ended = match ended {
                Ok(ended) => ended,
                Err(fault) => {
                    done.add(not_run(item, fault));
                    self.note_failure();
                    continue;
                }
            };
            if ended.result.is_err() {
                self.note_failure();
            } else {
                self.patience.ease();
            }
            if let Some(segment) = segment {
                ended.record(item, segment);
                if segment.count() >= SEAL_RECORDS || segment.len() >= SEAL_BYTES {
                    receipts.extend(self.tasks.shared.recorder.segment(segment.seal()).await);
                }
            }
            let Ended {
                id,
                result,
                judgements,
                duration,
                ..
            } = ended;
            done.add(ItemResult {
                id: item.id.clone(),
                execution: Some(id),
                result,
                duration,
                judgements,
            });
        }
        drop(lease);
        self.hand_over(&mut done).await;
    }

    /// Waits for an extension that is left alone, unless the batch is to end; answers whether to try again.
    async fn waits(&self, fault: &Fault, done: &mut Done) -> bool {
        if !fault.is_refusal() || self.stop.load(Ordering::Relaxed) {
            return false;
        }
        self.hand_over(done).await;
        self.patience.wait(fault).await
    }

    /// Passes results on and counts them.
    async fn hand_over(&self, done: &mut Done) {
        if done.results.is_empty() {
            return;
        }
        let count = done.results.len();
        let results = std::mem::take(&mut done.results);
        self.live
            .count(std::mem::take(&mut done.succeeded), std::mem::take(&mut done.failed));
        let chunk = Chunk {
            start: done.start,
            results,
        };
        done.start += count;
        if self.chunks.send(chunk).await.is_err() {
            // Nobody reads on; what has been executed is still recorded.
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn note_failure(&self) {
        if self.stop_on_first_error {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Lets the worker's segment follow the release that answers: a segment is of one version.
    async fn follow(&self, key: Arc<RecordKey>, segment: &mut Option<SegmentBuilder>, receipts: &mut Vec<Receipt>) {
        if !self.tasks.shared.recorder.is_on() {
            return;
        }
        if segment.as_ref().is_some_and(|segment| segment.key().version == key.version) {
            return;
        }
        if let Some(mut old) = segment.take().filter(|old| !old.is_empty()) {
            receipts.extend(self.tasks.shared.recorder.segment(old.seal()).await);
        }
        *segment = Some(SegmentBuilder::new(Arc::new(RecordKey {
            batch: Some(self.id),
            ..(*key).clone()
        })));
    }
}

fn not_run(item: &Item, fault: Fault) -> ItemResult {
    ItemResult {
        id: item.id.clone(),
        execution: None,
        result: Err(fault),
        duration: Duration::ZERO,
        judgements: Vec::new(),
    }
}
