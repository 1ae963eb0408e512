//! Log lines, within the call's budget of bytes.

use std::sync::Arc;

use oriel_model::id::ExecutionId;
use oriel_model::log::LogLevel;
use parking_lot::Mutex;

use crate::bindings::log::{Host, Level};
use crate::ports::{LogRecord, LogSink};
use crate::state::State;

/// The log of one instance: what the guest writes through `log` and through its standard streams.
pub(crate) struct Lines {
    sink: Arc<dyn LogSink>,
    budget: Mutex<Budget>,
}

#[derive(Default)]
struct Budget {
    execution: Option<ExecutionId>,
    left: u64,
    dropped: u32,
}

impl Lines {
    pub(crate) fn new(sink: Arc<dyn LogSink>) -> Self {
        Self {
            sink,
            budget: Mutex::default(),
        }
    }

    /// A call starts, with this many bytes.
    pub(crate) fn begin(&self, execution: Option<ExecutionId>, bytes: u64) {
        *self.budget.lock() = Budget {
            execution,
            left: bytes,
            dropped: 0,
        };
    }

    /// Writes one line, or drops and counts it when the budget is used up.
    pub(crate) fn write(&self, level: LogLevel, message: String, fields: Vec<(String, String)>) {
        let length = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let mut budget = self.budget.lock();
        let Some(left) = budget.left.checked_sub(length as u64) else {
            budget.dropped += 1;
            return;
        };
        budget.left = left;
        let execution = budget.execution;
        drop(budget);
        self.sink.write(LogRecord {
            execution,
            level,
            message,
            fields,
        });
    }

    /// The call is over: says how many lines were dropped, if any.
    pub(crate) fn end(&self) {
        let mut budget = self.budget.lock();
        let dropped = std::mem::take(&mut budget.dropped);
        let execution = budget.execution;
        drop(budget);
        if dropped > 0 {
            self.sink.write(LogRecord {
                execution,
                level: LogLevel::Warn,
                message: format!("{dropped} log lines were dropped: the call went over its `log` limit"),
                fields: vec![("dropped".to_owned(), dropped.to_string())],
            });
        }
    }
}

impl Host for State {
    fn write(&mut self, level: Level, message: String, fields: Vec<(String, String)>) -> wasmtime::Result<()> {
        let length = message.len() + fields.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.host_call(length)?;
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.lines().write(level, message, fields);
        Ok(())
    }
}
