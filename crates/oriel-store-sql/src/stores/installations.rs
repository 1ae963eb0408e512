use async_trait::async_trait;
use oriel_model::Digest;
use oriel_model::id::TenantId;
use oriel_model::installation::{Installation, Release};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Installations, NewAudit, Result, StoreError, cursor};

use super::audit::Audited;
use super::{Store, anomalies, bindings, key_value};
use crate::db::{Param, params};
use crate::error::{corrupt, named};

const CONFLICT: StoreError = StoreError::Conflict { what: "installation" };

/// The columns `tenant, name, revision, package, previous_package, pending_package, body, canary_package`, in this order.
fn columns(installation: &Installation) -> Result<Vec<Param>> {
    let digest = |release: &Release| release.package.to_string();
    Ok(params![
        installation.tenant.to_string(),
        installation.name.as_str(),
        installation.revision,
        installation.release.package,
        installation.previous.as_ref().map(|previous| digest(&previous.release)),
        installation.pending.as_ref().map(digest),
        serde_json::to_string(installation).map_err(corrupt)?,
        installation.canary.as_ref().map(|canary| digest(&canary.release)),
    ])
}

#[async_trait]
impl Installations for Store {
    async fn insert(&self, installation: Installation, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, installation.tenant).await?;
        let insert = "INSERT INTO installations (tenant, name, revision, package, previous_package, pending_package, body, canary_package)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        audited
            .transaction
            .execute(insert, columns(&installation)?)
            .await
            .map_err(|error| named(error, "installation"))?;
        audited.commit(audit).await.map(drop)
    }

    async fn get(&self, tenant: TenantId, name: &str) -> Result<Option<Installation>> {
        let get = "SELECT body FROM installations WHERE tenant = $1 AND name = $2";
        let row = self.db.row(get, params![tenant.to_string(), name]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Installation>> {
        let after = cursor::decode("installations", &page)?.unwrap_or_default();
        let list = "SELECT body FROM installations WHERE tenant = $1 AND name > $2 ORDER BY name LIMIT $3";
        let params = params![tenant.to_string(), after, cursor::limit(&page) + 1];
        let rows = self.db.rows(list, params).await?;
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Installation>>>()?;
        Ok(cursor::page("installations", &page, items, |item| item.name.as_str().to_owned()))
    }

    async fn update(&self, installation: Installation, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, installation.tenant).await?;
        let update = "UPDATE installations
            SET revision = $3, package = $4, previous_package = $5, pending_package = $6, body = $7, canary_package = $8
            WHERE tenant = $1 AND name = $2 AND revision = $9";
        let mut params = columns(&installation)?;
        params.push(expected.into());
        if audited.transaction.execute(update, params).await? == 0 {
            return Err(CONFLICT);
        }
        audited.commit(audit).await.map(drop)
    }

    async fn delete(&self, tenant: TenantId, name: &str, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let delete = "DELETE FROM installations WHERE tenant = $1 AND name = $2 AND revision = $3";
        let params = params![tenant.to_string(), name, expected];
        if audited.transaction.execute(delete, params).await? == 0 {
            return Err(CONFLICT);
        }
        let logs = "DELETE FROM log_lines WHERE tenant = $1 AND extension = $2";
        audited.transaction.execute(logs, params![tenant.to_string(), name]).await?;
        bindings::forget(&mut audited.transaction, tenant, name).await?;
        let tallies = "DELETE FROM canary_tallies WHERE tenant = $1 AND extension = $2";
        audited.transaction.execute(tallies, params![tenant.to_string(), name]).await?;
        anomalies::forget(&mut audited.transaction, tenant, name).await?;
        key_value::forget(&mut audited.transaction, tenant, name).await?;
        audited.commit(audit).await.map(drop)
    }

    async fn record_release(&self, tenant: TenantId, release: &Release) -> Result<()> {
        let (name, version) = (release.manifest.name.as_str(), release.manifest.version.to_string());
        // Whoever was first decides; nobody changes or deletes it later.
        let note = "INSERT INTO releases (tenant, name, version, package) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant, name, version) DO UPDATE SET package = releases.package RETURNING package";
        let params = params![tenant.to_string(), name, version, release.package];
        let rows = self.db.write_rows(note, params).await?;
        let known: Digest = rows.first().ok_or_else(|| corrupt("a release answers nothing"))?.parse(0)?;
        if known == release.package {
            Ok(())
        } else {
            Err(StoreError::Exists { what: "release" })
        }
    }

    async fn uses_package(&self, package: Digest) -> Result<bool> {
        let uses = "SELECT 1 FROM installations WHERE package = $1
            UNION ALL SELECT 1 FROM installations WHERE previous_package = $1
            UNION ALL SELECT 1 FROM installations WHERE pending_package = $1
            UNION ALL SELECT 1 FROM installations WHERE canary_package = $1 LIMIT 1";
        Ok(self.db.row(uses, params![package]).await?.is_some())
    }
}
