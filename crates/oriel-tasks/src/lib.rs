//! Tasks and their executions: one call, a batch of a hundred thousand, a stream without end.
//!
//! [`Tasks`] manages tasks, validates what goes in and comes out, calls the program through `oriel-extensions`' dispatch
//! and records every execution. Where to start reading: [`Tasks::execute`] for one call, `batch.rs` for many,
//! `stream.rs` for an open-ended sequence, `recorder.rs` for how records reach the disk without slowing calls.
//!
//! Not here: HTTP and its shapes (the server's), choosing among program versions, instances and limits (the
//! sandbox's).

mod batch;
mod compiled;
mod error;
mod execute;
mod incident;
mod items;
mod judging;
mod ledger;
mod maintenance;
mod manage;
mod progress;
mod query;
mod recommend;
mod recorder;
mod segment;
mod stream;
mod validate;

use std::sync::Arc;
use std::time::Duration;

use oriel_extensions::{Extensions, Worker};
use oriel_hooks::Hooks;
use oriel_model::time::Clock;
use oriel_store::{Stores, WorkKind};

pub use self::batch::{BatchRequest, BatchRun};
pub use self::error::{Fault, TaskError};
pub use self::execute::{ExecuteRequest, Executed};
pub use self::incident::{IncidentRequest, incident_markdown};
pub use self::items::{Item, ItemResult};
pub use self::maintenance::Maintained;
pub use self::manage::{NewTask, TaskChange};
pub use self::progress::BatchProgress;
pub use self::query::ExecutionFilter;
pub use self::recommend::RecommendRequest;
pub use self::stream::{StreamRequest, StreamRun};
pub use self::validate::{Judges, MAX_VALIDATED, NoJudges, Subject, ValidateBatch, ValidateItem, ValidateRequest};

/// Picked executions judged at a time on this node, and of one tenant.
const JUDGES: u32 = 8;
const JUDGES_PER_TENANT: u32 = 4;
/// How long the first repetition waits when the store does not answer.
const JUDGE_BACKOFF: Duration = Duration::from_secs(5);

/// What the service is told by its operator.
#[derive(Debug, Clone)]
pub struct TasksOptions {
    /// Whether executions are recorded.
    pub recording: bool,
    /// How long execution records are kept.
    pub keep_executions: Duration,
    /// How long batches are kept.
    pub keep_batches: Duration,
    /// The most items in one batch.
    pub max_batch: usize,
    /// This node's name, so that its crash can be told from another node's work.
    pub node: String,
}

impl Default for TasksOptions {
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 24 * 3_600);
        Self {
            recording: true,
            keep_executions: days(30),
            keep_batches: days(30),
            max_batch: 1_000_000,
            node: "local".to_owned(),
        }
    }
}

/// The service. Cheap to clone.
#[derive(Clone)]
pub struct Tasks {
    shared: Arc<Shared>,
}

struct Shared {
    options: TasksOptions,
    stores: Stores,
    extensions: Extensions,
    clock: Arc<dyn Clock>,
    compiled: compiled::Cache,
    recorder: recorder::Recorder,
    live: progress::Live,
    hooks: Hooks,
    sampling: judging::Sampling,
    /// Judges what samplers picked.
    judge: Arc<Worker>,
}

impl std::fmt::Debug for Tasks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tasks")
    }
}

impl Tasks {
    /// The service over these stores and extensions. Starts its recorder, so call it on a runtime.
    #[must_use]
    pub fn new(options: TasksOptions, stores: Stores, extensions: Extensions, hooks: Hooks, clock: Arc<dyn Clock>) -> Self {
        let recorder = recorder::Recorder::start(&stores, options.recording);
        let judge = Worker::new(
            &stores,
            clock.clone(),
            WorkKind::VALIDATION,
            JUDGES,
            JUDGES_PER_TENANT,
            JUDGE_BACKOFF,
        );
        let shared = Shared {
            options,
            stores,
            extensions,
            clock,
            compiled: compiled::Cache::default(),
            recorder,
            live: progress::Live::default(),
            hooks,
            sampling: judging::Sampling::default(),
            judge: Arc::new(judge),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Waits until every record handed over so far is committed. Asked before the process ends.
    pub async fn flush(&self) {
        self.shared.recorder.flush().await;
    }
}
