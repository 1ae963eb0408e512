use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oriel_model::id::{TaskId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_model::task::Task;
use parking_lot::Mutex;

use super::audit::MemoryAudit;
use crate::{NewAudit, Result, StoreError, Tasks, cursor};

const CONFLICT: StoreError = StoreError::Conflict { what: "task" };
const EXISTS: StoreError = StoreError::Exists { what: "task" };

pub(super) struct MemoryTasks {
    by_id: Mutex<BTreeMap<(TenantId, TaskId), Task>>,
    audit: Arc<MemoryAudit>,
}

impl MemoryTasks {
    pub(super) fn new(audit: Arc<MemoryAudit>) -> Self {
        Self {
            by_id: Mutex::default(),
            audit,
        }
    }

    /// How many a tenant has.
    pub(super) fn count(&self, tenant: TenantId) -> u64 {
        self.by_id.lock().keys().filter(|(of, _)| *of == tenant).count() as u64
    }
}

#[async_trait]
impl Tasks for MemoryTasks {
    async fn insert(&self, tenant: TenantId, task: Task, audit: NewAudit) -> Result<()> {
        let mut tasks = self.by_id.lock();
        let taken = |(of, id): &(TenantId, TaskId), other: &Task| *of == tenant && (*id == task.id || other.name == task.name);
        if tasks.iter().any(|(place, other)| taken(place, other)) {
            return Err(EXISTS);
        }
        self.audit.add(tenant, audit);
        tasks.insert((tenant, task.id), task);
        Ok(())
    }

    async fn get(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>> {
        Ok(self.by_id.lock().get(&(tenant, id)).cloned())
    }

    async fn by_name(&self, tenant: TenantId, name: &str) -> Result<Option<Task>> {
        let tasks = self.by_id.lock();
        let found = tasks.iter().find(|((of, _), task)| *of == tenant && task.name.as_str() == name);
        Ok(found.map(|(_, task)| task.clone()))
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Task>> {
        let after = cursor::decode("tasks", &page)?;
        let tasks = self.by_id.lock();
        let mut items: Vec<Task> = tasks
            .iter()
            .filter(|((of, _), task)| *of == tenant && after.as_deref().is_none_or(|after| task.name.as_str() > after))
            .map(|(_, task)| task.clone())
            .collect();
        items.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(cursor::page("tasks", &page, items, |task| task.name.as_str().to_owned()))
    }

    async fn update(&self, tenant: TenantId, task: Task, expected: u64, audit: NewAudit) -> Result<()> {
        let mut tasks = self.by_id.lock();
        let place = (tenant, task.id);
        if tasks.get(&place).is_none_or(|stored| stored.revision != expected) {
            return Err(CONFLICT);
        }
        let taken = tasks
            .iter()
            .any(|((of, id), other)| *of == tenant && *id != task.id && other.name == task.name);
        if taken {
            return Err(EXISTS);
        }
        self.audit.add(tenant, audit);
        tasks.insert(place, task);
        Ok(())
    }

    async fn delete(&self, tenant: TenantId, id: TaskId, expected: u64, audit: NewAudit) -> Result<()> {
        let mut tasks = self.by_id.lock();
        if tasks.get(&(tenant, id)).is_none_or(|stored| stored.revision != expected) {
            return Err(CONFLICT);
        }
        self.audit.add(tenant, audit);
        tasks.remove(&(tenant, id));
        Ok(())
    }
}
