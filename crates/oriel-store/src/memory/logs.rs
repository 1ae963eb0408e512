use std::collections::BTreeMap;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::TenantId;
use oriel_model::log::LogLine;
use oriel_model::name::ExtensionName;
use parking_lot::Mutex;

use crate::{LogFilter, Logs, NewLogLine, Result};

#[derive(Default)]
struct State {
    last: i64,
    lines: BTreeMap<i64, (TenantId, LogLine)>,
}

#[derive(Default)]
pub(super) struct MemoryLogs {
    state: Mutex<State>,
}

impl MemoryLogs {
    /// Drops all lines of a tenant's extension.
    pub(super) fn forget(&self, tenant: TenantId, extension: &ExtensionName) {
        let mut state = self.state.lock();
        state.lines.retain(|_, (of, line)| !(*of == tenant && line.extension == *extension));
    }
}

#[async_trait]
impl Logs for MemoryLogs {
    async fn append(&self, lines: Vec<NewLogLine>) -> Result<()> {
        let mut state = self.state.lock();
        for new in lines {
            state.last += 1;
            let line = LogLine {
                sequence: state.last,
                at: new.at,
                extension: new.extension,
                execution_id: new.execution_id,
                level: new.level,
                message: new.message,
                fields: new.fields,
            };
            let sequence = line.sequence;
            state.lines.insert(sequence, (new.tenant, line));
        }
        Ok(())
    }

    async fn read(&self, tenant: TenantId, filter: &LogFilter) -> Result<Vec<LogLine>> {
        let state = self.state.lock();
        let wanted = |(of, line): &&(TenantId, LogLine)| {
            *of == tenant && line.level >= filter.level && filter.extension.as_ref().is_none_or(|extension| line.extension == *extension)
        };
        let limit = filter.limit as usize;
        let copy = |(_, line): &(TenantId, LogLine)| line.clone();
        Ok(match filter.after {
            Some(i64::MAX) => Vec::new(),
            Some(after) => state
                .lines
                .range(after + 1..)
                .map(|(_, stored)| stored)
                .filter(wanted)
                .take(limit)
                .map(copy)
                .collect(),
            None => {
                let mut newest: Vec<LogLine> = state.lines.values().rev().filter(wanted).take(limit).map(copy).collect();
                newest.reverse();
                newest
            }
        })
    }

    async fn prune(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut state = self.state.lock();
        let old = state.lines.iter().filter(|(_, (_, line))| line.at < before);
        let mut gone: Vec<(Timestamp, i64)> = old.map(|(sequence, (_, line))| (line.at, *sequence)).collect();
        gone.sort_unstable();
        gone.truncate(limit as usize);
        for (_, sequence) in &gone {
            state.lines.remove(sequence);
        }
        Ok(gone.len() as u64)
    }
}
