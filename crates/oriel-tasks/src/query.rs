//! Searching execution records.

use oriel_access::{Access, Principal};
use oriel_model::Timestamp;
use oriel_model::access::Scope;
use oriel_model::execution::{Execution, ExecutionStatus};
use oriel_model::id::{BatchId, ExecutionId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{SegmentFilter, SegmentHead};

use crate::segment::SegmentReader;
use crate::{TaskError, Tasks};

/// Segment heads read at once.
const HEADS: u32 = 64;
/// Segments opened for one page. A rare match in a long history then takes several pages, each with a cursor,
/// instead of one request without end.
const OPENED: usize = 2_000;

/// What to search; absent fields do not narrow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionFilter {
    /// Of this task, by id or name.
    pub task: Option<String>,
    /// Of this extension.
    pub extension: Option<String>,
    /// With this end.
    pub status: Option<ExecutionStatus>,
    /// Started at or after this.
    pub from: Option<Timestamp>,
    /// Started before this.
    pub to: Option<Timestamp>,
    /// Of this batch.
    pub batch: Option<BatchId>,
}

impl Tasks {
    /// Executions of the principal's tenant, newest first. A page may be shorter than its limit and still have a
    /// cursor: then the search goes on there.
    ///
    /// # Errors
    /// When the principal may not, the task is unknown, or the cursor is foreign.
    pub async fn executions(
        &self,
        principal: &Principal,
        filter: &ExecutionFilter,
        page: PageRequest,
    ) -> Result<Page<Execution>, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        self.settle().await?;
        let before = page
            .cursor
            .as_deref()
            .map(str::parse::<ExecutionId>)
            .transpose()
            .map_err(|_| TaskError::Cursor)?;
        let task = match &filter.task {
            Some(task) => Some(self.find(principal.tenant, task).await?.id),
            None => None,
        };
        let segments = SegmentFilter {
            task,
            extension: filter.extension.clone(),
            batch: filter.batch,
            failed: filter.status.map(|status| status == ExecutionStatus::Failed),
            from: filter.from,
            to: filter.to,
            before,
            ..SegmentFilter::default()
        };
        let matches = |execution: &Execution| {
            before.is_none_or(|before| execution.id < before)
                && filter.status.is_none_or(|status| execution.status == status)
                && filter.from.is_none_or(|from| execution.started_at >= from)
                && filter.to.is_none_or(|to| execution.started_at < to)
        };
        self.search(principal.tenant, &segments, page.limit as usize, matches).await
    }

    async fn search(
        &self,
        tenant: TenantId,
        filter: &SegmentFilter,
        limit: usize,
        matches: impl Fn(&Execution) -> bool,
    ) -> Result<Page<Execution>, TaskError> {
        // Newest first; one more than wanted tells whether there is a next page.
        let mut found: Vec<Execution> = Vec::new();
        let (mut offset, mut opened) = (0, 0);
        loop {
            let heads = self.shared.stores.executions.find(tenant, filter, offset, HEADS).await?;
            let last_heads = heads.len() < HEADS as usize;
            for head in heads {
                // Segments come by their largest id: once a page of larger ids is there, no later segment matters.
                if found.len() > limit && found[limit].id > head.last {
                    return Ok(cut(found, limit));
                }
                if opened == OPENED {
                    // Everything above this segment has been seen: the next page goes on below it.
                    found.retain(|execution| execution.id > head.last);
                    let cursor = above(head.last);
                    let mut page = cut(found, limit);
                    page.next_cursor.get_or_insert(cursor);
                    return Ok(page);
                }
                opened += 1;
                self.open(&head, |execution| {
                    if matches(&execution) {
                        found.push(execution);
                    }
                })
                .await?;
                found.sort_unstable_by_key(|execution| std::cmp::Reverse(execution.id));
                // Compaction may show a record twice while it replaces segments.
                found.dedup_by(|a, b| a.id == b.id);
                found.truncate(limit + 1);
            }
            if last_heads {
                return Ok(cut(found, limit));
            }
            offset += HEADS;
        }
    }

    /// One execution of the principal's tenant.
    ///
    /// # Errors
    /// When the principal may not, or the tenant has no such execution.
    pub async fn execution(&self, principal: &Principal, id: &str) -> Result<Execution, TaskError> {
        Access::require(principal, Scope::TasksRead)?;
        let not_found = || TaskError::ExecutionNotFound {
            id: id.chars().take(64).collect(),
        };
        let wanted: ExecutionId = id.parse().map_err(|_| not_found())?;
        self.settle().await?;
        let filter = SegmentFilter {
            holding: Some(wanted),
            ..SegmentFilter::default()
        };
        let mut offset = 0;
        loop {
            let heads = self.shared.stores.executions.find(principal.tenant, &filter, offset, HEADS).await?;
            let last_heads = heads.len() < HEADS as usize;
            for head in heads {
                let mut found = None;
                self.open(&head, |execution| {
                    if execution.id == wanted {
                        found = Some(execution);
                    }
                })
                .await?;
                if let Some(execution) = found {
                    return Ok(execution);
                }
            }
            if last_heads {
                return Err(not_found());
            }
            offset += HEADS;
        }
    }

    /// Brings what has been recorded to where a search finds it.
    pub(crate) async fn settle(&self) -> Result<(), TaskError> {
        self.shared.recorder.settle().await.map_err(|source| TaskError::Record { source })
    }

    /// Calls `each` with every record of a segment; with none when it is gone meanwhile.
    async fn open(&self, head: &SegmentHead, mut each: impl FnMut(Execution)) -> Result<(), TaskError> {
        let Some(body) = self.shared.stores.executions.body(head).await? else {
            return Ok(());
        };
        let reader = SegmentReader::open(head.tenant, &body)?;
        let mut fault = None;
        reader.for_each(|record| match reader.execution(record) {
            Ok(execution) => each(execution),
            Err(error) => fault = Some(error),
        })?;
        fault.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// The cursor that includes `id` itself in the next page.
fn above(id: ExecutionId) -> String {
    ExecutionId::from_ulid(ulid::Ulid(id.ulid().0.saturating_add(1))).to_string()
}

fn cut(mut found: Vec<Execution>, limit: usize) -> Page<Execution> {
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = if more {
        found.last().map(|execution| execution.id.to_string())
    } else {
        None
    };
    Page { items: found, next_cursor }
}
