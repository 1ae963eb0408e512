//! Records that a journal promises: what happens when the database, the journal or the process fails.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::id::TenantId;
use oriel_model::page::PageRequest;

use oriel_model::{Coded, ErrorCode, Timestamp};
use oriel_store::{Executions, Journal, Segment, SegmentFilter, SegmentHead, StoreError, Stores};
use oriel_store_fs::FsJournal;
use oriel_tasks::{ExecutionFilter, TaskError, TasksOptions};
use serde_json::{Value, json};

use crate::execute::input;
use crate::manage::{Desk, any};
use crate::records::read;

/// A database that can be made to refuse records.
struct Database {
    inner: Arc<dyn Executions>,
    refuses: AtomicBool,
}

#[async_trait]
impl Executions for Database {
    async fn append(&self, segments: Vec<Segment>) -> oriel_store::Result<()> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable { source: "refused".into() });
        }
        self.inner.append(segments).await
    }
    async fn find(&self, tenant: TenantId, filter: &SegmentFilter, offset: u32, limit: u32) -> oriel_store::Result<Vec<SegmentHead>> {
        self.inner.find(tenant, filter, offset, limit).await
    }
    async fn body(&self, head: &SegmentHead) -> oriel_store::Result<Option<Bytes>> {
        self.inner.body(head).await
    }
    async fn replace(&self, old: &[SegmentHead], new: Segment) -> oriel_store::Result<bool> {
        self.inner.replace(old, new).await
    }
    async fn prune(&self, before: Timestamp, limit: u32) -> oriel_store::Result<u64> {
        self.inner.prune(before, limit).await
    }
    async fn fragmented(&self, at_most: u32, more_than: u32) -> oriel_store::Result<Vec<TenantId>> {
        self.inner.fragmented(at_most, more_than).await
    }
}

/// A desk with a journal in a directory, and its database.
struct Node {
    desk: Desk,
    database: Arc<Database>,
    directory: tempfile::TempDir,
}

impl Node {
    async fn start(sync: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut database = None;
        let desk = Desk::with(TasksOptions::default(), |stores| {
            let inner = stores.executions.clone();
            let refuses = AtomicBool::new(false);
            let executions = database.insert(Arc::new(Database { inner, refuses })).clone();
            let journal = Some(open(directory.path(), sync));
            Stores {
                executions,
                journal,
                ..stores
            }
        })
        .await;
        desk.task("t", "echo", "echo", any()).await;
        let database = database.unwrap();
        Self { desk, database, directory }
    }

    fn refuse(&self, refuses: bool) {
        self.database.refuses.store(refuses, Ordering::Relaxed);
    }

    async fn execute(&self, value: Value) -> Result<(), TaskError> {
        let owner = &self.desk.world.owner;
        self.desk.tasks.execute(owner, "t", input(&value)).await.map(drop)
    }

    /// How many executions a search finds.
    async fn found(&self) -> usize {
        read(&self.desk, &ExecutionFilter::default(), 100).await.len()
    }

    /// Another process on the same database and directory, before it has recovered.
    fn again(mut self) -> Self {
        let mut stores = self.desk.world.stores.clone();
        stores.journal = Some(open(self.directory.path(), false));
        self.desk.tasks = super::manage::service(TasksOptions::default(), &stores, &self.desk.world);
        self
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

fn open(directory: &Path, sync: bool) -> Arc<dyn Journal> {
    Arc::new(FsJournal::open(directory, sync).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_what_was_just_answered() {
    for sync in [false, true] {
        let node = Node::start(sync).await;
        for n in 1..=20 {
            node.execute(json!(n)).await.unwrap();
            assert_eq!(node.found().await, n);
        }
        assert!(node.files().is_empty(), "the database has everything");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_for_a_while_loses_nothing() {
    let node = Node::start(false).await;
    node.refuse(true);
    for n in 0..50 {
        node.execute(json!(n)).await.unwrap();
    }
    let owner = &node.desk.world.owner;
    let all = ExecutionFilter::default();
    let search = node.desk.tasks.executions(owner, &all, PageRequest::first());
    assert_eq!(search.await.unwrap_err().code(), ErrorCode::StoreUnavailable);
    node.execute(json!("after")).await.unwrap();
    node.refuse(false);
    assert_eq!(node.found().await, 51);
    assert!(node.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_process_promised_is_there_after_the_next_start() {
    let node = Node::start(false).await;
    node.refuse(true);
    for n in 0..50 {
        node.execute(json!(n)).await.unwrap();
    }
    node.desk.tasks.flush().await;
    let node = node.again();
    node.desk.tasks.recover().await.unwrap_err();
    node.refuse(false);
    node.desk.tasks.recover().await.unwrap();
    assert_eq!(node.found().await, 50);
    assert!(node.files().is_empty());
    node.execute(json!("after")).await.unwrap();
    assert_eq!(node.found().await, 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_death_between_the_transaction_and_forgetting_shows_each_record_once() {
    let node = Node::start(false).await;
    node.refuse(true);
    for n in 0..50 {
        node.execute(json!(n)).await.unwrap();
    }
    let parts: Vec<_> = node.files().into_iter().map(|part| (std::fs::read(&part).unwrap(), part)).collect();
    node.refuse(false);
    assert_eq!(node.found().await, 50);
    for (content, part) in parts {
        std::fs::write(part, content).unwrap();
    }
    let node = node.again();
    node.desk.tasks.recover().await.unwrap();
    assert_eq!(node.found().await, 50);
    assert!(node.files().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_cannot_be_written_promises_nothing() {
    let node = Node::start(false).await;
    node.execute(json!("before")).await.unwrap();
    assert_eq!(node.found().await, 1);
    std::fs::remove_dir(node.directory.path()).unwrap();
    assert_eq!(node.execute(json!("lost")).await.unwrap_err().code(), ErrorCode::StoreUnavailable);
    std::fs::create_dir(node.directory.path()).unwrap();
    node.execute(json!("after")).await.unwrap();
    assert_eq!(node.found().await, 2, "the refused one has no record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_of_another_release_stops_the_start() {
    let node = Node::start(false).await;
    open(node.directory.path(), false).append(b"from the future").unwrap();
    let node = node.again();
    let error = node.desk.tasks.recover().await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::StoreCorrupt);
    assert_eq!(node.files().len(), 1, "it stays for the release that can read it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_the_database_is_bounded() {
    let node = Node::start(false).await;
    node.refuse(true);
    // Each record has its input and its output.
    let megabyte = json!("x".repeat(500_000));
    let mut promised = 0;
    let refused = loop {
        match node.execute(megabyte.clone()).await {
            Ok(()) => promised += 1,
            Err(error) => break error,
        }
        assert!(promised < 300, "nothing bounds the memory");
    };
    assert_eq!(refused.code(), ErrorCode::StoreUnavailable);
    assert!(promised > 200, "refused after {promised}");
    node.refuse(false);
    assert_eq!(node.found().await, promised);
    node.execute(json!("after")).await.unwrap();
}
