//! The ports of members and of their sessions.

use async_trait::async_trait;
use oriel_model::Timestamp;
use oriel_model::access::PrincipalId;
use oriel_model::id::{SessionId, TenantId, UserId};
use oriel_model::member::{Member, MemberKind, Session};
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, Result};

/// Users and service accounts of tenants.
#[async_trait]
pub trait Members: Send + Sync {
    /// Adds a member.
    ///
    /// # Errors
    /// [`crate::StoreError::Exists`] when the id, or the name among members of its kind, is taken.
    async fn insert(&self, tenant: TenantId, member: Member, audit: NewAudit) -> Result<()>;

    /// The member with this id.
    async fn get(&self, tenant: TenantId, id: PrincipalId) -> Result<Option<Member>>;

    /// The member of this kind with this name.
    async fn by_name(&self, tenant: TenantId, kind: MemberKind, name: &str) -> Result<Option<Member>>;

    /// The user whom this issuer knows as `subject`.
    async fn by_subject(&self, tenant: TenantId, issuer: &str, subject: &str) -> Result<Option<Member>>;

    /// Members in the order in which they were added, users first.
    async fn list(&self, tenant: TenantId, page: PageRequest) -> Result<Page<Member>>;

    /// Puts `member` in the place of the one at revision `expected`.
    ///
    /// With `owner_at`, refuses to make the tenant's last owner something else: afterwards there must be a key that is a full
    /// owner at that moment, or a proven owner among the users.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] of "member" when it has another revision or is gone, of "owner" when nobody could manage the
    /// tenant afterwards; [`crate::StoreError::Exists`] when its name or subject is another's.
    async fn update(&self, tenant: TenantId, member: Member, expected: u64, owner_at: Option<Timestamp>, audit: NewAudit) -> Result<()>;

    /// Removes a member with its sessions, and revokes the keys of a service account at `at`. Whether there was one.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] of "owner" when nobody could manage the tenant afterwards.
    async fn remove(&self, tenant: TenantId, id: PrincipalId, at: Timestamp, audit: NewAudit) -> Result<bool>;
}

/// A session as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSession {
    /// Whose tenant's.
    pub tenant: TenantId,
    /// What may be shown of it.
    pub session: Session,
    /// SHA-256 of its secret.
    pub secret_hash: [u8; 32],
}

/// Sessions of users.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// Adds a session.
    async fn insert(&self, session: StoredSession, audit: NewAudit) -> Result<()>;

    /// The session with this id, of whichever tenant: authentication starts here.
    async fn find(&self, id: SessionId) -> Result<Option<StoredSession>>;

    /// A tenant's sessions, or those of one user, newest first.
    async fn list(&self, tenant: TenantId, user: Option<UserId>, page: PageRequest) -> Result<Page<Session>>;

    /// Ends a session of this tenant. Whether there was one; without one, `audit` is not written.
    async fn remove(&self, tenant: TenantId, id: SessionId, audit: NewAudit) -> Result<bool>;

    /// Forgets at most `limit` sessions that ended before `now`; answers how many.
    async fn prune(&self, now: Timestamp, limit: u32) -> Result<u64>;
}
