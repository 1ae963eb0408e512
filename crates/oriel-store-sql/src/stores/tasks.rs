use async_trait::async_trait;
use oriel_model::id::{TaskId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_model::task::Task;
use oriel_store::{NewAudit, Result, StoreError, Tasks, cursor};

use super::Store;
use super::audit::Audited;
use crate::db::{Param, params};
use crate::error::{corrupt, named};

const CONFLICT: StoreError = StoreError::Conflict { what: "task" };

/// The columns `tenant, id, name, revision, body`, in this order.
fn columns(tenant: TenantId, task: &Task) -> Result<Vec<Param>> {
    Ok(params![
        tenant.to_string(),
        task.id.to_string(),
        task.name.as_str(),
        task.revision,
        serde_json::to_string(task).map_err(corrupt)?,
    ])
}

#[async_trait]
impl Tasks for Store {
    async fn insert(&self, tenant: TenantId, task: Task, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let insert = "INSERT INTO tasks (tenant, id, name, revision, body) VALUES ($1, $2, $3, $4, $5)";
        audited
            .transaction
            .execute(insert, columns(tenant, &task)?)
            .await
            .map_err(|error| named(error, "task"))?;
        audited.commit(audit).await.map(drop)
    }

    async fn get(&self, tenant: TenantId, id: TaskId) -> Result<Option<Task>> {
        let get = "SELECT body FROM tasks WHERE tenant = $1 AND id = $2";
        let row = self.db.row(get, params![tenant.to_string(), id.to_string()]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn by_name(&self, tenant: TenantId, name: &str) -> Result<Option<Task>> {
        let get = "SELECT body FROM tasks WHERE tenant = $1 AND name = $2";
        let row = self.db.row(get, params![tenant.to_string(), name]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Task>> {
        let after = cursor::decode("tasks", &page)?.unwrap_or_default();
        let list = "SELECT body FROM tasks WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3";
        let params = params![tenant.to_string(), after, cursor::limit(&page) + 1];
        let rows = self.db.rows(list, params).await?;
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Task>>>()?;
        Ok(cursor::page("tasks", &page, items, |task| task.name.as_str().to_owned()))
    }

    async fn update(&self, tenant: TenantId, task: Task, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let update = "UPDATE tasks SET name = $3, revision = $4, body = $5 WHERE tenant = $1 AND id = $2 AND revision = $6";
        let mut params = columns(tenant, &task)?;
        params.push(expected.into());
        let changed = audited.transaction.execute(update, params).await;
        if changed.map_err(|error| named(error, "task"))? == 0 {
            return Err(CONFLICT);
        }
        audited.commit(audit).await.map(drop)
    }

    async fn delete(&self, tenant: TenantId, id: TaskId, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let delete = "DELETE FROM tasks WHERE tenant = $1 AND id = $2 AND revision = $3";
        let params = params![tenant.to_string(), id.to_string(), expected];
        if audited.transaction.execute(delete, params).await? == 0 {
            return Err(CONFLICT);
        }
        audited.commit(audit).await.map(drop)
    }
}
