//! The port of durable work: units that outlive the process which made them, leased by workers.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use oriel_model::Timestamp;
use oriel_model::id::{LeaseId, TenantId, WorkId};
use oriel_model::page::{Page, PageRequest};

use crate::{NewAudit, Result};

/// What is to be done, such as `observe-hook`. A text and no enum: a node of an older release meets kinds that it does not
/// know, and leaves them alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkKind(Cow<'static, str>);

impl WorkKind {
    /// Telling one handler of an `observe` hook.
    pub const OBSERVE_HOOK: Self = Self::new("observe-hook");
    /// Judging an execution in the background.
    pub const VALIDATION: Self = Self::new("validation");
    /// Running a job of an extension.
    pub const JOB: Self = Self::new("job");

    /// A kind of this release.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// A kind as it was stored.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A unit before anybody has worked on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWork {
    /// Its id: the same unit enqueued again is the same unit.
    pub id: WorkId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What is to be done.
    pub kind: WorkKind,
    /// At most one unfinished unit of a tenant and kind carries this key; a further one is not taken.
    pub key: Option<String>,
    /// What the worker needs to know, opaque to the store.
    pub payload: Bytes,
    /// Not before this moment.
    pub due_at: Timestamp,
    /// How often it is leased at most, at least 1. Then it is buried.
    pub max_attempts: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// Its id.
    pub id: WorkId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What is to be done.
    pub kind: WorkKind,
    /// See [`NewWork::key`].
    pub key: Option<String>,
    /// What the worker needs to know.
    pub payload: Bytes,
    /// When it was or is due; moved by a retry.
    pub due_at: Timestamp,
    /// How often it was leased, this time included.
    pub attempts: u32,
    /// How often it is leased at most.
    pub max_attempts: u32,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was buried.
    pub dead_at: Option<Timestamp>,
}

impl Work {
    /// The unit as it begins.
    #[must_use]
    pub fn fresh(new: NewWork) -> Self {
        Self {
            id: new.id,
            tenant: new.tenant,
            kind: new.kind,
            key: new.key,
            payload: new.payload,
            due_at: new.due_at,
            attempts: 0,
            max_attempts: new.max_attempts,
            error: None,
            created_at: new.created_at,
            dead_at: None,
        }
    }

    /// Whether no attempt is left after this one.
    #[must_use]
    pub const fn is_last_attempt(&self) -> bool {
        self.attempts >= self.max_attempts
    }
}

/// A unit that its worker alone may end, as long as the lease lasts and nobody else has taken it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    /// The unit.
    pub work: Work,
    /// The hold on it, the same for all units of one claim.
    pub lease: LeaseId,
    /// When the unit may go to somebody else.
    pub until: Timestamp,
}

/// What a worker wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Of these kinds.
    pub kinds: &'a [WorkKind],
    /// The present moment.
    pub now: Timestamp,
    /// How long the lease lasts unless it is extended.
    pub lease_for: Duration,
    /// At most so many units.
    pub limit: u32,
    /// At most so many units of one tenant and kind are leased at a time, those of other claims included.
    pub per_tenant: u32,
}

/// How many units of one tenant and kind there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkCount {
    /// Whose.
    pub tenant: TenantId,
    /// Of which kind.
    pub kind: WorkKind,
    /// Those that a worker could take now; a lease that ran out counts here.
    pub due: u64,
    /// Since when the longest waiting of them waits.
    pub oldest_due: Option<Timestamp>,
    /// Those that are due later.
    pub scheduled: u64,
    /// Those that a worker holds.
    pub leased: u64,
    /// Those that were buried.
    pub dead: u64,
}

/// Why a unit was buried whose workers all went away.
pub const LEASE_RAN_OUT: &str = "the worker of the last attempt did not answer before its lease ran out";

/// Durable units of work.
///
/// A unit is done at least once: a worker that is slower than its lease may see it done by another as well, and a unit
/// that is enqueued again after it was completed is done again.
#[async_trait]
pub trait WorkQueue: Send + Sync {
    /// Takes units, all or none; answers how many were new. A unit whose id is known, or whose key an unfinished unit of its
    /// tenant and kind carries, is left as it is.
    async fn enqueue(&self, units: Vec<NewWork>) -> Result<u64>;

    /// Leases units that are due. No two claims answer the same unit while its lease lasts, also among nodes.
    ///
    /// Tenants take turns, by kind: first comes who was served longest ago, and nobody gets a second unit before all others
    /// have their first. Within a tenant and kind the unit that is due longest comes first.
    ///
    /// A unit whose lease ran out is due again; one without attempts left is buried with [`LEASE_RAN_OUT`].
    async fn claim(&self, claim: Claim<'_>) -> Result<Vec<Leased>>;

    /// Holds a unit until another moment.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when the unit is gone or no longer held by `lease`: somebody else may be at it.
    async fn extend(&self, tenant: TenantId, id: WorkId, lease: LeaseId, until: Timestamp) -> Result<()>;

    /// These units are done: they are forgotten, all or none. A lease that ran out still counts until somebody else has the
    /// unit.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] as for `extend`, when it is so for any of them.
    async fn complete(&self, tenant: TenantId, ids: &[WorkId], lease: LeaseId) -> Result<()>;

    /// The attempt failed: once more from `due_at` on, or buried when no attempt is left. Answers whether there is another.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] as for `extend`.
    async fn retry(&self, tenant: TenantId, id: WorkId, lease: LeaseId, due_at: Timestamp, error: &str, now: Timestamp) -> Result<bool>;

    /// The unit cannot succeed: it is kept for people to look at and not leased any more.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] as for `extend`.
    async fn bury(&self, tenant: TenantId, id: WorkId, lease: LeaseId, error: &str, now: Timestamp) -> Result<()>;

    /// The unit, waiting, leased or dead.
    async fn get(&self, tenant: TenantId, id: WorkId) -> Result<Option<Work>>;

    /// Per tenant and kind, of one tenant or of all.
    async fn counts(&self, tenant: Option<TenantId>, now: Timestamp) -> Result<Vec<WorkCount>>;

    /// The tenant's dead units, newest id first.
    async fn dead(&self, tenant: TenantId, kind: Option<&WorkKind>, page: PageRequest) -> Result<Page<Work>>;

    /// Gives dead units all their attempts again, from `due_at` on; answers how many. One whose key an unfinished unit
    /// carries stays dead. When there are none, `audit` is not written.
    async fn requeue(&self, tenant: TenantId, ids: &[WorkId], due_at: Timestamp, audit: NewAudit) -> Result<u64>;

    /// Deletes at most `limit` units of all tenants that were buried before `before`, the oldest first; answers how many.
    async fn purge(&self, before: Timestamp, limit: u32) -> Result<u64>;
}
