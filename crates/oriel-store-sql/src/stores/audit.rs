use async_trait::async_trait;
use oriel_model::Digest;
use oriel_model::audit::AuditEntry;
use oriel_model::id::TenantId;
use oriel_model::page::{Page, PageRequest};
use oriel_store::{AuditLog, NewAudit, Result, StoreError, cursor};

use super::Store;
use crate::db::{Db, Transaction, params};
use crate::error::corrupt;

/// A transaction that holds the end of one tenant's chain. It is taken before anything else, so that whatever changes
/// this tenant's things takes turns, on every node, and chains never fork.
pub(super) struct Audited {
    pub(super) transaction: Transaction,
    tenant: TenantId,
    last: Option<(u64, Digest)>,
}

impl Audited {
    pub(super) async fn begin(db: &Db, tenant: TenantId) -> Result<Self> {
        let mut transaction = db.begin().await?;
        // The update changes nothing; it locks the row and answers it, there or not before.
        let lock = "INSERT INTO audit_heads (tenant, sequence, hash) VALUES ($1, 0, $2)
            ON CONFLICT (tenant) DO UPDATE SET sequence = audit_heads.sequence RETURNING sequence, hash";
        let root = AuditEntry::root(tenant);
        let head = transaction.row(lock, params![tenant.to_string(), &root.bytes()[..]]).await?;
        let head = head.ok_or_else(|| corrupt("the audit head answers nothing"))?;
        let hash: [u8; 32] = head.blob(1)?.try_into().map_err(corrupt)?;
        let last = match head.count(0)? {
            0 => None,
            sequence => Some((sequence, Digest::from(hash))),
        };
        Ok(Self { transaction, tenant, last })
    }

    /// Appends what tells of the change and commits both.
    pub(super) async fn commit(mut self, entry: NewAudit) -> Result<AuditEntry> {
        let entry = entry.into_entry(self.tenant, self.last);
        let text = serde_json::to_string(&entry).map_err(corrupt)?;
        let tenant = self.tenant.to_string();
        let append = "INSERT INTO audit (tenant, sequence, entry) VALUES ($1, $2, $3)";
        self.transaction
            .execute(append, params![tenant.clone(), entry.sequence, text])
            .await?;
        let advance = "UPDATE audit_heads SET sequence = $2, hash = $3 WHERE tenant = $1";
        self.transaction
            .execute(advance, params![tenant, entry.sequence, &entry.hash.bytes()[..]])
            .await?;
        self.transaction.commit().await?;
        Ok(entry)
    }
}

#[async_trait]
impl AuditLog for Store {
    async fn append(&self, tenant: TenantId, entry: NewAudit) -> Result<AuditEntry> {
        Audited::begin(&self.db, tenant).await?.commit(entry).await
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<AuditEntry>> {
        let before = match cursor::decode("audit", &page)? {
            Some(place) => place.parse::<u64>().map_err(|_| StoreError::Cursor)?,
            None => u64::MAX,
        };
        let newest = "SELECT entry FROM audit WHERE tenant = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3";
        let params = params![tenant.to_string(), before, cursor::limit(&page) + 1];
        let rows = self.db.rows(newest, params).await?;
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<AuditEntry>>>()?;
        Ok(cursor::page("audit", &page, items, |entry| entry.sequence.to_string()))
    }

    async fn scan(&self, tenant: TenantId, sequence: u64, limit: u32) -> Result<Vec<AuditEntry>> {
        let oldest = "SELECT entry FROM audit WHERE tenant = $1 AND sequence >= $2 ORDER BY sequence LIMIT $3";
        let rows = self.db.rows(oldest, params![tenant.to_string(), sequence, limit]).await?;
        rows.iter().map(|row| row.json(0)).collect()
    }
}
