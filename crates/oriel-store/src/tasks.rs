//! The port of tasks.

use async_trait::async_trait;
use oriel_model::id::{TaskId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_model::task::Task;

use crate::{NewAudit, Result};

/// Tasks by id and by name.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Adds a task at its revision.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the tenant has one of this name.
    async fn insert(&self, tenant: TenantId, task: Task, audit: NewAudit) -> Result<()>;

    /// The tenant's task with this id.
    async fn get(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>>;

    /// The tenant's task with this name.
    async fn by_name(&self, tenant: TenantId, name: &str) -> Result<Option<Task>>;

    /// By name, ascending.
    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Task>>;

    /// Replaces the task (same id) if its stored revision is `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not or the task is gone, [`crate::StoreError::Exists`] when the
    /// new name is taken.
    async fn update(&self, tenant: TenantId, task: Task, expected: u64, audit: NewAudit) -> Result<()>;

    /// Removes the task if its stored revision is `expected`.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when it is not or the task is gone.
    async fn delete(&self, tenant: TenantId, id: TaskId, expected: u64, audit: NewAudit) -> Result<()>;
}
