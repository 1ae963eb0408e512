//! Log lines: taken from guests without blocking, written in batches, read and followed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use oriel_model::access::{Principal, Scope};
use oriel_model::id::TenantId;
use oriel_model::log::LogLine;
use oriel_model::name::ExtensionName;
use oriel_model::time::Clock;
use oriel_sandbox::{LogRecord, LogSink};
use oriel_store::{LogFilter, Logs, NewLogLine};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{ExtensionError, Extensions};
use oriel_access::Access;

/// Lines that may wait for the writer; beyond it lines are dropped and counted, because a flood of logs must
/// neither block a guest nor fill the memory.
const WAITING: usize = 65_536;
/// Lines written in one transaction.
const BATCH: usize = 1_000;

/// Changes whenever lines were written: whoever follows a log waits on it and then reads on.
pub type LogWakeups = watch::Receiver<u64>;

pub(crate) struct LogWriter {
    lines: mpsc::Sender<Message>,
    written: watch::Receiver<u64>,
    clock: Arc<dyn Clock>,
    dropped: Arc<AtomicU64>,
}

enum Message {
    Line(NewLogLine),
    Flush(oneshot::Sender<()>),
}

impl LogWriter {
    pub(crate) fn start(store: Arc<dyn Logs>, clock: Arc<dyn Clock>) -> Self {
        let (lines, inbox) = mpsc::channel(WAITING);
        let (progress, written) = watch::channel(0);
        tokio::spawn(write(store, inbox, progress));
        Self {
            lines,
            written,
            clock,
            dropped: Arc::default(),
        }
    }

    pub(crate) fn sink(&self, tenant: TenantId, extension: ExtensionName) -> Sink {
        Sink {
            lines: self.lines.clone(),
            clock: self.clock.clone(),
            dropped: self.dropped.clone(),
            tenant,
            extension,
        }
    }

    pub(crate) async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.lines.send(Message::Flush(done)).await.is_ok() {
            let _ = wait.await;
        }
    }
}

async fn write(store: Arc<dyn Logs>, mut inbox: mpsc::Receiver<Message>, progress: watch::Sender<u64>) {
    let mut messages = Vec::with_capacity(BATCH);
    while inbox.recv_many(&mut messages, BATCH).await > 0 {
        let mut lines = Vec::with_capacity(messages.len());
        let mut flushes = Vec::new();
        for message in messages.drain(..) {
            match message {
                Message::Line(line) => lines.push(line),
                Message::Flush(done) => flushes.push(done),
            }
        }
        if !lines.is_empty() {
            let count = lines.len() as u64;
            match store.append(lines).await {
                Ok(()) => progress.send_modify(|written| *written += count),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, count, "log lines of extensions are lost"),
            }
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}

/// The log of one installation.
pub(crate) struct Sink {
    lines: mpsc::Sender<Message>,
    clock: Arc<dyn Clock>,
    dropped: Arc<AtomicU64>,
    tenant: TenantId,
    extension: ExtensionName,
}

impl LogSink for Sink {
    fn write(&self, record: LogRecord) {
        let line = NewLogLine {
            tenant: self.tenant,
            at: self.clock.now(),
            extension: self.extension.clone(),
            execution_id: record.execution,
            level: record.level,
            message: record.message,
            fields: record.fields,
        };
        if self.lines.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Extensions {
    /// Log lines of the principal's tenant; with `extension` in the filter, of that installation.
    ///
    /// # Errors
    /// When the principal may not, or nothing of that name is installed.
    pub async fn logs(&self, principal: &Principal, filter: &LogFilter) -> Result<Vec<LogLine>, ExtensionError> {
        Access::require(principal, Scope::ExtensionsRead)?;
        if let Some(name) = &filter.extension {
            self.find(principal.tenant, name.as_str()).await?;
        }
        Ok(self.shared.stores.logs.read(principal.tenant, filter).await?)
    }

    /// Wakes whoever follows logs.
    #[must_use]
    pub fn log_wakeups(&self) -> LogWakeups {
        self.shared.logs.written.clone()
    }

    /// Log lines that were dropped since the start because the writer did not keep up.
    #[must_use]
    pub fn dropped_log_lines(&self) -> u64 {
        self.shared.logs.dropped.load(Ordering::Relaxed)
    }
}
