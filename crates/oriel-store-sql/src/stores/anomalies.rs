use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::anomaly::{Anomaly, AnomalyState};
use oriel_model::id::{AnomalyId, InstallationId, TenantId};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Anomalies, AnomalyFilter, Baselines, KnownHost, NewAudit, Raised, Result, StoreError, cursor};

use super::Store;
use super::audit::Audited;
use crate::db::{Param, Transaction, params};
use crate::error::corrupt;

/// The name of the list, for its cursors.
const LIST: &str = "anomalies";

/// Takes away what was learned of an extension.
pub(super) async fn forget(transaction: &mut Transaction, tenant: TenantId, extension: &str) -> Result<()> {
    let rows = "DELETE FROM baselines WHERE tenant = $1 AND extension = $2";
    transaction.execute(rows, params![tenant.to_string(), extension]).await?;
    let hosts = "DELETE FROM known_hosts WHERE tenant = $1 AND extension = $2";
    transaction.execute(hosts, params![tenant.to_string(), extension]).await?;
    Ok(())
}

#[async_trait]
impl Baselines for Store {
    async fn get(&self, tenant: TenantId, extension: &str, node: &str) -> Result<Option<String>> {
        let get = "SELECT body FROM baselines WHERE tenant = $1 AND extension = $2 AND node = $3";
        let row = self.db.row(get, params![tenant.to_string(), extension, node]).await?;
        row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
    }

    async fn put(&self, tenant: TenantId, extension: &str, node: &str, body: String) -> Result<()> {
        let put = "INSERT INTO baselines (tenant, extension, node, body) VALUES ($1, $2, $3, $4)
            ON CONFLICT (tenant, extension, node) DO UPDATE SET body = excluded.body";
        self.db
            .write(put, params![tenant.to_string(), extension, node, body])
            .await
            .map(drop)
    }

    async fn meet(&self, tenant: TenantId, extension: &str, hosts: Vec<String>, at: Timestamp) -> Result<Vec<String>> {
        // In order, so that two nodes that meet the same hosts do not wait for each other in a circle.
        let hosts: std::collections::BTreeSet<String> = hosts.into_iter().collect();
        let mut transaction = self.db.begin().await?;
        let mut new = Vec::new();
        for host in hosts {
            let meet = "INSERT INTO known_hosts (tenant, extension, host, first_seen) VALUES ($1, $2, $3, $4)
                ON CONFLICT (tenant, extension, host) DO NOTHING";
            let params = params![tenant.to_string(), extension, host.as_str(), at];
            if transaction.execute(meet, params).await? > 0 {
                new.push(host);
            }
        }
        transaction.commit().await?;
        Ok(new)
    }

    async fn hosts(&self, tenant: TenantId, extension: &str, limit: u32) -> Result<Vec<KnownHost>> {
        let hosts = "SELECT host, first_seen FROM known_hosts WHERE tenant = $1 AND extension = $2 ORDER BY host LIMIT $3";
        let rows = self.db.rows(hosts, params![tenant.to_string(), extension, limit]).await?;
        rows.iter()
            .map(|row| {
                Ok(KnownHost {
                    host: row.text(0)?.to_owned(),
                    first_seen: row.moment(1)?,
                })
            })
            .collect()
    }
}

/// The columns `tenant, id, extension, installation, series, state, seen_at, revision, body`, in this order.
fn columns(tenant: TenantId, anomaly: &Anomaly) -> Result<Vec<Param>> {
    Ok(params![
        tenant.to_string(),
        anomaly.id.to_string(),
        anomaly.extension.as_str(),
        anomaly.installation.to_string(),
        anomaly.series(),
        anomaly.state.as_str(),
        anomaly.to,
        anomaly.revision,
        serde_json::to_string(anomaly).map_err(corrupt)?,
    ])
}

const UPDATE: &str = "UPDATE anomalies SET extension = $3, installation = $4, series = $5, state = $6, seen_at = $7, revision = $8,
    body = $9 WHERE tenant = $1 AND id = $2 AND revision = $10";

#[async_trait]
impl Anomalies for Store {
    async fn raise(&self, tenant: TenantId, anomaly: Anomaly, since: Timestamp, audit: NewAudit) -> Result<Raised> {
        // The chain's lock makes whoever raises for this tenant take turns.
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let find = "SELECT body FROM anomalies WHERE tenant = $1 AND installation = $2 AND series = $3 AND state <> $4 AND seen_at >= $5
            ORDER BY id DESC LIMIT 1";
        let params = params![
            tenant.to_string(),
            anomaly.installation.to_string(),
            anomaly.series(),
            AnomalyState::Dismissed.as_str(),
            since,
        ];
        if let Some(row) = audited.transaction.row(find, params).await? {
            let mut there: Anomaly = row.json(0)?;
            let expected = there.revision;
            there.seen_again(&anomaly);
            let mut params = columns(tenant, &there)?;
            params.push(expected.into());
            audited.transaction.execute(UPDATE, params).await?;
            audited.transaction.commit().await?;
            return Ok(Raised::Again(Box::new(there)));
        }
        let insert = "INSERT INTO anomalies (tenant, id, extension, installation, series, state, seen_at, revision, body)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        audited.transaction.execute(insert, columns(tenant, &anomaly)?).await?;
        audited.commit(audit).await?;
        Ok(Raised::New)
    }

    async fn get(&self, tenant: TenantId, id: AnomalyId) -> Result<Option<Anomaly>> {
        let get = "SELECT body FROM anomalies WHERE tenant = $1 AND id = $2";
        let row = self.db.row(get, params![tenant.to_string(), id.to_string()]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    async fn list(&self, tenant: TenantId, filter: &AnomalyFilter, page: PageRequest) -> Result<Page<Anomaly>> {
        let before = cursor::decode(LIST, &page)?;
        let list = "SELECT body FROM anomalies WHERE tenant = $1 AND ($2 IS NULL OR extension = $2) AND ($3 IS NULL OR state = $3)
            AND ($4 IS NULL OR id < $4) ORDER BY id DESC LIMIT $5";
        let params = params![
            tenant.to_string(),
            filter.extension.as_ref().map(|name| name.as_str().to_owned()),
            filter.state.map(|state| state.as_str().to_owned()),
            before,
            cursor::limit(&page) + 1,
        ];
        let rows = self.db.rows(list, params).await?;
        let found = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Anomaly>>>()?;
        Ok(cursor::page(LIST, &page, found, |anomaly| anomaly.id.to_string()))
    }

    async fn dismissed(&self, tenant: TenantId, installation: InstallationId, series: &str) -> Result<Vec<Anomaly>> {
        let dismissed = "SELECT body FROM anomalies WHERE tenant = $1 AND installation = $2 AND series = $3 AND state = $4
            ORDER BY id DESC LIMIT 100";
        let params = params![
            tenant.to_string(),
            installation.to_string(),
            series,
            AnomalyState::Dismissed.as_str()
        ];
        let rows = self.db.rows(dismissed, params).await?;
        rows.iter().map(|row| row.json(0)).collect()
    }

    async fn update(&self, tenant: TenantId, anomaly: Anomaly, expected: u64, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let mut params = columns(tenant, &anomaly)?;
        params.push(expected.into());
        if audited.transaction.execute(UPDATE, params).await? == 0 {
            return Err(StoreError::Conflict { what: "anomaly" });
        }
        audited.commit(audit).await.map(drop)
    }

    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let purge = "DELETE FROM anomalies WHERE (tenant, id) IN
            (SELECT tenant, id FROM anomalies WHERE seen_at < $1 ORDER BY seen_at LIMIT $2)";
        self.db.write(purge, params![before, limit]).await
    }
}
