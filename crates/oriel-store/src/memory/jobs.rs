use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::id::{JobRunId, TenantId};
use oriel_model::job::{JobFailure, JobRun, JobState};
use oriel_model::name::ExtensionName;
use oriel_model::page::{Page, PageRequest};
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use super::work::MemoryWork;
use crate::{Carrier, JobFilter, Jobs, NewAudit, NewWork, Result, StoreError, cursor};

/// The name of the list, for its cursors.
const LIST: &str = "job-runs";

type Rows = BTreeMap<(TenantId, JobRunId), JobRun>;

pub(super) struct MemoryJobs {
    rows: Mutex<Rows>,
    audit: Arc<MemoryAudit>,
    work: Arc<MemoryWork>,
}

impl MemoryJobs {
    pub(super) fn new(audit: Arc<MemoryAudit>, work: Arc<MemoryWork>) -> Self {
        Self {
            rows: Mutex::default(),
            audit,
            work,
        }
    }
}

fn own<'a>(rows: &'a Rows, tenant: TenantId, extension: &'a str) -> impl Iterator<Item = &'a JobRun> {
    let rows = rows.iter().rev().filter(move |((owner, _), _)| *owner == tenant);
    rows.map(|(_, run)| run).filter(move |run| run.extension.as_str() == extension)
}

/// The other run that is not over and carries the key.
fn twin(rows: &Rows, tenant: TenantId, run: &JobRun) -> Option<JobRunId> {
    run.key.as_ref()?;
    let mut others = own(rows, tenant, run.extension.as_str());
    let same = |other: &&JobRun| other.id != run.id && other.job == run.job && other.key == run.key && !other.state.is_over();
    others.find(same).map(|other| other.id)
}

fn waiting(rows: &Rows, tenant: TenantId, extension: &str) -> u64 {
    own(rows, tenant, extension).filter(|run| run.state == JobState::Queued).count() as u64
}

#[async_trait]
impl Jobs for MemoryJobs {
    async fn insert(&self, tenant: TenantId, run: JobRun, unit: NewWork, most: u64, audit: Option<NewAudit>) -> Result<JobRunId> {
        let mut rows = self.rows.lock();
        if let Some(there) = twin(&rows, tenant, &run) {
            return Ok(there);
        }
        if waiting(&rows, tenant, run.extension.as_str()) >= most {
            return Err(StoreError::Quota { what: "job_queue" });
        }
        let id = run.id;
        rows.insert((tenant, id), run);
        if let Some(audit) = audit {
            self.audit.add(tenant, audit);
        }
        self.work.put(unit);
        Ok(id)
    }

    async fn get(&self, tenant: TenantId, id: JobRunId) -> Result<Option<JobRun>> {
        Ok(self.rows.lock().get(&(tenant, id)).cloned())
    }

    async fn list(&self, tenant: TenantId, extension: &str, filter: &JobFilter, page: PageRequest) -> Result<Page<JobRun>> {
        let before = match cursor::decode(LIST, &page)? {
            Some(place) => Some(place.parse::<JobRunId>().map_err(|_| StoreError::Cursor)?),
            None => None,
        };
        let rows = self.rows.lock();
        let found = own(&rows, tenant, extension)
            .filter(|run| before.is_none_or(|before| run.id < before))
            .filter(|run| filter.job.as_ref().is_none_or(|job| run.job == *job) && filter.state.is_none_or(|state| run.state == state))
            .take(cursor::limit(&page) + 1)
            .cloned()
            .collect();
        Ok(cursor::page(LIST, &page, found, |run: &JobRun| run.id.to_string()))
    }

    async fn update(
        &self,
        tenant: TenantId,
        run: JobRun,
        expected: u64,
        carrier: Carrier,
        most: u64,
        audit: Option<NewAudit>,
    ) -> Result<()> {
        let mut rows = self.rows.lock();
        let there = rows.get(&(tenant, run.id)).filter(|there| there.revision == expected);
        let there = there.ok_or(StoreError::Conflict { what: "job run" })?;
        let begins = there.state.is_over() && !run.state.is_over();
        if begins && twin(&rows, tenant, &run).is_some() {
            return Err(StoreError::Conflict { what: "job run" });
        }
        if begins && waiting(&rows, tenant, run.extension.as_str()) >= most {
            return Err(StoreError::Quota { what: "job_queue" });
        }
        let before = there.work;
        rows.insert((tenant, run.id), run);
        if let Some(audit) = audit {
            self.audit.add(tenant, audit);
        }
        match carrier {
            Carrier::Stays => {}
            Carrier::Goes => self.work.take(tenant, before),
            Carrier::Becomes(unit) => {
                self.work.take(tenant, before);
                self.work.put(unit);
            }
        }
        Ok(())
    }

    async fn waiting(&self, tenant: TenantId, extension: &str, job: Option<&str>) -> Result<u64> {
        let rows = self.rows.lock();
        let waiting = own(&rows, tenant, extension).filter(|run| run.state == JobState::Queued);
        Ok(waiting.filter(|run| job.is_none_or(|job| run.job.as_str() == job)).count() as u64)
    }

    async fn cancel_all(&self, tenant: TenantId, extension: &ExtensionName, reason: &JobFailure, now: Timestamp) -> Result<u64> {
        let mut rows = self.rows.lock();
        let mut count = 0;
        let own = rows
            .iter_mut()
            .filter(|((owner, _), run)| *owner == tenant && run.extension == *extension);
        for (_, run) in own.filter(|(_, run)| !run.state.is_over()) {
            run.state = JobState::Cancelled;
            run.error = Some(reason.clone());
            run.ended_at = Some(now);
            run.revision += 1;
            self.work.take(tenant, run.work);
            count += 1;
        }
        Ok(count)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let mut rows = self.rows.lock();
        let over = rows.iter().filter_map(|(place, run)| Some((run.ended_at?, *place)));
        let mut gone: Vec<_> = over.filter(|(ended_at, _)| *ended_at < before).collect();
        gone.sort_unstable();
        gone.truncate(limit as usize);
        for (_, place) in &gone {
            rows.remove(place);
        }
        Ok(gone.len() as u64)
    }
}
