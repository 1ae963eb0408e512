use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::access::{ApiKey, PrincipalId};
use oriel_model::id::{SessionId, TenantId, UserId};
use oriel_model::member::{Member, MemberKind, Session};
use oriel_model::page::{Page, PageRequest};
use oriel_store::{Members, NewAudit, Result, Sessions, StoreError, StoredSession, cursor};

use super::Store;
use super::audit::Audited;
use crate::db::{Param, Transaction, params};
use crate::error::{corrupt, named};

const CONFLICT: StoreError = StoreError::Conflict { what: "member" };

/// Where a member stands in the list: users first.
fn place(kind: MemberKind, id: PrincipalId) -> String {
    let rank = match kind {
        MemberKind::User => 0,
        MemberKind::ServiceAccount => 1,
    };
    format!("{rank}{id}")
}

/// The columns `tenant, id, kind, name, issuer, subject, owner, revision, place, body`, in this order.
fn columns(tenant: TenantId, member: &Member) -> Result<Vec<Param>> {
    Ok(params![
        tenant.to_string(),
        member.id.to_string(),
        member.kind.as_str(),
        member.name.as_str(),
        member.issuer.clone(),
        member.subject.clone(),
        i64::from(member.is_proven_owner()),
        member.revision,
        place(member.kind, member.id),
        serde_json::to_string(member).map_err(corrupt)?,
    ])
}

/// Whether a person other than `but` has shown to be able to manage the tenant.
pub(super) async fn has_owner(transaction: &mut Transaction, tenant: TenantId, but: &str) -> Result<bool> {
    let owners = "SELECT 1 FROM members WHERE tenant = $1 AND owner = 1 AND id <> $2 LIMIT 1";
    let row = transaction.row(owners, params![tenant.to_string(), but]).await?;
    Ok(row.is_some())
}

/// Whether a key has all of the tenant at `at`.
async fn has_owner_key(transaction: &mut Transaction, tenant: TenantId, at: Timestamp) -> Result<bool> {
    let live = "SELECT body FROM api_keys WHERE tenant = $1 AND revoked_at IS NULL";
    let rows = transaction.rows(live, params![tenant.to_string()]).await?;
    for row in rows {
        if row.json::<ApiKey>(0)?.is_full_owner(at) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Store {
    async fn member(&self, condition: &'static str, params: Vec<Param>) -> Result<Option<Member>> {
        let row = self.db.row(condition, params).await?;
        row.map(|row| row.json(0)).transpose()
    }
}

#[async_trait]
impl Members for Store {
    async fn insert(&self, tenant: TenantId, member: Member, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let insert = "INSERT INTO members (tenant, id, kind, name, issuer, subject, owner, revision, place, body)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let inserted = audited.transaction.execute(insert, columns(tenant, &member)?).await;
        inserted.map_err(|error| named(error, "member"))?;
        audited.commit(audit).await.map(drop)
    }

    async fn get(&self, tenant: TenantId, id: PrincipalId) -> Result<Option<Member>> {
        let get = "SELECT body FROM members WHERE tenant = $1 AND id = $2";
        self.member(get, params![tenant.to_string(), id.to_string()]).await
    }

    async fn by_name(&self, tenant: TenantId, kind: MemberKind, name: &str) -> Result<Option<Member>> {
        let get = "SELECT body FROM members WHERE tenant = $1 AND kind = $2 AND name = $3";
        self.member(get, params![tenant.to_string(), kind.as_str(), name]).await
    }

    async fn by_subject(&self, tenant: TenantId, issuer: &str, subject: &str) -> Result<Option<Member>> {
        let get = "SELECT body FROM members WHERE tenant = $1 AND issuer = $2 AND subject = $3";
        self.member(get, params![tenant.to_string(), issuer, subject]).await
    }

    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Member>> {
        let after = cursor::decode("members", &page)?.unwrap_or_default();
        let list = "SELECT body FROM members WHERE tenant = $1 AND place > $2 ORDER BY place LIMIT $3";
        let params = params![tenant.to_string(), after, cursor::limit(&page) + 1];
        let rows = self.db.rows(list, params).await?;
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Member>>>()?;
        Ok(cursor::page("members", &page, items, |member| place(member.kind, member.id)))
    }

    async fn update(&self, tenant: TenantId, member: Member, expected: u64, owner_at: Option<Timestamp>, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let update = "UPDATE members SET kind = $3, name = $4, issuer = $5, subject = $6, owner = $7, revision = $8, place = $9, body = $10
            WHERE tenant = $1 AND id = $2 AND revision = $11";
        let mut params = columns(tenant, &member)?;
        params.push(expected.into());
        let changed = audited.transaction.execute(update, params).await;
        if changed.map_err(|error| named(error, "member"))? == 0 {
            return Err(CONFLICT);
        }
        if let Some(at) = owner_at
            && !member.is_proven_owner()
            && !has_owner(&mut audited.transaction, tenant, "").await?
            && !has_owner_key(&mut audited.transaction, tenant, at).await?
        {
            return Err(StoreError::Conflict { what: "owner" });
        }
        audited.commit(audit).await.map(drop)
    }

    async fn remove(&self, tenant: TenantId, id: PrincipalId, at: Timestamp, audit: NewAudit) -> Result<bool> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let transaction = &mut audited.transaction;
        let get = "SELECT body FROM members WHERE tenant = $1 AND id = $2";
        let Some(row) = transaction.row(get, params![tenant.to_string(), id.to_string()]).await? else {
            return Ok(false);
        };
        let member: Member = row.json(0)?;
        let delete = "DELETE FROM members WHERE tenant = $1 AND id = $2";
        transaction.execute(delete, params![tenant.to_string(), id.to_string()]).await?;
        if member.is_proven_owner() && !has_owner(transaction, tenant, "").await? && !has_owner_key(transaction, tenant, at).await? {
            return Err(StoreError::Conflict { what: "owner" });
        }
        match id {
            PrincipalId::User(_) => {
                let delete = "DELETE FROM sessions WHERE tenant = $1 AND member = $2";
                transaction.execute(delete, params![tenant.to_string(), id.to_string()]).await?;
            }
            PrincipalId::ServiceAccount(account) => {
                let live = "SELECT body FROM api_keys WHERE tenant = $1 AND revoked_at IS NULL";
                for row in transaction.rows(live, params![tenant.to_string()]).await? {
                    let mut key: ApiKey = row.json(0)?;
                    if key.service_account == Some(account) {
                        key.revoked_at = Some(at);
                        let revoke = "UPDATE api_keys SET revoked_at = $3, body = $4 WHERE tenant = $1 AND id = $2";
                        let body = serde_json::to_string(&key).map_err(corrupt)?;
                        let params = params![tenant.to_string(), key.id.to_string(), at, body];
                        transaction.execute(revoke, params).await?;
                    }
                }
            }
            PrincipalId::Key(_) => {}
        }
        audited.commit(audit).await?;
        Ok(true)
    }
}

#[async_trait]
impl Sessions for Store {
    async fn insert(&self, session: StoredSession, audit: NewAudit) -> Result<()> {
        let mut audited = Audited::begin(&self.db, session.tenant).await?;
        let insert = "INSERT INTO sessions (id, tenant, member, secret_hash, expires_at, body) VALUES ($1, $2, $3, $4, $5, $6)";
        let params = params![
            session.session.id.to_string(),
            session.tenant.to_string(),
            session.session.user.to_string(),
            &session.secret_hash[..],
            session.session.expires_at,
            serde_json::to_string(&session.session).map_err(corrupt)?,
        ];
        let inserted = audited.transaction.execute(insert, params).await;
        inserted.map_err(|error| named(error, "session"))?;
        audited.commit(audit).await.map(drop)
    }

    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>> {
        let find = "SELECT tenant, secret_hash, body FROM sessions WHERE id = $1";
        let Some(row) = self.db.row(find, params![id.to_string()]).await? else {
            return Ok(None);
        };
        Ok(Some(StoredSession {
            tenant: row.parse(0)?,
            secret_hash: row.blob(1)?.try_into().map_err(corrupt)?,
            session: row.json(2)?,
        }))
    }

    async fn list(&self, tenant: TenantId, user: Option<UserId>, page: PageRequest) -> Result<Page<Session>> {
        // `~` is after every character of an id.
        let before = match cursor::decode("sessions", &page)? {
            Some(place) => place.parse::<SessionId>().map_err(|_| StoreError::Cursor)?.to_string(),
            None => "~".to_owned(),
        };
        let limit = cursor::limit(&page) + 1;
        let rows = match user {
            None => {
                let list = "SELECT body FROM sessions WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
                self.db.rows(list, params![tenant.to_string(), before, limit]).await?
            }
            Some(user) => {
                let list = "SELECT body FROM sessions WHERE tenant = $1 AND member = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
                let params = params![tenant.to_string(), user.to_string(), before, limit];
                self.db.rows(list, params).await?
            }
        };
        let items = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Session>>>()?;
        Ok(cursor::page("sessions", &page, items, |session| session.id.to_string()))
    }

    async fn remove(&self, tenant: TenantId, id: SessionId, audit: NewAudit) -> Result<bool> {
        let mut audited = Audited::begin(&self.db, tenant).await?;
        let delete = "DELETE FROM sessions WHERE id = $1 AND tenant = $2";
        let params = params![id.to_string(), tenant.to_string()];
        if audited.transaction.execute(delete, params).await? == 0 {
            return Ok(false);
        }
        audited.commit(audit).await?;
        Ok(true)
    }

    async fn prune(&self, now: Timestamp, limit: u32) -> Result<u64> {
        let prune = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)";
        self.db.write(prune, params![now, limit]).await
    }
}
