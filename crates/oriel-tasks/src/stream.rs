//! A sequence without end: items in, results out as soon as each is done and recorded.
//!
//! Everything between the two ends is bounded, so a slow reader slows the workers and those slow the sender.
//! Results come in the order in which items end, not in which they came.

use std::sync::Arc;

use oriel_access::{Access, Principal};
use oriel_model::access::PrincipalId;
use oriel_model::access::Scope;
use tokio::sync::{Mutex, mpsc};

use crate::compiled::Target;
use crate::items::{Caller, Ended, Item, ItemResult, Patience};
use crate::recorder::{Receipt, settle};
use crate::segment::SegmentBuilder;
use crate::{Fault, TaskError, Tasks};

/// Items that may wait for a worker, and results that may wait for the reader.
const WAITING: usize = 256;
/// The most items that a worker takes at once.
const RUN: usize = 32;
/// Runs whose records are being committed.
const COMMITTING: usize = 16;
/// The most workers that a caller may ask for.
const MAX_CONCURRENCY: u32 = 1_000;

/// What to execute.
#[derive(Debug)]
pub struct StreamRequest {
    /// The task's id or name.
    pub task: String,
    /// Items executed at once, at most; 1 to 1,000.
    pub max_concurrency: u32,
    /// W3C trace context of the caller.
    pub traceparent: Option<String>,
    /// As for one call; without it, neighbouring items share a release.
    pub canary_key: Option<String>,
}

/// The two ends of a stream. Dropping `items` lets what is under way end; dropping `results` cancels it.
#[derive(Debug)]
pub struct StreamRun {
    /// Where items go in. A line that could not be understood goes in as its id and fault.
    pub items: mpsc::Sender<Result<Item, (String, Fault)>>,
    /// Where results come out; closed after the last.
    pub results: mpsc::Receiver<ItemResult>,
}

struct Run {
    tasks: Tasks,
    target: Arc<Target>,
    items: Mutex<mpsc::Receiver<Result<Item, (String, Fault)>>>,
    finished: mpsc::Sender<(Vec<ItemResult>, Option<Receipt>)>,
    workers: usize,
    patience: Patience,
    principal: PrincipalId,
    user: Option<Arc<str>>,
    traceparent: Option<String>,
    canary_key: Option<String>,
}

impl Tasks {
    /// Whether the principal may call this task: what a stream was begun with can be taken away while it runs.
    ///
    /// # Errors
    /// When the principal may not, or the task is not there any more.
    pub async fn may_execute(&self, principal: &Principal, task: &str) -> Result<(), TaskError> {
        Access::require(principal, Scope::TasksExecute)?;
        self.target(principal, task).await.map(drop)
    }

    /// Opens a stream to a task.
    ///
    /// # Errors
    /// When the principal may not, or there is no such task.
    pub async fn stream(&self, principal: &Principal, request: StreamRequest) -> Result<StreamRun, TaskError> {
        Access::require(principal, Scope::TasksExecute)?;
        if !(1..=MAX_CONCURRENCY).contains(&request.max_concurrency) {
            return Err(TaskError::Invalid {
                reason: format!("`maxConcurrency` must be 1 to {MAX_CONCURRENCY}"),
            });
        }
        let target = self.target(principal, &request.task).await?;
        let (items, inbox) = mpsc::channel(WAITING);
        let (finished, committing) = mpsc::channel(COMMITTING);
        let (out, results) = mpsc::channel(WAITING);
        let workers = request.max_concurrency as usize;
        let run = Arc::new(Run {
            tasks: self.clone(),
            target,
            items: Mutex::new(inbox),
            finished,
            workers,
            patience: Patience::new(),
            principal: principal.id,
            user: principal.user.clone(),
            traceparent: request.traceparent,
            canary_key: request.canary_key,
        });
        for _ in 0..workers {
            tokio::spawn(work(run.clone()));
        }
        tokio::spawn(emit(committing, out));
        Ok(StreamRun { items, results })
    }
}

/// Takes items while there are any and anybody wants results.
async fn work(run: Arc<Run>) {
    let mut taken = Vec::with_capacity(RUN);
    loop {
        {
            let mut items = tokio::select! {
                items = run.items.lock() => items,
                () = run.finished.closed() => return,
            };
            // A fair share of what waits: a long run in one hand would leave the others idle.
            let share = (items.len() / run.workers).clamp(1, RUN);
            let count = tokio::select! {
                count = items.recv_many(&mut taken, share) => count,
                () = run.finished.closed() => return,
            };
            if count == 0 {
                return;
            }
        }
        let done = run.execute(&mut taken).await;
        if run.finished.send(done).await.is_err() {
            return;
        }
    }
}

impl Run {
    async fn execute(&self, taken: &mut Vec<Result<Item, (String, Fault)>>) -> (Vec<ItemResult>, Option<Receipt>) {
        let caller = Caller {
            principal: self.principal,
            user: self.user.as_deref(),
            traceparent: self.traceparent.as_deref(),
        };
        let recorder = &self.tasks.shared.recorder;
        let mut lease = None;
        let mut segment = None;
        let mut results = Vec::with_capacity(taken.len());
        for item in taken.drain(..) {
            let failed = |id, fault| ItemResult {
                id,
                execution: None,
                result: Err(fault),
                duration: std::time::Duration::ZERO,
                judgements: Vec::new(),
            };
            let item = match item {
                Ok(item) => item,
                Err((id, fault)) => {
                    results.push(failed(id, fault));
                    continue;
                }
            };
            let ended = loop {
                if lease.is_none() {
                    match self.target.lease(self.canary_key.as_deref()).await {
                        Ok(leased) => {
                            let key = || self.target.key(&leased.chosen.active);
                            segment = recorder.is_on().then(|| SegmentBuilder::new(key()));
                            lease = Some(leased);
                        }
                        Err(fault) if self.patience.wait(&fault).await => continue,
                        Err(fault) => break Err(fault),
                    }
                }
                let Some(leased) = &mut lease else { continue };
                let ended = self.tasks.run_item(&self.target, leased, caller, &item).await;
                match ended.result {
                    Err(fault) if fault.is_refusal() => {
                        if !self.patience.wait(&fault).await {
                            break Err(fault);
                        }
                    }
                    _ => break Ok(ended),
                }
            };
            let ended = match ended {
                Ok(ended) => ended,
                Err(fault) => {
                    results.push(failed(item.id, fault));
                    continue;
                }
            };
            if ended.result.is_ok() {
                self.patience.ease();
            }
            if let Some(segment) = &mut segment {
                ended.record(&item, segment);
            }
            let Ended {
                id,
                result,
                judgements,
                duration,
                ..
            } = ended;
            results.push(ItemResult {
                id: item.id,
                execution: Some(id),
                result,
                duration,
                judgements,
            });
        }
        // The instance goes back before anybody waits for a commit.
        drop(lease);
        let receipt = match segment {
            Some(segment) => recorder.records(segment).await,
            None => None,
        };
        (results, receipt)
    }
}

/// Passes results on once they are recorded. A result whose record failed is passed on as a failure.
async fn emit(mut committing: mpsc::Receiver<(Vec<ItemResult>, Option<Receipt>)>, out: mpsc::Sender<ItemResult>) {
    while let Some((results, receipt)) = committing.recv().await {
        let recorded = settle(receipt).await;
        for mut result in results {
            if let (Err(error), Some(_)) = (&recorded, result.execution) {
                let code = oriel_model::Coded::code(&**error);
                result.result = Err(Fault::Refused {
                    code,
                    message: format!("the execution could not be recorded: {error}"),
                });
            }
            if out.send(result).await.is_err() {
                return;
            }
        }
    }
}
