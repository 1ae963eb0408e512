use async_trait::async_trait;
use oriel_model::binding::{Binding, Origin};
use oriel_model::id::{BindingId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{BindingChange, BindingFilter, Bindings, NewAudit, Result, StoreError, Versioned, cursor, twin};
use sqlx::AssertSqlSafe;

use super::Store;
use super::audit::Audited;
use super::versions::{self, BINDINGS};
use crate::db::{Param, Transaction, params};
use crate::error::{corrupt, named};

const CONFLICT: StoreError = StoreError::Conflict { what: "binding" };

const INSERT: &str = "INSERT INTO bindings (tenant, id, kind, point, extension, origin, revision, twin, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const PUT: &str = "INSERT INTO bindings (tenant, id, kind, point, extension, origin, revision, twin, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (tenant, id) DO UPDATE SET kind = excluded.kind, point = excluded.point, extension = excluded.extension,
    origin = excluded.origin, revision = excluded.revision, twin = excluded.twin, body = excluded.body";
const UPDATE: &str = "UPDATE bindings SET kind = $3, point = $4, extension = $5, origin = $6, revision = $7, twin = $8, body = $9
    WHERE tenant = $1 AND id = $2 AND revision = $10";

/// The columns `tenant, id, kind, point, extension, origin, revision, twin, body`, in this order.
fn columns(tenant: TenantId, binding: &Binding) -> Result<Vec<Param>> {
    Ok(params![
        tenant.to_string(),
        binding.id.to_string(),
        binding.kind.as_str(),
        binding.point.as_bytes(),
        binding.contribution.extension.as_str(),
        word(binding.origin),
        binding.revision,
        &twin(binding).bytes()[..],
        serde_json::to_string(binding).map_err(corrupt)?,
    ])
}

const fn word(origin: Origin) -> &'static str {
    match origin {
        Origin::Api => "api",
        Origin::File => "file",
        Origin::Platform => "platform",
    }
}

/// Drops the bindings of a tenant's extension that go with it.
pub(super) async fn forget(transaction: &mut Transaction, tenant: TenantId, extension: &str) -> Result<()> {
    let forget = "DELETE FROM bindings WHERE tenant = $1 AND extension = $2 AND origin <> 'file'";
    if transaction.execute(forget, params![tenant.to_string(), extension]).await? > 0 {
        versions::bump(transaction, tenant, BINDINGS).await?;
    }
    Ok(())
}

#[async_trait]
impl Bindings for Store {
    async fn insert(&self, tenant: TenantId, binding: Binding, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let inserted = audited.transaction.execute(INSERT, columns(tenant, &binding)?).await;
        inserted.map_err(|error| named(error, "binding"))?;
        versions::bump(&mut audited.transaction, tenant, BINDINGS).await?;
        audited.commit(audit).await.map(drop)
    }

    async fn get(&self, tenant: TenantId, id: BindingId) -> Result<Option<Binding>> {
        let get = "SELECT body FROM bindings WHERE tenant = $1 AND id = $2";
        let row = self.db.row(get, params![tenant.to_string(), id.to_string()]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn list(&self, tenant: TenantId, filter: &BindingFilter, page: PageRequest) -> Result<Page<Binding>> {
        let after = match cursor::decode("bindings", &page)? {
            Some(place) => place.parse::<BindingId>().map_err(|_| StoreError::Cursor)?.to_string(),
            None => String::new(),
        };
        let mut sql = String::from("SELECT body FROM bindings WHERE tenant = $1 AND id > $2");
        let mut params = params![tenant.to_string(), after, cursor::limit(&page) + 1];
        let conditions = [
            ("kind", filter.kind.map(|kind| Param::from(kind.as_str()))),
            ("point", filter.point.as_ref().map(|point| Param::from(point.as_bytes()))),
            (
                "extension",
                filter.extension.as_ref().map(|extension| Param::from(extension.as_str())),
            ),
        ];
        for (column, value) in conditions {
            if let Some(value) = value {
                params.push(value);
                sql.push_str(&format!(" AND {column} = ${}", params.len()));
            }
        }
        sql.push_str(" ORDER BY id LIMIT $3");
        // Only conditions written above are in the text.
        let rows = self.db.rows(AssertSqlSafe(sql), params).await?;
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Binding>>>()?;
        Ok(cursor::page("bindings", &page, items, |binding| binding.id.to_string()))
    }

    async fn all(&self, tenant: TenantId) -> Result<Versioned<Binding>> {
        // One statement, so that the version and the bindings are of one moment.
        let all = "SELECT v.version, b.body FROM list_versions v LEFT JOIN bindings b ON b.tenant = v.tenant
            WHERE v.tenant = $1 AND v.list = 'bindings' ORDER BY b.id";
        versions::read(&self.db.rows(all, params![tenant.to_string()]).await?)
    }

    async fn declared_in_files(&self) -> Result<Vec<TenantId>> {
        let tenants = "SELECT DISTINCT tenant FROM bindings WHERE origin = 'file' ORDER BY tenant";
        let rows = self.db.rows(tenants, params![]).await?;
        rows.iter().map(|row| row.parse(0)).collect()
    }

    async fn version(&self, tenant: TenantId) -> Result<u64> {
        versions::version(&self.db, tenant, BINDINGS).await
    }

    async fn update(&self, tenant: TenantId, binding: Binding, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let mut params = columns(tenant, &binding)?;
        params.push(expected.into());
        let changed = audited.transaction.execute(UPDATE, params).await;
        if changed.map_err(|error| named(error, "binding"))? == 0 {
            return Err(CONFLICT);
        }
        versions::bump(&mut audited.transaction, tenant, BINDINGS).await?;
        audited.commit(audit).await.map(drop)
    }

    async fn delete(&self, tenant: TenantId, id: BindingId, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let delete = "DELETE FROM bindings WHERE tenant = $1 AND id = $2 AND revision = $3";
        let params = params![tenant.to_string(), id.to_string(), expected];
        if audited.transaction.execute(delete, params).await? == 0 {
            return Err(CONFLICT);
        }
        versions::bump(&mut audited.transaction, tenant, BINDINGS).await?;
        audited.commit(audit).await.map(drop)
    }

    async fn apply(&self, tenant: TenantId, changes: Vec<BindingChange>, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        if versions::bump(&mut audited.transaction, tenant, BINDINGS).await? != expected.saturating_add(1) {
            return Err(CONFLICT);
        }
        for change in changes {
            match change {
                BindingChange::Put(binding) => {
                    let put = audited.transaction.execute(PUT, columns(tenant, &binding)?).await;
                    put.map_err(|error| named(error, "binding"))?;
                }
                BindingChange::Remove(id) => {
                    let remove = "DELETE FROM bindings WHERE tenant = $1 AND id = $2";
                    audited
                        .transaction
                        .execute(remove, params![tenant.to_string(), id.to_string()])
                        .await?;
                }
            }
        }
        audited.commit(audit).await.map(drop)
    }
}
